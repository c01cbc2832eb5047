#pragma once
// The settings that a process has once, and that a plugin must leave alone: when it is loaded, and in every call.

#include <ATen/core/Tensor.h>

#include <string>

#include "plugins/ambient.h"

namespace variform::conformance {

/// The settings at its construction.
class ProcessSettings {
 public:
  ProcessSettings();
  /// Restores the settings that differ from `before`; returns their names, separated by commas, or empty text.
  std::string difference(const ProcessSettings& before) const;
  /// Whether LibTorch's global generator has been drawn from.
  bool has_drawn(const ProcessSettings& before) const;

 private:
  plugins::AmbientState all_;
  at::Tensor generator_;
};

}  // namespace variform::conformance
