// See csv.h.

#include "data/readers/csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "data/readers/source.h"

namespace variform::data {
namespace {

using Cells = std::vector<std::string_view>;

std::string read_all(ByteSource& source) {
  std::string text;
  constexpr std::size_t kAtOnce = 1u << 20;
  for (std::size_t got = 1; got > 0;) {
    const std::size_t have = text.size();
    source.check(have);
    text.resize(have + kAtOnce);
    got = source.read(text.data() + have, kAtOnce);
    text.resize(have + got);
  }
  return text;
}

// Returns the text without UTF-8's mark; refuses other encodings by name.
std::string_view as_utf8(std::string_view text, const std::string& name) {
  const auto refuse = [&](const std::string& what) {
    throw ReadError(name + ": expected a table in UTF-8, found " + what +
                    "; write it again, for instance with Python: open(\"new.csv\", \"w\", "
                    "encoding=\"utf-8\").write(open(\"old.csv\", encoding=\"utf-16\").read())");
  };
  if (text.starts_with("\xef\xbb\xbf")) return text.substr(3);
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) refuse("UTF-16");
  if (text.find('\0') != std::string_view::npos) refuse("bytes of value 0, which are not text");
  return text;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool to_number(std::string_view cell, double& value) {
  if (cell.starts_with('+')) cell.remove_prefix(1);
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return error == std::errc() && end == cell.data() + cell.size() && std::isfinite(value);
}

bool is_number(std::string_view cell) {
  double value = 0;
  return to_number(cell, value);
}

bool is_missing(std::string_view cell) {
  constexpr std::array<std::string_view, 15> kWords{
      "", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "missing", "?", "-", "."};
  return std::find(kWords.begin(), kWords.end(), cell) != kWords.end();
}

// Whether a cell is digits with one comma, as "-12,5". `group`: three digits follow it, as if it separated thousands.
bool has_decimal_comma(std::string_view cell, bool& group) {
  const auto comma = cell.find(',');
  if (comma == std::string_view::npos ||
      cell.find_first_not_of("+-0123456789,eE") != std::string_view::npos ||
      cell.find(',', comma + 1) != std::string_view::npos)
    return false;
  const auto end = std::min(cell.find_first_not_of("0123456789", comma + 1), cell.size());
  group = end - comma - 1 == 3 && end == cell.size();
  return true;
}

/// Splits a text into lines of cells. Quoted cells with doubled quotes are kept here, all others are views of the text.
class Lines {
 public:
  Lines(std::string_view text, std::string name) : rest_(text), name_(std::move(name)) {
    if (rest_.find('\n') == std::string_view::npos && rest_.find('\r') != std::string_view::npos) end_ = '\r';
  }

  /// Guesses the separator of the next line: the first of these that it has outside quotes, else blanks.
  char guess_separator() {
    skip_idle_lines();
    std::string outside;
    bool quoted = false;
    for (const char c : rest_) {
      if (c == end_ && !quoted) break;
      if (c == '"') quoted = !quoted;
      else if (!quoted) outside += c;
    }
    for (const char c : {'\t', ';', ',', '|'})
      if (outside.find(c) != std::string::npos) return c;
    return ' ';
  }
  void set_separator(char separator) { separator_ = separator; }

  bool next(Cells& cells) {
    cells.clear();
    skip_idle_lines();
    if (rest_.empty()) return false;
    number_ = next_number_;
    if (take_plain_line(cells)) return true;
    for (bool more = true; more;) more = take_cell(cells);
    return true;
  }
  /// The line that next() returned, for messages.
  std::string where() const { return fmt::format("{}, line {}", name_, number_); }

 private:
  void skip_idle_lines() {
    while (!rest_.empty()) {
      const std::string_view line = rest_.substr(0, rest_.find(end_));
      const auto first = line.find_first_not_of(" \t\r");
      if (first != std::string_view::npos && line[first] != '#') return;
      rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
      ++next_number_;
    }
  }
  // Takes the whole line if nothing in it is quoted, which is faster; returns false otherwise.
  bool take_plain_line(Cells& cells) {
    std::string_view line = rest_.substr(0, rest_.find(end_));
    if (separator_ == ' ' || line.find('"') != std::string_view::npos) return false;
    rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
    ++next_number_;
    if (end_ == '\n' && line.ends_with('\r')) line.remove_suffix(1);
    while (true) {
      const auto end = line.find(separator_);
      const std::string_view cell = line.substr(0, end);
      const bool blanks = !cell.empty() && (cell.front() <= ' ' || cell.back() <= ' ');
      cells.push_back(blanks ? trimmed(cell) : cell);
      if (end == std::string_view::npos) return true;
      line.remove_prefix(end + 1);
    }
  }
  bool is_blank(char c) const { return c == ' ' || (c == '\t' && separator_ != '\t'); }

