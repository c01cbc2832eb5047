// See table.h.

#include "report/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "report/png_grid.h"

namespace variform::report {
namespace {

// Characters of UTF-8 text: all bytes but those that continue one.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, Align align) {
  const std::string spaces(width - std::min(width, width_of(text)), ' ');
  return align == Align::kLeft ? text + spaces : spaces + text;
}

std::string without_spaces_at_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string fixed(double value, int decimals) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  if (cells.size() > columns_.size())
    throw Error("a row of " + std::to_string(cells.size()) + " cells does not fit a table of " +
                std::to_string(columns_.size()) + " columns.");
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    widths.push_back(std::max<std::size_t>(3, width_of(columns_[c].heading)));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  return widths;
}

std::string Table::text() const {
  const std::vector<std::size_t> widths = this->widths();
  const auto line = [&](const auto& cell) {
    std::string text;
    for (std::size_t c = 0; c < columns_.size(); ++c)
      text += (c ? "  " : "") + padded(cell(c), widths[c], columns_[c].align);
    return without_spaces_at_end(std::move(text)) + "\n";
  };
  std::string text = line([&](std::size_t c) { return columns_[c].heading; });
  std::string rule;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    rule += c ? "  " : "";
    for (std::size_t i = 0; i < widths[c]; ++i) rule += "─";
  }
  text += rule + "\n";
  for (const auto& row : rows_) text += line([&](std::size_t c) { return row[c]; });
  return text;
}

std::string Table::markdown() const {
  const std::vector<std::size_t> widths = this->widths();
  const auto escaped = [](const std::string& cell) {
    std::string text;
    for (char c : cell) text += c == '|' ? std::string("\\|") : std::string(1, c);
    return text;
  };
  const auto line = [&](const auto& cell) {
    std::string text = "|";
    for (std::size_t c = 0; c < columns_.size(); ++c)
      text += " " + padded(escaped(cell(c)), widths[c], columns_[c].align) + " |";
    return text + "\n";
  };
  std::string text = line([&](std::size_t c) { return columns_[c].heading; }) + "|";
  for (std::size_t c = 0; c < columns_.size(); ++c)
    text += columns_[c].align == Align::kLeft ? " " + std::string(widths[c], '-') + " |"
                                              : " " + std::string(widths[c] - 1, '-') + ": |";
  text += "\n";
  for (const auto& row : rows_) text += line([&](std::size_t c) { return row[c]; });
  return text;
}

std::string significant(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
  return buffer;
}

std::string with_error(double value, double error) {
  if (!std::isfinite(value)) return "–";
  constexpr double kRounding = 1e-12;  // sums of float64 of order 1 differ by less
  if (!std::isfinite(error) || !(error > kRounding * std::max(1.0, std::abs(value))))
    return significant(std::abs(value) < kRounding ? 0.0 : value, 6);
  // Two digits of the error decide where both end.
  const int decimals = std::clamp(1 - static_cast<int>(std::floor(std::log10(error))), 0, 12);
  return fixed(value, decimals) + " ± " + fixed(error, decimals);
}

}  // namespace variform::report
