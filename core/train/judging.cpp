// See judging.h.

#include "train/judging.h"

#include <variform/model.h>

#include <algorithm>

#include <fmt/format.h>

#include "config/node.h"
#include "model/assembly.h"
#include "model/preflight.h"

namespace variform::train {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void require_part(const char* key, const std::string& part, const model::Preflight& preflight,
                  const std::string& objective) {
  std::vector<std::string> known{"loss"};
  known.insert(known.end(), preflight.parts.begin(), preflight.parts.end());
  if (std::find(known.begin(), known.end(), part) != known.end()) return;
  const std::string near = config::did_you_mean(part, known);
  throw Error(std::string(key) + " = \"" + part + "\" is not a value of this objective, " + objective +
              "; expected one of: " + listed(known) + "." + (near.empty() ? "" : " " + near));
}

}  // namespace

double Judging::value_of(const std::map<std::string, double>& evaluation) const {
  double value = evaluation.at(part);
  if (part != "loss") return value;
  for (const std::string& name : without)
    if (const auto found = evaluation.find(name); found != evaluation.end()) value -= found->second;
  return value;
}

std::string Judging::sentence(const std::string& split) const {
  std::string text = "best: the step with the least '" + part + "' on split " + split;
  if (part == "loss" && !without.empty()) text += ", without its adversary's part (" + listed(without) + ")";
  if (from == 0) return text;
  text += fmt::format(", judged from step {} on, when {}{} changing", from, listed(waits_for),
                      waits_for.size() == 1 ? " stops" : " stop");
  return text + (never_before_end ? ": at the last step alone" : "");
}

Judging judging_of(const config::TrainSpec& spec, const model::Assembly& assembly,
                   const model::Preflight& preflight) {
  Judging judging;
  const Model& model = assembly.model();
  const std::string objective = model.label(Kind::kObjective);
  require_part("train.best", spec.best, preflight, objective);
  judging.part = spec.best;
  if (spec.early_stopping) {
    require_part("train.early_stopping.part", spec.early_stopping->part, preflight, objective);
    judging.part = spec.early_stopping->part;
  }
  judging.without = preflight.adversaries;
  const int64_t horizon = assembly.spec().horizon;
  for (const auto& [name, schedule] : assembly.changing()) {
    const int64_t settled = schedule.settled(horizon);
    if (settled == 0) continue;
    judging.waits_for.push_back(name);
    // The evaluation after n steps uses the schedules' values of update n − 1.
    judging.from = std::max(judging.from, std::min(settled + 1, horizon));
    judging.never_before_end = judging.never_before_end || settled >= horizon;
  }
  return judging;
}

}  // namespace variform::train