  // Takes one cell and what ends it; returns false at the end of the line.
  bool take_cell(Cells& cells) {
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
    if (separator_ == ' ' && ends_line()) return false;
    cells.push_back(!rest_.empty() && rest_.front() == '"' ? quoted_cell() : plain_cell());
    if (ends_line()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Whether the line ends here; drops its end.
  bool ends_line() {
    if (rest_.empty()) return true;
    if (rest_.front() == '\r' && end_ == '\n' && (rest_.size() == 1 || rest_[1] == '\n'))
      rest_.remove_prefix(1);
    if (rest_.empty()) return true;
    if (rest_.front() != end_) return false;
    rest_.remove_prefix(1);
    ++next_number_;
    return true;
  }
  std::string_view plain_cell() {
    const char separator = separator_, also = separator_ == ' ' ? '\t' : separator_, end = end_;
    const char* const begin = rest_.data();
    const char* const last = begin + rest_.size();
    const char* c = begin;
    while (c != last && *c != separator && *c != end && *c != also) ++c;
    auto at = static_cast<std::size_t>(c - begin);
    std::string_view cell = rest_.substr(0, at);
    if (cell.ends_with('\r')) cell.remove_suffix(1), --at;
    rest_.remove_prefix(at);
    return cell.ends_with(' ') || cell.ends_with('\t') ? trimmed(cell) : cell;
  }
  std::string_view quoted_cell() {
    std::string with_quotes;
    bool doubled = false;
    std::size_t at = 1, begin = 1;
    for (;; ++at) {
      at = rest_.find('"', at);
      if (at == std::string_view::npos)
        throw ReadError(where() + ": a cell begins with a quote, and no quote ends it.");
      if (at + 1 >= rest_.size() || rest_[at + 1] != '"') break;
      doubled = true;
      with_quotes += rest_.substr(begin, at + 1 - begin);
      begin = ++at + 1;
    }
    std::string_view cell = rest_.substr(begin, at - begin);
    if (doubled) cell = kept_.emplace_back(with_quotes + std::string(cell));
    else cell = rest_.substr(1, at - 1);
    const auto dropped = rest_.substr(0, at + 1);
    next_number_ += static_cast<std::size_t>(
        std::count(dropped.begin(), dropped.end(), end_));  // quoted line breaks count too
    rest_.remove_prefix(at + 1);
    while (!rest_.empty() && is_blank(rest_.front()) && separator_ != ' ') rest_.remove_prefix(1);
    const bool ends = rest_.empty() || rest_.front() == separator_ || rest_.front() == end_ ||
                      rest_.front() == '\r' || (separator_ == ' ' && rest_.front() == '\t');
    if (!ends)
      throw ReadError(where() + ": expected a separator after the quoted cell \"" +
                      std::string(cell.substr(0, 40)) + "\", found '" + std::string(1, rest_.front()) + "'.");
    return cell;
  }

  std::string_view rest_;
  std::string name_;
  char separator_ = ',', end_ = '\n';
  std::size_t number_ = 0, next_number_ = 1;
  std::deque<std::string> kept_;
};

std::string listed(const Cells& cells) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(cells.size(), 5); ++i)
    text += (i ? ", " : "") + std::string(cells[i].substr(0, 20));
  return text + (cells.size() > 5 ? ", …" : "");
}

// Whether the cells are 0, 1, 2 … from `first` on: pandas' names for columns without names.
bool counts_up(const Cells& cells, std::size_t first) {
  for (std::size_t i = first; i < cells.size(); ++i)
    if (cells[i] != std::to_string(i - first)) return false;
  return cells.size() > first;
}

constexpr const char* kAsk = "; write header = true or header = false in the data set's description.";

/// Reads one file: decides what the first line is, then goes line by line.
class CsvReading {
 public:
  /// Calls `fits` now and then with the number of values; it throws when they are too many.
  CsvReading(Lines& lines, const CsvOptions& options, std::function<void(std::size_t)> fits = {})
      : lines_(lines), options_(options), fits_(std::move(fits)) {
    const char separator = options.separator.empty() ? lines_.guess_separator() : options.separator.front();
    lines_.set_separator(separator);
    comma_separates_ = separator == ',';
    looks_twice_ = comma_allowed() || !options_.missing.empty();
  }

