#pragma once
// One table, two texts: aligned columns for a terminal, and Markdown.

#include <string>
#include <vector>

namespace variform::report {

enum class Align { kLeft, kRight };

/// Rows of cells under headings. Widths are counted in characters, not bytes.
class Table {
 public:
  struct Column {
    std::string heading;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Missing cells are empty. Throws Error (png_grid.h) when there are more cells than columns.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  const std::vector<Column>& columns() const { return columns_; }
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }

  /// Two spaces between columns, a line under the headings, no spaces at the ends of lines.
  std::string text() const;
  std::string markdown() const;

 private:
  std::vector<std::size_t> widths() const;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// `value` with `digits` significant digits ("-0.0123", "1.5e+09"); "–" when it is not finite.
std::string significant(double value, int digits);
/// Value and standard error with matching digits: "236.91 ± 0.35".
std::string with_error(double value, double error);

}  // namespace variform::report
