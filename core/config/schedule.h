#pragma once
// Numbers that change during training: β, learning rates. Evaluated on the host, once per step.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"
#include "config/reader.h"

namespace variform::config {

/// A function of the step. `delay` steps hold the first value, then `steps` steps (absent: until the training's
/// horizon) lead from `from` to `to`, then the last value holds. With u in [0, 1] the fraction of the way:
///   linear       from + u (to − from)
///   cosine       to + (from − to) (1 + cos πu) / 2
///   exponential  from (to / from)^u
///   cyclical     `cycles` times: linear over the first `ramp` of the cycle, then `to` (Fu et al. 2019)
///   steps        values[i] from step delay + boundaries[i − 1] on; the piecewise constant
struct Schedule {
  enum class Shape { kConstant, kLinear, kCosine, kExponential, kCyclical, kSteps };

  Shape shape = Shape::kConstant;
  double from = 0;  ///< also the constant
  double to = 0;
  std::optional<std::int64_t> steps;
  std::int64_t delay = 0;
  std::int64_t cycles = 4;
  double ramp = 0.5;
  std::vector<double> values;            ///< kSteps: one more than there are boundaries
  std::vector<std::int64_t> boundaries;  ///< kSteps: rising; `at` in TOML

  static Schedule constant(double value);
  bool is_constant() const { return shape == Shape::kConstant; }

  /// Returns the value at the update `step`, counted from 0, of a training planned for `horizon` steps.
  double at(std::int64_t step, std::int64_t horizon) const;
  /// The value at its end, step `horizon`.
  double final(std::int64_t horizon) const { return at(horizon, horizon); }
  /// Returns the first step from which on the value stays the same: 0 for a constant, `horizon` at most.
  std::int64_t settled(std::int64_t horizon) const;

  bool operator==(const Schedule&) const = default;
};

const char* to_string(Schedule::Shape shape);

/// Reads a number, or `{ schedule = "linear", from = 0.0, to = 0.5, steps = 2000, delay = 0 }`, under `key`. The rule
/// applies to every value that the schedule takes.
Schedule read_schedule(Reader& reader, std::string_view key, const NumberRule& rule);

}  // namespace variform::config
