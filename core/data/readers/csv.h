#pragma once
// Tables as text: RFC 4180, and what spreadsheets, pandas, R and MATLAB make of it.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {

/// How a table is written. What is left open is told from the file; where that could be wrong, reading fails with the
/// question, and where something was taken for something, a note says so.
struct CsvOptions {
  std::optional<bool> header{};        ///< whether the first line has names
  std::string separator{};             ///< one character; " " for any blanks; empty: told from the first line
  std::string decimal{};               ///< "." or ","; empty: told from the numbers
  std::string index_column{};          ///< a column that numbers the rows and is left out
  std::vector<std::string> missing{};  ///< cells that stand for no value, besides NA, NaN, ? and their like
  bool drop_missing = false;           ///< leaves rows with such cells out, and notes how many
  bool operator==(const CsvOptions&) const = default;
};

struct Table {
  std::vector<std::string> columns;  ///< the header's names; "1", "2", … when there is no header
  Array values;  ///< float64 [rows, columns]; of a column of text each cell's class, from 0
  std::vector<std::vector<std::string>> classes;  ///< by column: the texts in byte order; empty for numbers
  std::vector<std::string> notes;                 ///< what was taken for what, a sentence each
};

/// Reads one example per line. Cells may be quoted, and then hold separators, line breaks and doubled quotes. Empty
/// lines and lines that begin with # are skipped, as is UTF-8's mark. Lines end in LF, CR LF or CR. Plain or compressed.
///
/// The first line is a header if all its cells are text; a blank first name, or one name less than there are cells, is
/// a column of row names, which is left out. A column is of text if its first cell is. Throws ReadError with line and
/// column for a missing value, a number in a foreign form, a line of another length, and a first line that may be
/// either (0, 1, 2 … as pandas numbers columns; names and numbers mixed).
Table read_csv(const std::filesystem::path& path, const CsvOptions& options = {}, const Bounds& bounds = {});
/// The same of its first lines, 256 KB of them: which columns it has, and of what.
Table read_csv_head(const std::filesystem::path& path, const CsvOptions& options = {});

}  // namespace variform::data
