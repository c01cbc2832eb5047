// See table.h.

#include "base/table.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/utf8.h"

namespace variform::base {
namespace {

std::string without_spaces_at_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string fixed(double value, int decimals) { return fmt::format("{:.{}f}", value, decimals); }

// ------------------------------------------------------------------------------------------- within a width

using Lines = std::vector<std::string>;

// Returns the pieces that a text may be broken into: after each of `breaks`, which stay, and at spaces, which are
// dropped at the end of a line.
Lines pieces_of(const std::string& text, const char* breaks) {
  Lines pieces{""};
  for (const char c : text) {
    pieces.back() += c;
    if (c == ' ' || std::string_view(breaks).find(c) != std::string_view::npos) pieces.emplace_back();
  }
  if (pieces.size() > 1 && pieces.back().empty()) pieces.pop_back();
  return pieces;
}

std::size_t longest_piece(const std::string& text, const char* breaks) {
  std::size_t longest = 0;
  for (const std::string& piece : pieces_of(text, breaks))
    longest = std::max(longest, utf8_width(without_spaces_at_end(piece)));
  return longest;
}

Lines broken(const std::string& text, std::size_t width, const char* breaks) {
  Lines lines{""};
  for (const std::string& piece : pieces_of(text, breaks)) {
    if (!lines.back().empty() && utf8_width(lines.back() + without_spaces_at_end(piece)) > width)
      lines.emplace_back();
    lines.back() += piece;
  }
  for (std::string& line : lines) line = without_spaces_at_end(std::move(line));
  return lines;
}

constexpr const char *kInHeadings = "_.", *kInTexts = "";
constexpr std::size_t kGap = 2, kReadable = 24;  // sentences in a narrower column are hard to read

// One table cut to a width: which columns stand in which block, and how wide.
class Fitted {
 public:
  Fitted(std::vector<Table::Column> columns, std::vector<Lines> rows, std::size_t width)
      : columns_(std::move(columns)), rows_(std::move(rows)), width_(std::max(width, kReadable)) {
    for (std::size_t c = 0; c < columns_.size(); ++c) measure(c);
    choose_keys();
  }

  std::string text() {
    std::string text;
    std::size_t next = keys_;
    do {
      std::vector<std::size_t> block;
      for (std::size_t c = 0; c < keys_; ++c) block.push_back(c);
      do {
        if (next < columns_.size()) block.push_back(next++);
      } while (next < columns_.size() && least_of(block) + kGap + least_[next] <= width_);
      text += (text.empty() ? "" : "\n") + block_text(block);
    } while (next < columns_.size());
    for (std::size_t n = 0; n < notes_.size(); ++n) text += (n ? "" : "\n") + note_text(n);
    return text;
  }

 private:
  // Computes the least and greatest width of a column. Words that are too long for any line become notes.
  void measure(std::size_t c) {
    const bool text = columns_[c].align == Align::kLeft;
    const std::size_t limit = (width_ - kGap) / 2;  // so that any two columns fit beside each other
    std::string& heading = columns_[c].heading;
    if (longest_piece(heading, kInHeadings) > limit) heading = note(heading);
    std::size_t least = std::max<std::size_t>(3, longest_piece(heading, kInHeadings));
    std::size_t most = std::max<std::size_t>(3, utf8_width(heading));
    for (Lines& row : rows_) {
      std::string& cell = row[c];
      if (text && longest_piece(cell, kInTexts) > limit) cell = note(cell);
      most = std::max(most, utf8_width(cell));
      least = std::max(
          least, !text ? utf8_width(cell)
                       : std::max(longest_piece(cell, kInTexts), std::min(utf8_width(cell), kReadable)));
    }
    least_.push_back(std::min(least, most));
    most_.push_back(most);
  }

  // Chooses the columns that name a row: those before the first number; only one where they take too much room.
  void choose_keys() {
    while (keys_ < columns_.size() && columns_[keys_].align == Align::kLeft) ++keys_;
    std::vector<std::size_t> keys(keys_);
    std::iota(keys.begin(), keys.end(), std::size_t{0});
    if (keys_ == 0 || keys_ == columns_.size() || least_of(keys) > (width_ - kGap) / 2) keys_ = 1;
  }

  std::string note(const std::string& cell) {
    auto found = std::find(notes_.begin(), notes_.end(), cell);
    if (found == notes_.end()) found = notes_.insert(notes_.end(), cell);
    return fmt::format("[{}]", found - notes_.begin() + 1);
  }
  std::string note_text(std::size_t n) const {
    const std::string mark = fmt::format("[{}] ", n + 1);
    std::string text;
    for (const std::string& line : broken(notes_[n], width_ - mark.size(), kInTexts))
      text += (text.empty() ? mark : std::string(mark.size(), ' ')) + line + "\n";
    return text;
  }

  std::size_t least_of(const std::vector<std::size_t>& block) const {
    std::size_t sum = block.empty() ? 0 : kGap * (block.size() - 1);
    for (const std::size_t c : block) sum += least_[c];
    return sum;
  }

