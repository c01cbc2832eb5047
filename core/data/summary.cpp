// See summary.h.

#include "data/summary.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "data/range.h"

namespace variform::data {
namespace {

constexpr std::int64_t kRowsAtOnce = 2048;

at::Tensor rows_of(const Dataset& data, std::int64_t first, std::int64_t count) {
  const at::Tensor index = at::arange(first, std::min(data.size(), first + count), at::kLong);
  if (!data.needs_generator()) return data.gather(index);
  at::Tensor rows = data.stored_rows(index).to(at::kFloat);  // as stored, without the drawn noise
  return data.stored_type() == at::kByte ? rows.div_(255) : rows;
}

at::Tensor mask_of(const Dataset& data, std::int64_t first, std::int64_t count) {
  return data.gather_mask(at::arange(first, std::min(data.size(), first + count), at::kLong));
}

void look_at_values(const Dataset& data, SplitSummary& summary) {
  Range range;
  double sum = 0, squares = 0, count = 0, all = 0;
  for (std::int64_t first = 0; first < data.size(); first += kRowsAtOnce) {
    at::Tensor rows = rows_of(data, first, kRowsAtOnce);
    const at::Tensor mask = mask_of(data, first, kRowsAtOnce);
    range.add(rows, mask);
    double observed = static_cast<double>(rows.numel());
    if (mask.defined()) {
      observed = mask.sum().item<double>();
      rows = rows.masked_fill(mask.logical_not(), 0);
    }
    sum += rows.sum(at::kDouble).item<double>();
    squares += rows.to(at::kDouble).square().sum().item<double>();
    count += observed;
    all += static_cast<double>(rows.numel());
  }
  summary.low = range.low.min().item<double>();
  summary.high = range.high.max().item<double>();
  summary.mean = count > 0 ? sum / count : 0;
  summary.missing = std::llround(all - count);
  summary.sd = std::sqrt(std::max(0.0, squares / std::max(1.0, count) - summary.mean * summary.mean));
  summary.constants = range.constants();
}

void count_classes(const Dataset& data, SplitSummary& summary) {
  if (!data.labels().defined()) return;
  const at::Tensor counts =
      at::bincount(data.labels().cpu(), {}, static_cast<std::int64_t>(data.class_names.size()));
  for (std::int64_t i = 0; i < counts.size(0); ++i) {
    const auto at = static_cast<std::size_t>(i);
    summary.classes.emplace_back(at < data.class_names.size() ? data.class_names[at] : std::to_string(i),
                                 counts[i].item<std::int64_t>());
  }
}

void count_factors(const Dataset& data, SplitSummary& summary) {
  if (!data.factors().defined()) return;
  for (std::int64_t i = 0; i < data.factors().size(1); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const at::Tensor values = std::get<0>(at::_unique(data.factors().select(1, i).cpu()));
    summary.factors.emplace_back(
        at < data.factor_names.size() ? data.factor_names[at] : std::to_string(i + 1), values.numel());
  }
}

std::string sketch_of_images(const Dataset& data, int width) {
  constexpr std::string_view kLetters = " .:-=+*#%@";
  const Shape shape = data.shape();
  const std::int64_t columns = std::min<std::int64_t>(shape[2], 24);
  const std::int64_t lines = std::max<std::int64_t>(1, (columns * shape[1] + shape[2]) / (2 * shape[2]));
  const std::int64_t count = std::clamp<std::int64_t>((width + 2) / (columns + 2), 1, data.size());
  at::Tensor grey = rows_of(data, 0, count).to(at::kFloat).mean(1, true);
  const double low = grey.min().item<double>(), high = grey.max().item<double>();
  grey =
      at::_adaptive_avg_pool2d(grey.sub(low).div(high > low ? high - low : 1), {lines, columns}).squeeze(1);
  std::string text;
  for (std::int64_t line = 0; line < lines; ++line) {
    std::string row;
    for (std::int64_t i = 0; i < count; ++i) {
      const at::Tensor values = grey[i][line].contiguous();
      for (std::int64_t c = 0; c < columns; ++c) {
        const float value = values.const_data_ptr<float>()[c];
        row += kLetters[static_cast<std::size_t>(std::clamp(value * 9.99f, 0.0f, 9.0f))];
      }
      row += "  ";
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

std::string sketch_of_numbers(const Dataset& data, int width) {
  const at::Tensor rows = rows_of(data, 0, 5).flatten(1).to(at::kDouble).contiguous();
  const std::int64_t shown = std::min<std::int64_t>(rows.size(1), std::max(1, (width - 12) / 11));
  std::string text;
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    text += fmt::format("row {:<4}", i);
    for (std::int64_t j = 0; j < shown; ++j)
      text += fmt::format(" {:>10.4g}", rows.const_data_ptr<double>()[i * rows.size(1) + j]);
    text += rows.size(1) > shown ? " …\n" : "\n";
  }
  return text;
}

}  // namespace

SplitSummary summarise(const Dataset& data, const std::string& name) {
  SplitSummary summary;
  summary.name = name;
  summary.rows = data.size();
  summary.shape = data.shape();
  summary.domain = data.domain();
  switch (data.stored_type()) {
    case at::kByte: summary.stored = "uint8"; break;
    case at::kBool: summary.stored = "bool"; break;
    case at::kInt: summary.stored = "int32"; break;
    case at::kLong: summary.stored = "int64"; break;
    case at::kFloat: summary.stored = "float32"; break;
    default: summary.stored = "float64"; break;
  }
  look_at_values(data, summary);
  count_classes(data, summary);
  count_factors(data, summary);
  return summary;
}

std::string sketch(const Dataset& data, int width) {
  const std::size_t rank = data.shape().size();
  return rank == 3 ? sketch_of_images(data, width) : sketch_of_numbers(data, width);
}

}  // namespace variform::data
