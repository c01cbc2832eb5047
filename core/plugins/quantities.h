#pragma once
// What a metric reports, for descriptions: it is built with the defaults of its parameters, and asked.

#include <string>
#include <vector>

#include "plugins/registry.h"

namespace variform::plugins {

/// See Quantity in variform/metric.h. Light: no LibTorch header.
struct DeclaredQuantity {
  std::string name, unit, meaning;
  bool of_several_models = false;
};

/// Returns nothing for other components, and for a metric that cannot be built with defaults.
std::vector<DeclaredQuantity> quantities_of(const Registry& registry, const Offer& offer);

/// Returns the names of what the metrics report that this option of `evaluate` asks for ("quality"; Metric::shorthand).
std::vector<std::string> quantities_of_option(const Registry& registry, const std::string& option);

}  // namespace variform::plugins
