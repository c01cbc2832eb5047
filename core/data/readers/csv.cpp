// See csv.h.

#include "data/readers/csv.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include "data/readers/source.h"

namespace variform::data {
namespace {

std::string read_all(ByteSource& source) {
  std::string text;
  constexpr std::size_t kAtOnce = 1u << 20;
  for (std::size_t got = 1; got > 0;) {
    const std::size_t have = text.size();
    text.resize(have + kAtOnce);
    got = source.read(text.data() + have, kAtOnce);
    text.resize(have + got);
  }
  return text;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\"");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\"") - first + 1);
}

std::vector<std::string_view> split(std::string_view line, char separator) {
  std::vector<std::string_view> cells;
  while (true) {
    const auto end = line.find(separator);
    const auto cell = trim(line.substr(0, end));
    if (separator != ' ' || !cell.empty()) cells.push_back(cell);
    if (end == std::string_view::npos) return cells;
    line.remove_prefix(end + 1);
  }
}

bool to_number(std::string_view cell, double& value) {
  if (cell.starts_with('+')) cell.remove_prefix(1);
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return error == std::errc() && end == cell.data() + cell.size() && std::isfinite(value);
}

char separator_of(std::string_view line) {
  for (char c : {',', ';', '\t'})
    if (line.find(c) != std::string_view::npos) return c;
  return ' ';
}

}  // namespace

Table read_csv(const std::filesystem::path& path) {
  const auto source = open_file(path);
  const std::string text = read_all(*source);
  Table table;
  std::vector<double> values;
  char separator = 0;
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = rest.find('\n');
    const std::string_view line = trim(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    const bool is_first = separator == 0;
    if (is_first) separator = separator_of(line);
    const auto cells = split(line, separator);
    double value = 0;
    if (is_first && !to_number(cells.front(), value)) {
      for (auto cell : cells) table.columns.emplace_back(cell);
      continue;
    }
    if (is_first)
      for (std::size_t i = 1; i <= cells.size(); ++i) table.columns.push_back(std::to_string(i));
    const std::string where = source->name() + ", line " + std::to_string(number);
    if (cells.size() != table.columns.size())
      throw ReadError(where + ": expected " + std::to_string(table.columns.size()) +
                      " numbers as in the first line, found " + std::to_string(cells.size()) + ".");
    for (auto cell : cells) {
      if (!to_number(cell, value))
        throw ReadError(where + ": expected a finite number, found \"" + std::string(cell.substr(0, 40)) +
                        "\".");
      values.push_back(value);
    }
  }
  if (values.empty()) throw ReadError(source->name() + ": expected lines of numbers, found none.");
  const auto columns = static_cast<std::int64_t>(table.columns.size());
  table.values = {Element::kFloat64, {static_cast<std::int64_t>(values.size()) / columns, columns}, {}};
  table.values.bytes.resize(values.size() * sizeof(double));
  std::memcpy(table.values.bytes.data(), values.data(), table.values.bytes.size());
  return table;
}

}  // namespace variform::data
