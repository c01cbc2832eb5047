#pragma once
// What a process has one of, and a plugin must leave alone: when it is loaded, and in every call.

#include <ATen/core/Tensor.h>

#include <string>

#include "plugins/ambient.h"

namespace variform::conformance {

/// The settings as they are when it is made.
class ProcessSettings {
 public:
  ProcessSettings();
  /// Names of those that differ from `before`, with commas between; empty when there are none. They are put back.
  std::string difference(const ProcessSettings& before) const;
  /// Whether LibTorch's global generator has been drawn from.
  bool has_drawn(const ProcessSettings& before) const;

 private:
  plugins::AmbientState all_;
  at::Tensor generator_;
};

}  // namespace variform::conformance
