// See tally.h.

#include "measure/tally.h"

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace variform::measure {

void Tally::add(const std::string& name, const Tensor& values) {
  values_[name].push_back(values.detach().to(at::kCPU, at::kDouble));
}

void Tally::undefined(const Names& names, const std::string& reason) {
  for (const std::string& name : names) reasons_.emplace(name, reason);
}

void Tally::keep_first(std::int64_t data) {
  for (auto& [name, parts] : values_) parts = {at::cat(parts).slice(0, 0, data)};
}

Tensor Tally::values(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() || is_undefined(name) ? Tensor() : at::cat(found->second);
}

Tally::Names Tally::names() const {
  Names names;
  for (const auto& [name, values] : values_) names.push_back(name);
  for (const auto& [name, reason] : reasons_)
    if (!values_.contains(name)) names.push_back(name);
  return names;
}

nlohmann::json mean_and_error(const Tensor& values) {
  const auto n = static_cast<double>(values.size(0));
  nlohmann::json entry = {{"mean", values.mean().item<double>()}, {"se", nullptr}};
  if (n > 1) entry["se"] = values.std().item<double>() / std::sqrt(n);
  return entry;
}

nlohmann::json Tally::entry(const std::string& name, const std::string& if_not_finite) const {
  if (const auto reason = reasons_.find(name); reason != reasons_.end())
    return {{"undefined", reason->second}};
  const Tensor all = values(name);
  if (!all.defined()) return {{"undefined", "not defined: nothing was computed."}};
  const auto bad = static_cast<int64_t>(all.numel() - all.isfinite().sum().item<int64_t>());
  if (bad > 0)
    return {{"undefined", "not finite for " + std::to_string(bad) + " of " + std::to_string(all.numel()) +
                              " data" + if_not_finite + "."}};
  return mean_and_error(all);
}

nlohmann::json Tally::entries(const std::string& if_not_finite) const {
  nlohmann::json all = nlohmann::json::object();
  for (const std::string& name : names()) all[name] = entry(name, if_not_finite);
  return all;
}

}  // namespace variform::measure
