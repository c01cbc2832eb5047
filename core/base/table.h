#pragma once
// One table, two texts: aligned columns for a terminal, and Markdown.

#include <string>
#include <string_view>
#include <vector>

namespace variform::base {

enum class Align { kLeft, kRight };

/// Rows of cells under headings, all of them as shown() (base/quote.h) gives them. Widths are those
/// of a terminal (utf8_width).
class Table {
 public:
  struct Column {
    std::string heading;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns);

  /// Missing cells are empty. Throws Error when there are more cells than columns.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  const std::vector<Column>& columns() const { return columns_; }
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }

  /// Two spaces between columns, a line under the headings, no spaces at the ends of lines. A table that is wider than
  /// `width` characters (0: no limit) is made to fit: headings are broken at "_", "." and spaces, texts of left-aligned
  /// columns at spaces. Columns that still do not fit go to further blocks below, each of which repeats the first
  /// columns. Words that cannot be broken become numbered notes below the table. Nothing is cut off.
  std::string text(std::size_t width = 0) const;
  std::string markdown() const;

 private:
  std::string plain_text() const;
  std::vector<std::size_t> widths() const;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Returns the text with spaces after it (kLeft) or before it, so that it takes at least `width` columns.
std::string padded(std::string_view text, std::size_t width, Align align = Align::kLeft);

/// Breaks a text at spaces into lines of at most `width` columns; a longer word is a line by itself.
std::vector<std::string> broken_at_spaces(const std::string& text, std::size_t width);
/// The same as one text: each line ends, and begins with `indent` spaces, which count in `width`. Line ends in `text`
/// stay.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);
/// Breaks lines of more than `width` characters (0: no limit) at spaces; the rest stands under the line's last column,
/// which begins after two spaces, or under its beginning.
std::string folded(const std::string& text, std::size_t width);

/// `value` with `digits` significant digits ("-0.0123", "1.5e+09"); "–" when it is not finite.
std::string significant(double value, int digits);
/// Value and standard error with matching digits: "236.91 ± 0.35".
std::string with_error(double value, double error);

}  // namespace variform::base
