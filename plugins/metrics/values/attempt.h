#pragma once
// What the metrics of this folder share: one thing that a model lacks leaves the other quantities as they are.

#include <variform/metric.h>
#include <variform/model.h>

#include <initializer_list>

namespace variform::metrics {

/// Calls add(). What it lacks becomes the reason of all these quantities.
template <class Add>
void attempt(Findings& findings, std::initializer_list<const char*> quantities, const Add& add) {
  try {
    add();
  } catch (const Unsupported& lacks) {
    for (const char* quantity : quantities) findings.undefined(quantity, lacks.what());
  }
}

/// Returns β; throws Unsupported without one.
inline double beta_of(Measured& at) {
  if (const std::optional<double> beta = at.beta()) return *beta;
  throw Unsupported("objective " + at.model().label(Kind::kObjective) +
                    " has no β; give one for the evaluation");
}

/// The unit of losses and bounds.
inline constexpr const char* kNats = "nats per example";

}  // namespace variform::metrics