  Table read(const std::string& name) {
    Cells first, cells;
    if (!lines_.next(first)) throw ReadError(name + ": expected lines of numbers, found none.");
    first_line_ = lines_.where();
    const bool has_second = lines_.next(cells);
    const bool is_header = options_.header ? *options_.header : tell_header(first, cells);
    if (is_header && !has_second)
      throw ReadError(name + ": expected lines of numbers, found names of columns alone.");
    width_ = has_second && is_header ? cells.size() : first.size();
    // Spreadsheets may leave a separator at the end of every line.
    const bool trails =
        width_ > 1 && (has_second ? cells : first).back().empty() &&
        (is_header ? first.size() + 1 == width_ || first.back().empty() : first.back().empty());
    name_columns(is_header ? first : Cells{}, trails);
    if (!is_header) add(first, first_line_);
    if (has_second) add(cells, lines_.where());
    while (lines_.next(cells)) add(cells, lines_.where());
    finish();
    return std::move(table_);
  }

 private:
  struct Column {
    std::string name;
    bool used = true, known = false, text = false;
    std::string lacks;  // where the first value is missing that is kept as NaN
    std::map<std::string, double, std::less<>> classes;  // of text, numbered in order of appearance
  };

  bool comma_allowed() const {
    return options_.decimal == "," || (options_.decimal.empty() && !comma_separates_);
  }
  bool is_numeric(std::string_view cell) const {
    bool group = false;
    return is_number(cell) || (comma_allowed() && has_decimal_comma(cell, group));
  }
  bool all_text(const Cells& cells, std::size_t first) const {
    bool some = false;
    for (std::size_t i = first; i < cells.size(); ++i) {
      if (is_numeric(cells[i])) return false;
      some = some || !is_missing(cells[i]);
    }
    return some;
  }

  bool tell_header(const Cells& first, const Cells& second) {
    const std::size_t from = !first.empty() && first.front().empty() ? 1 : 0;
    if (first.size() > from && all_text(first, from)) {
      if (!second.empty() && std::none_of(second.begin(), second.end(), [&](auto cell) {
            return is_numeric(cell);
          }))  // only text: perhaps a file of labels
        throw ReadError(first_line_ + ": " + listed(first) + " are names of columns or the first row's text" +
                        kAsk);
      return true;
    }
    if (from == 1 && counts_up(first, 1)) return true;
    if (first.size() > 1 && counts_up(first, 0))
      throw ReadError(first_line_ + ": " + listed(first) +
                      " are names of columns, as pandas writes them, or values" + kAsk);
    for (std::size_t i = 0; i < std::min(first.size(), second.size()); ++i)
      if (!is_numeric(first[i]) && !is_missing(first[i]) && is_numeric(second[i]))
        throw ReadError(first_line_ + ": " + listed(first) + " are text and numbers, and \"" +
                        std::string(first[i].substr(0, 40)) + "\" stands over a number" + kAsk);
    return false;
  }

