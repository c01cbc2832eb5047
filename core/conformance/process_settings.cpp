// See process_settings.h. What a training puts back and names, a test names, too.

#include "conformance/process_settings.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

namespace variform::conformance {

ProcessSettings::ProcessSettings()
    : all_(plugins::AmbientState::now()),
      generator_(at::globalContext().defaultGenerator(at::kCPU).get_state()) {}

std::string ProcessSettings::difference(const ProcessSettings& before) const {
  std::string changed;
  for (const base::Change& change : before.all_.put_back())
    if (change.what != plugins::kGlobalGenerator)  // has_drawn() tells that
      changed += (changed.empty() ? "" : ", ") + change.what;
  return changed;
}

bool ProcessSettings::has_drawn(const ProcessSettings& before) const {
  return !at::equal(before.generator_, generator_);
}

}  // namespace variform::conformance
