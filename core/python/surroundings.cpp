// See surroundings.h.

#include "python/surroundings.h"

#include <utility>

#include "data/files.h"
#include "plugins/search.h"
#include "python/components.h"
#include "python/messages.h"

namespace variform::python {

model::Workplace workplace_of(const Surroundings& surroundings) {
  model::Places places;
  places.data = data::data_folders(surroundings.data);
  places.descriptors = {surroundings.descriptors.begin(), surroundings.descriptors.end()};
  return {std::move(places), surroundings.plugins, messages()};
}

// As Workplace::registry(), with the place of the program instead of Python's.
std::unique_ptr<plugins::Registry> registry_of(const Surroundings& surroundings,
                                               const std::vector<plugins::ConfigPath>& config_paths) {
  plugins::Surroundings here = plugins::Surroundings::of_this_process();
  here.executable = surroundings.program;
  auto registry =
      std::make_unique<plugins::Registry>(plugins::search_for(surroundings.plugins, config_paths, here));
  for (const std::int64_t number : surroundings.classes) registry->add_static(plugin_of(number));
  registry->tell_changes_to([](const std::string& text) { messages().warning(text); });
  for (const std::string& warning : registry->warnings()) messages().warning(warning);
  return registry;
}

}  // namespace variform::python
