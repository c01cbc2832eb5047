// See quantities.h.

#include "plugins/quantities.h"

#include <variform/metric.h>
#include <variform/testing.h>

namespace variform::plugins {

std::vector<DeclaredQuantity> quantities_of(const Registry& registry, const Offer& offer) {
  if (offer.kind != Kind::kMetric) return {};
  std::shared_ptr<Metric> metric;
  try {
    metric = std::static_pointer_cast<Metric>(registry.create(*offer.info, testing::fake_build(*offer.info)));
  } catch (const std::exception&) {  // it has parameters without defaults
    return {};
  }
  std::vector<DeclaredQuantity> declared;
  for (const bool of_several : {false, true})
    for (const Quantity& quantity : of_several ? metric->comparisons() : metric->quantities())
      declared.push_back({quantity.name, quantity.unit, quantity.meaning, of_several});
  return declared;
}

}  // namespace variform::plugins