  // Gives the remaining room to the columns in turn, until each has all that it can use.
  std::vector<std::size_t> widths_of(const std::vector<std::size_t>& block) const {
    std::vector<std::size_t> widths;
    for (const std::size_t c : block) widths.push_back(least_[c]);
    std::size_t left = width_ - std::min(width_, least_of(block));
    for (bool grew = true; left > 0 && grew;) {
      grew = false;
      for (std::size_t i = 0; i < block.size() && left > 0; ++i)
        if (widths[i] < most_[block[i]]) ++widths[i], --left, grew = true;
    }
    return widths;
  }

  std::string block_text(const std::vector<std::size_t>& block) const {
    const std::vector<std::size_t> widths = widths_of(block);
    std::vector<Lines> heads;
    std::string rule;
    for (std::size_t i = 0; i < block.size(); ++i) {
      heads.push_back(broken(columns_[block[i]].heading, widths[i], kInHeadings));
      rule += i ? "  " : "";
      for (std::size_t k = 0; k < widths[i]; ++k) rule += "─";
    }
    std::size_t height = 0;
    for (const Lines& head : heads) height = std::max(height, head.size());
    for (Lines& head : heads) head.insert(head.begin(), height - head.size(), "");  // aligned at the bottom
    std::string text = beside(heads, block, widths) + rule + "\n";
    for (const Lines& row : rows_) {
      std::vector<Lines> cells;
      for (std::size_t i = 0; i < block.size(); ++i)
        cells.push_back(broken(row[block[i]], widths[i], kInTexts));
      text += beside(cells, block, widths);
    }
    return text;
  }

  // Puts cells of several lines side by side.
  std::string beside(const std::vector<Lines>& cells, const std::vector<std::size_t>& block,
                     const std::vector<std::size_t>& widths) const {
    std::size_t height = 1;
    for (const Lines& cell : cells) height = std::max(height, cell.size());
    std::string text;
    for (std::size_t k = 0; k < height; ++k) {
      std::string line;
      for (std::size_t i = 0; i < cells.size(); ++i)
        line += (i ? "  " : "") +
                padded(k < cells[i].size() ? cells[i][k] : "", widths[i], columns_[block[i]].align);
      text += without_spaces_at_end(std::move(line)) + "\n";
    }
    return text;
  }

  std::vector<Table::Column> columns_;
  std::vector<Lines> rows_;
  const std::size_t width_;
  std::size_t keys_ = 0;
  std::vector<std::size_t> least_, most_;
  Lines notes_;
};

}  // namespace

std::string padded(std::string_view text, std::size_t width, Align align) {
  const std::string spaces(width - std::min(width, utf8_width(text)), ' ');
  return align == Align::kLeft ? std::string(text) + spaces : spaces + std::string(text);
}

std::string Table::text(std::size_t width) const {
  const std::vector<std::size_t> widths = this->widths();
  const std::size_t whole =
      std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + kGap * (widths.size() - 1);
  return width == 0 || widths.empty() || whole <= width ? plain_text()
                                                        : Fitted(columns_, rows_, width).text();
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (Column& column : columns_) column.heading = base::shown(column.heading);
}

void Table::add(std::vector<std::string> cells) {
  if (cells.size() > columns_.size())
    throw Error(
        fmt::format("a row of {} cells does not fit a table of {} columns.", cells.size(), columns_.size()));
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = base::shown(cell);
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    widths.push_back(std::max<std::size_t>(3, utf8_width(columns_[c].heading)));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], utf8_width(row[c]));
  }
  return widths;
}

std::string Table::plain_text() const {
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
  const auto line = [&](const auto& cell) {
    std::string text = "|";
    for (std::size_t c = 0; c < columns_.size(); ++c)
      text += " " + padded(base::markdown_cell(cell(c)), widths[c], columns_[c].align) + " |";
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

std::string folded(const std::string& text, std::size_t width) {
  if (width == 0) return text;
  width = std::max(width, kReadable);
  std::string result;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    std::string line = text.substr(start, end - start);
    start = end + 1;
    if (utf8_width(line) > width) {
      const std::size_t margin = std::min(line.find_first_not_of(' '), width / 2);
      const std::size_t gap = line.find_last_not_of(' ', line.rfind("  "));  // before the last column
      const bool columns = line.rfind("  ") != std::string::npos && gap != std::string::npos;
      std::size_t indent = columns ? utf8_width(line.substr(0, line.rfind("  ") + 2)) : margin;
      std::string before = columns ? line.substr(0, line.rfind("  ") + 2) : std::string(margin, ' ');
      std::string column = line.substr(columns ? line.rfind("  ") + 2 : margin);
      if (columns && (indent > width / 2 || longest_piece(column, kInTexts) > width - indent)) {
        result += folded(line.substr(0, gap + 1), width) + "\n";  // the last column stands below
        indent = margin + 4;
        before = std::string(indent, ' ');
      }
      line.clear();
      for (const std::string& part : broken(column, width - indent, kInTexts))
        line += (line.empty() ? before : "\n" + std::string(indent, ' ')) + part;
    }
    result += line + "\n";
  }
  if (!text.ends_with('\n') && !result.empty()) result.pop_back();
  return result;
}

std::vector<std::string> broken_at_spaces(const std::string& text, std::size_t width) {
  return broken(text, width, kInTexts);
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    for (const std::string& line :
         broken(std::string(text.substr(0, end)), width - std::min(width, indent), kInTexts))
      result += without_spaces_at_end(std::string(indent, ' ') + line) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string significant(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}g}", value, digits) : "–";
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

}  // namespace variform::base