  void name_columns(const Cells& names, bool trails) {
    columns_.resize(width_);
    if (trails) columns_.back().used = false, trailing_ = true;
    const bool is_short =
        !names.empty() && names.size() + 1 == width_ && !trails;  // R's header over row names
    if (!names.empty() && !is_short && names.size() != width_ && !(trails && names.size() + 1 == width_))
      throw ReadError(fmt::format("{}: expected {} cells as there are names in the first line, found {}.",
                                  lines_.where(), names.size(), width_));
    for (std::size_t i = 0; i < width_; ++i) {
      const std::size_t at = is_short ? i - 1 : i;
      columns_[i].name = names.empty()       ? std::to_string(i + 1)
                         : at < names.size() ? base::csv_text(names[at])
                                             : "";
    }
    const bool has_index = is_short || (!names.empty() && names.front().empty() && width_ > 1);
    if (has_index) {
      columns_.front().used = false;
      table_.notes.push_back(first_line_ +
                             ": the first column has no name; it is taken for the rows' names and left out.");
    }
    if (options_.index_column.empty()) return;
    const auto found = std::find_if(columns_.begin(), columns_.end(), [&](const Column& column) {
      return column.name == options_.index_column;
    });
    if (found == columns_.end())
      throw ReadError(first_line_ + ": expected the index_column \"" + options_.index_column + "\", found " +
                      names_text() + ".");
    found->used = false;
  }

  std::string names_text() const {
    std::string text;
    for (const Column& column : columns_)
      if (column.used) text += (text.empty() ? "" : ", ") + column.name;
    return text;
  }

  void add(const Cells& cells, const std::string& where) {
    if (cells.size() != width_)
      throw ReadError(
          fmt::format("{}: expected {} cells as in the line before, found {}.", where, width_, cells.size()));
    if (trailing_ && !cells.back().empty())
      throw ReadError(where +
                      ": expected nothing behind the last separator, as in the lines before, found \"" +
                      std::string(cells.back().substr(0, 40)) + "\".");
    const std::size_t kept_values = values_.size();
    for (std::size_t i = 0; i < width_; ++i) {
      Column& column = columns_[i];
      double value = 0;
      if (!column.used) continue;
      if (!column.known || column.text || looks_twice_ || !to_number(cells[i], value))
        value = value_of(column, cells[i], where);
      values_.push_back(value);
    }
    if (fits_ && values_.size() > checked_values_ + kCheckedAtOnce) fits_(checked_values_ = values_.size());
    if (lacks_value_) values_.resize(kept_values), ++dropped_;
    else ++rows_;
    lacks_value_ = false;
  }

  double value_of(Column& column, std::string_view cell, const std::string& where) {
    double value = 0;
    const bool number = numeric(cell, value, where);
    const auto& named = options_.missing;
    if ((!number && is_missing(cell)) || std::find(named.begin(), named.end(), cell) != named.end()) {
      lacks_value_ = options_.drop_missing;
      if (lacks_value_) return 0;
      const std::string found = where + ", column \"" + column.name +
                                "\": " + (cell.empty() ? "nothing" : "\"" + std::string(cell) + "\"");
      if (!options_.keep_missing)
        throw ReadError(
            found +
            " stands where a value should, and a model needs all of them. Write missing = \"mask\" in the config's "
            "[data] to model the values that are there, drop_missing = true in the data set's description to leave "
            "such rows out, or fill the values in, for instance with pandas: t = pandas.read_csv(\"old.csv\"); "
            "t.fillna(t.mean(numeric_only=True)).to_csv(\"new.csv\", index=False)");
      if (column.lacks.empty()) column.lacks = found;
      if (column.text) refuse_text_that_lacks(column);
      return std::numeric_limits<double>::quiet_NaN();
    }
    if (!column.known) column.text = !number, column.known = true;
    if (column.text && !column.lacks.empty()) refuse_text_that_lacks(column);
    if (!column.text) {
      if (!number)
        throw ReadError(where + ", column \"" + column.name +
                        "\": expected a finite number as in the lines before, found \"" +
                        std::string(cell.substr(0, 40)) + "\".");
      return value;
    }
    const auto known = column.classes.find(cell);
    if (known != column.classes.end()) return known->second;
    return column.classes.emplace(base::csv_text(cell), static_cast<double>(column.classes.size()))
        .first->second;
  }

  [[noreturn]] static void refuse_text_that_lacks(const Column& column) {
    throw ReadError(column.lacks +
                    " stands where a text should: missing = \"mask\" is for numbers. Name such a class, for "
                    "instance \"unknown\", or leave the row out");
  }

  bool numeric(std::string_view cell, double& value, const std::string& where) {
    if (to_number(cell, value)) {
      if (comma_allowed() && cell.find('.') != std::string_view::npos && point_.empty()) point_ = where;
      return true;
    }
    bool group = false;
    if (!comma_allowed() || !has_decimal_comma(cell, group)) return false;
    (group ? undecided_ : decided_) = where;
    std::string with_point(cell);
    with_point[with_point.find(',')] = '.';
    return to_number(with_point, value);
  }

