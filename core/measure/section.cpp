// See section.h.

#include "measure/section.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include <fmt/format.h>

#include <variform/parallel.h>

namespace variform::measure {
namespace {

nlohmann::json nested(const Tensor& values) {
  if (values.dim() == 0) return values.item<double>();  // not finite: null
  nlohmann::json list = nlohmann::json::array();
  for (int64_t i = 0; i < values.size(0); ++i) list.push_back(nested(values[i]));
  return list;
}

// Finds the quartiles of `values`, which it reorders: values up to a quartile are moved before those above it, so that
// the next one is looked for among fewer.
void quartiles_of(std::span<double> values, double* found) {
  const std::size_t last = values.size() - 1;
  std::size_t done = 0;
  for (std::size_t quarter : {1, 2, 3}) {
    const std::size_t below = quarter * last / 4, above = std::min(below + 1, last);
    const auto at = [&](std::size_t index) { return values.begin() + static_cast<std::ptrdiff_t>(index); };
    if (below >= done) std::nth_element(at(done), at(below), values.end());
    const double low = values[below];
    // The next value in order is the least of those above.
    const double high = above == below ? low : *std::min_element(at(above), values.end());
    *found++ = low + 0.25 * static_cast<double>(quarter * last % 4) * (high - low);
    done = below;
  }
}

// Returns { mean, se } of [N] values: se = sd / √N (null for one value).
nlohmann::json mean_and_error(const Tensor& values) {
  const auto n = static_cast<double>(values.size(0));
  nlohmann::json entry = {{"mean", values.mean().item<double>()}, {"se", nullptr}};
  if (n > 1) entry["se"] = values.std().item<double>() / std::sqrt(n);
  return entry;
}

nlohmann::json wide(const Tensor& values) { return nested(values.to(at::kCPU, at::kDouble)); }

}  // namespace

Tensor quartiles(const Tensor& values) {
  Shape shape = values.sizes().vec();
  shape[0] = 3;
  // One contiguous copy per series, which is reordered. NaN is put last.
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Tensor series = values.to(at::kCPU, at::kDouble)
                            .reshape({values.size(0), -1})
                            .t()
                            .nan_to_num(kInfinity, kInfinity, -kInfinity)
                            .clone(at::MemoryFormat::Contiguous);
  const Tensor found = at::empty({series.size(0), 3}, at::kDouble);
  const int64_t length = series.size(1);
  double *const from = series.mutable_data_ptr<double>(), *const to = found.mutable_data_ptr<double>();
  in_parallel(series.size(0), [&](int64_t i) {
    quartiles_of({from + i * length, static_cast<std::size_t>(length)}, to + 3 * i);
  });
  return found.t().reshape(shape);
}

void Section::number(const std::string& name, double value, const std::string& what,
                     std::optional<double> error) {
  if (!std::isfinite(value)) return undefined(name, "not finite.", what);
  entries_[name] = {{"value", value},
                    {"se", error ? nlohmann::json(*error) : nlohmann::json(nullptr)},
                    {"unit", ""},
                    {"what", what}};
}

void Section::unit(const std::string& name, const std::string& unit) { entries_.at(name)["unit"] = unit; }

void Section::mean(const std::string& name, const Tensor& values, const std::string& what) {
  const Tensor all = values.to(at::kCPU, at::kDouble);
  const int64_t bad = all.numel() - all.isfinite().sum().item<int64_t>();
  if (bad > 0 || all.numel() == 0)
    return undefined(name, fmt::format("not finite for {} of {} data.", bad, all.numel()), what);
  nlohmann::json entry = mean_and_error(all);
  entries_[name] = {{"value", entry["mean"]}, {"se", entry["se"]}, {"unit", ""}, {"what", what}};
}

void Section::values(const std::string& name, const Tensor& values, const std::string& what) {
  mean(name, values, what);
  nlohmann::json& entry = entries_[name];
  if (!entry.contains("undefined")) entry["quartiles"] = nested(quartiles(values));
}

void Section::ratio(const std::string& name, const Tensor& above, const Tensor& below,
                    const std::string& what) {
  const auto n = static_cast<double>(above.size(0));
  const double denominator = below.mean().item<double>(), ratio = above.mean().item<double>() / denominator;
  if (!std::isfinite(ratio))
    return undefined(name, "not defined: the mean that it is divided by is 0, or not finite.", what);
  std::optional<double> error;
  if (n > 1) error = (above - ratio * below).std().item<double>() / (std::sqrt(n) * std::abs(denominator));
  number(name, ratio, what, error);
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
  entries_[name] = {{"undefined", reason}, {"unit", ""}, {"what", what}};
}

void Section::array(const std::string& name, const Tensor& values) { arrays_[name] = wide(values); }

void Section::spread(const std::string& name, const Tensor& values) {
  arrays_[name] = {{"mean", wide(values.mean(0))}, {"quartiles", nested(quartiles(values))}};
}

}  // namespace variform::measure
