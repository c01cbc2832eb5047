// See schedules.h.

#include "train/schedules.h"

#include <cmath>
#include <map>
#include <memory>

#include <fmt/format.h>

namespace variform::train {
namespace {

using Schedules = std::map<std::string, config::Schedule>;

void add_schedules(Schedules& all, const std::string& name, const config::ComponentSpec& component) {
  for (const auto& [key, value] : component.parameters) {
    if (const auto* schedule = std::get_if<config::Schedule>(&value)) all[name + "." + key] = *schedule;
    if (const auto* nested = std::get_if<std::shared_ptr<config::ComponentSpec>>(&value))
      add_schedules(all, name + "." + key, **nested);
  }
  if (component.optimizer) all[name + ".optimizer.lr"] = component.optimizer->lr;
}

Schedules schedules_of(const config::Experiment& experiment) {
  Schedules all{{"train.optimizer.lr", experiment.train.optimizer.lr}};
  for (const auto& [kind, slot] : experiment.slots)
    add_schedules(all, (kind == Kind::kObjective ? "" : "model.") + std::string(to_string(kind)), slot);
  return all;
}

std::string short_text(double value) { return fmt::format("{:.4g}", value); }

}  // namespace

std::vector<std::string> schedules_that_jump(const Planned& before, const Planned& now, std::int64_t step) {
  std::vector<std::string> sentences;
  const Schedules former = schedules_of(before.experiment);
  for (const auto& [name, schedule] : schedules_of(now.experiment)) {
    const auto found = former.find(name);
    if (found == former.end()) continue;
    const double was = found->second.at(step, before.horizon), is = schedule.at(step, now.horizon);
    if (std::abs(was - is) <= 1e-9 * std::max(std::abs(was), std::abs(is))) continue;
    std::string text =
        fmt::format("{} goes from {} to {} at step {}", name, short_text(was), short_text(is), step);
    if (found->second == schedule)
      text += fmt::format(
          ": its schedule was for {} steps and is for {} now. To go on with the former value: {}={}",
          before.horizon, now.horizon, name, short_text(was));
    sentences.push_back(text + ".");
  }
  return sentences;
}

}  // namespace variform::train
