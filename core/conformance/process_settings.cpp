// See process_settings.h. A test restores and names what a training restores and names.

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
    if (change.what != plugins::kGlobalGenerator)  // has_drawn() reports it
      changed += (changed.empty() ? "" : ", ") + change.what;
  return changed;
}

bool ProcessSettings::has_drawn(const ProcessSettings& before) const {
  return !at::equal(before.generator_, generator_);
}

}  // namespace variform::conformance
