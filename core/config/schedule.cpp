// Schedules: reading, range checking, evaluation.

#include "config/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "config/text.h"

namespace variform::config {
namespace {

constexpr std::pair<Schedule::Shape, const char*> kShapes[] = {
    {Schedule::Shape::kConstant, "constant"}, {Schedule::Shape::kLinear, "linear"},
    {Schedule::Shape::kCosine, "cosine"},     {Schedule::Shape::kExponential, "exponential"},
    {Schedule::Shape::kCyclical, "cyclical"}, {Schedule::Shape::kSteps, "steps"}};

double between(Schedule::Shape shape, double from, double to, double u) {
  if (u >= 1) return to;  // exact despite rounding
  switch (shape) {
    case Schedule::Shape::kCosine: return to + (from - to) * 0.5 * (1 + std::cos(std::numbers::pi * u));
    case Schedule::Shape::kExponential: return from * std::pow(to / from, u);
    default: return from + u * (to - from);
  }
}

Schedule::Shape read_shape(Reader& reader) {
  std::vector<std::string> names;
  for (const auto& [shape, name] : kShapes) names.emplace_back(name);
  const std::string chosen = reader.text("schedule", {.fallback = {}, .choices = names});
  for (const auto& [shape, name] : kShapes)
    if (chosen == name) return shape;
  return Schedule::Shape::kConstant;
}

void read_pieces(Reader& reader, Schedule& schedule, const NumberRule& rule) {
  schedule.values = reader.numbers("values", {.fallback = {},
                                              .low = rule.low,
                                              .high = rule.high,
                                              .excludes_low = rule.excludes_low,
                                              .excludes_high = rule.excludes_high,
                                              .unit = rule.unit,
                                              .least = 1});
  schedule.boundaries = reader.integers("at", {.fallback = {}, .low = 1, .unit = "steps"});
  const auto& at = schedule.boundaries;
  if (std::adjacent_find(at.begin(), at.end(), std::greater_equal<>()) != at.end())
    reader.error("at", "@ must rise from element to element.");
  if (!schedule.values.empty() && schedule.values.size() != at.size() + 1)
    reader.error("at", fmt::format("@ needs one element fewer than values ({}), found {}.",
                                   schedule.values.size(), at.size()));
  if (schedule.values.empty()) schedule.values = {rule.fallback.value_or(0)};
  schedule.boundaries.resize(schedule.values.size() - 1);
}

void read_ramp(Reader& reader, Schedule& schedule, const NumberRule& rule) {
  NumberRule end = rule;
  end.fallback.reset();
  schedule.from = reader.number("from", end);
  schedule.to = reader.number("to", end);
  if (reader.has("steps"))
    schedule.steps = reader.integer("steps", {.fallback = 1, .low = 1, .unit = "steps"});
  if (schedule.shape == Schedule::Shape::kCyclical) {
    schedule.cycles = reader.integer("cycles", {.fallback = 4, .low = 1});
    schedule.ramp = reader.number("ramp", {.fallback = 0.5, .low = 0, .high = 1, .excludes_low = true});
  }
  if (schedule.shape == Schedule::Shape::kExponential && schedule.from * schedule.to <= 0)
    reader.error("schedule", "@ \"exponential\" needs from and to other than 0 and of one sign, found " +
                                 format_plain(schedule.from) + " and " + format_plain(schedule.to) + ".");
}

}  // namespace

const char* to_string(Schedule::Shape shape) {
  for (const auto& [candidate, name] : kShapes)
    if (candidate == shape) return name;
  return "";
}

Schedule Schedule::constant(double value) {
  Schedule schedule;
  schedule.from = schedule.to = value;
  return schedule;
}

double Schedule::at(std::int64_t step, std::int64_t horizon) const {
  const std::int64_t elapsed = std::max<std::int64_t>(step - delay, 0);
  if (shape == Shape::kConstant) return from;
  if (shape == Shape::kSteps) {
    const auto passed = std::upper_bound(boundaries.begin(), boundaries.end(), elapsed) - boundaries.begin();
    return values[static_cast<std::size_t>(passed)];
  }
  const std::int64_t length = std::max<std::int64_t>(steps.value_or(horizon - delay), 1);
  if (elapsed >= length) return to;
  const double u = static_cast<double>(elapsed) / static_cast<double>(length);
  if (shape != Shape::kCyclical) return between(shape, from, to, u);
  const double in_cycle = u * static_cast<double>(cycles);
  return between(Shape::kLinear, from, to, (in_cycle - std::floor(in_cycle)) / ramp);
}

std::int64_t Schedule::settled(std::int64_t horizon) const {
  std::int64_t last = 0;
  if (shape == Shape::kSteps) {
    for (std::size_t i = 0; i < boundaries.size(); ++i)
      if (values[i + 1] != values[i]) last = delay + boundaries[i];
  } else if (shape != Shape::kConstant && from != to) {
    const std::int64_t length = std::max<std::int64_t>(steps.value_or(horizon - delay), 1);
    // The last cycle reaches its end after a fraction `ramp` of it, and holds it.
    const double share = shape == Shape::kCyclical
                             ? (static_cast<double>(cycles - 1) + ramp) / static_cast<double>(cycles)
                             : 1;
    last =
        delay + std::min(length, static_cast<std::int64_t>(std::ceil(share * static_cast<double>(length))));
  }
  return std::min(last, horizon);
}

Schedule read_schedule(Reader& reader, std::string_view key, const NumberRule& rule) {
  const Node* node = reader.node(key);
  if (!node || !node->is_table()) {
    if (node && !node->if_integer() && !node->if_number()) {
      reader.error(
          key, "@ must be a number or a schedule, found " + node->describe() + ".",
          reader.looks_quoted(key)
              ? reader.advice_without_quotes(key)
              : "a schedule is written { schedule = \"linear\", from = 0.0, to = 1.0, steps = 1000 }");
      return Schedule::constant(rule.fallback.value_or(0));
    }
    return Schedule::constant(reader.number(key, rule));
  }
  Reader inner = reader.table(key);
  Schedule schedule;
  const std::size_t errors = reader.diagnostics().size();
  schedule.shape = read_shape(inner);
  if (reader.diagnostics().size() > errors) {
    return Schedule::constant(rule.fallback.value_or(0));  // without its shape the other keys have no meaning
  }
  if (schedule.is_constant()) {
    NumberRule value = rule;
    value.fallback.reset();
    schedule = Schedule::constant(inner.number("value", value));
  } else {
    if (schedule.shape == Schedule::Shape::kSteps) read_pieces(inner, schedule, rule);
    else read_ramp(inner, schedule, rule);
    schedule.delay = inner.integer("delay", {.fallback = 0, .low = 0, .unit = "steps"});
  }
  inner.finish("the schedule \"" + std::string(to_string(schedule.shape)) + "\" of " + reader.full(key));
  reader.put(key, schedule.is_constant() ? Node(schedule.from, node->where()) : inner.resolved(),
             node->where());
  return schedule;
}

}  // namespace variform::config
