// See section.h.

#include "evaluate/section.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "evaluate/tally.h"

namespace variform::evaluate {
namespace {

nlohmann::json nested(const Tensor& values) {
  if (values.dim() == 0) return values.item<double>();  // not finite: null
  nlohmann::json list = nlohmann::json::array();
  for (int64_t i = 0; i < values.size(0); ++i) list.push_back(nested(values[i]));
  return list;
}

nlohmann::json wide(const Tensor& values) { return nested(values.to(at::kCPU, at::kDouble)); }

}  // namespace

Tensor quartiles(const Tensor& values) {
  const Tensor sorted = std::get<0>(values.to(at::kCPU, at::kDouble).sort(0));
  const int64_t last = sorted.size(0) - 1;
  std::vector<Tensor> found;
  for (int64_t quarter : {1, 2, 3}) {
    const int64_t below = quarter * last / 4;
    const double rest = 0.25 * static_cast<double>(quarter * last % 4);
    found.push_back(sorted[below] + rest * (sorted[std::min(below + 1, last)] - sorted[below]));
  }
  return at::stack(found);
}

void Section::number(const std::string& name, double value, const std::string& what) {
  if (!std::isfinite(value)) return undefined(name, "not finite.", what);
  entries_[name] = {{"value", value}, {"se", nullptr}, {"what", what}};
}

void Section::values(const std::string& name, const Tensor& values, const std::string& what) {
  const Tensor all = values.to(at::kCPU, at::kDouble);
  const int64_t bad = all.numel() - all.isfinite().sum().item<int64_t>();
  if (bad > 0 || all.numel() == 0)
    return undefined(
        name, "not finite for " + std::to_string(bad) + " of " + std::to_string(all.numel()) + " data.",
        what);
  nlohmann::json entry = mean_and_error(all);
  entries_[name] = {
      {"value", entry["mean"]}, {"se", entry["se"]}, {"what", what}, {"quartiles", nested(quartiles(all))}};
}

void Section::geometric(const std::string& name, const Tensor& logarithms, const std::string& what) {
  values(name, logarithms, what);
  nlohmann::json& entry = entries_[name];
  if (entry.contains("undefined")) return;
  const double mean = std::exp(entry["value"].get<double>());
  entry["value"] = mean;
  if (entry["se"].is_number()) entry["se"] = mean * entry["se"].get<double>();
  for (nlohmann::json& quartile : entry["quartiles"]) quartile = std::exp(quartile.get<double>());
}

void Section::median(const std::string& name, const Tensor& values, const std::string& what) {
  const Tensor found = quartiles(values.flatten());
  number(name, found[1].item<double>(), what);
  if (!entries_[name].contains("undefined")) entries_[name]["quartiles"] = nested(found);
}

void Section::undefined(const std::string& name, const std::string& reason, const std::string& what) {
  entries_[name] = {{"undefined", reason}, {"what", what}};
}

void Section::array(const std::string& name, const Tensor& values) { arrays_[name] = wide(values); }

void Section::spread(const std::string& name, const Tensor& values) {
  arrays_[name] = {{"mean", wide(values.mean(0))}, {"quartiles", nested(quartiles(values))}};
}

}  // namespace variform::evaluate
