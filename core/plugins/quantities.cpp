// See quantities.h.

#include "plugins/quantities.h"

#include <variform/metric.h>
#include <variform/testing.h>

#include <optional>

namespace variform::plugins {

namespace {

// Returns the metric with its parameters' defaults; null when it has parameters without.
std::shared_ptr<Metric> usual(const Registry& registry, const Offer& offer) {
  try {
    return std::static_pointer_cast<Metric>(registry.create(*offer.info, testing::fake_build(*offer.info)));
  } catch (const std::exception&) {
    return nullptr;
  }
}

}  // namespace

std::vector<DeclaredQuantity> quantities_of(const Registry& registry, const Offer& offer) {
  if (offer.kind != Kind::kMetric) return {};
  const std::shared_ptr<Metric> metric = usual(registry, offer);
  if (!metric) return {};
  std::vector<DeclaredQuantity> declared;
  for (const bool of_several : {false, true})
    for (const Quantity& quantity : of_several ? metric->comparisons() : metric->quantities())
      declared.push_back({quantity.name, quantity.unit, quantity.meaning, of_several});
  return declared;
}

std::vector<std::string> quantities_of_option(const Registry& registry, const std::string& option) {
  std::vector<std::string> names;
  for (const std::string& id : registry.ids(Kind::kMetric)) {
    const std::shared_ptr<Metric> metric = usual(registry, registry.offer(Kind::kMetric, id));
    const std::optional<Shorthand> by = metric ? metric->shorthand() : std::nullopt;
    if (by && by->option == option)
      for (const Quantity& quantity : metric->quantities()) names.push_back(quantity.name);
  }
  return names;
}

}  // namespace variform::plugins