  void finish() {
    if (options_.decimal.empty()) {
      if (!point_.empty() && !(decided_ + undecided_).empty())
        throw ReadError(
            (decided_.empty() ? undecided_ : decided_) + ": a number with a comma, and " + point_ +
            " one with a point; write decimal = \",\" or decimal = \".\" in the data set's description, or "
            "write the numbers alike.");
      if (!undecided_.empty() && decided_.empty())
        throw ReadError(undecided_ +
                        ": a comma with three digits behind it is a decimal comma or separates thousands; "
                        "write decimal = \",\" in the data set's description, or leave the thousands' commas "
                        "out.");
      if (!decided_.empty()) table_.notes.push_back(decided_ + ": commas are taken for decimal commas.");
    }
    if (dropped_ > 0 && rows_ == 0)
      throw ReadError(fmt::format("{}: each of the {} rows lacks a value, so that drop_missing leaves none.",
                                  first_line_, dropped_));
    if (dropped_ > 0)
      table_.notes.push_back(fmt::format("{}: {} of {} rows lack a value and are left out (drop_missing).",
                                         first_line_, dropped_, dropped_ + rows_));
    std::vector<std::size_t> used;
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (columns_[i].used) used.push_back(i);
    if (used.empty()) throw ReadError(first_line_ + ": expected columns of values, found row names alone.");
    table_.classes.resize(used.size());
    for (std::size_t j = 0; j < used.size(); ++j) {
      Column& column = columns_[used[j]];
      table_.columns.push_back(column.name);
      if (!column.text) continue;
      std::vector<double> rank(column.classes.size());
      for (const auto& [text, number] : column.classes) {
        rank[static_cast<std::size_t>(number)] = static_cast<double>(table_.classes[j].size());
        table_.classes[j].push_back(text);
      }
      for (std::size_t row = 0; row < rows_; ++row) {
        double& value = values_[row * used.size() + j];
        value = rank[static_cast<std::size_t>(value)];
      }
    }
    table_.values = {
        Element::kFloat64, {static_cast<std::int64_t>(rows_), static_cast<std::int64_t>(used.size())}, {}};
    table_.values.bytes.resize(values_.size() * sizeof(double));
    if (!values_.empty()) std::memcpy(table_.values.bytes.data(), values_.data(), table_.values.bytes.size());
  }

  static constexpr std::size_t kCheckedAtOnce = 1u << 20;
  Lines& lines_;
  const CsvOptions& options_;
  std::function<void(std::size_t)> fits_;
  std::size_t checked_values_ = 0;
  Table table_;
  std::vector<Column> columns_;
  std::vector<double> values_;
  std::size_t width_ = 0, rows_ = 0;
  bool comma_separates_ = false, trailing_ = false;
  std::size_t dropped_ = 0;
  bool lacks_value_ = false;  // the current row
  bool looks_twice_ = false;  // numbers may have a decimal comma, or mean a missing value: each is checked
  std::string first_line_, point_, decided_, undecided_;  // positions of such numbers
};

}  // namespace

Table read_csv_head(const std::filesystem::path& path, const CsvOptions& options) {
  constexpr std::size_t kHead = 1u << 18;
  const auto source = open_file(path);
  std::string text(kHead, '\0');
  text.resize(source->read(text.data(), text.size()));
  if (text.size() < kHead) return read_csv(path, options);
  text.resize(text.find_last_of("\r\n") + 1);
  try {
    Lines lines(as_utf8(text, source->name()), source->name());
    return CsvReading(lines, options).read(source->name());
  } catch (const ReadError&) {  // the cut may be within quotes
    return read_csv(path, options);
  }
}

Table read_csv(const std::filesystem::path& path, const CsvOptions& options, const Bounds& bounds) {
  const auto source = open_file(path, bounds);
  const std::string text = read_all(*source);
  Lines lines(as_utf8(text, source->name()), source->name());
  const auto fits = [&](std::size_t values) { source->check(text.size() + 2 * values * sizeof(double)); };
  return CsvReading(lines, options, fits).read(source->name());
}

}  // namespace variform::data
