#pragma once
// Reads tables as text: RFC 4180, and the variants of spreadsheets, pandas, R and MATLAB.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/readers/array.h"

namespace variform::data {

/// The format of a table. What is left open is guessed from the file. Where the guess could be wrong, reading fails
/// with the question; where something was guessed, a note says so.
struct CsvOptions {
  std::optional<bool> header{};  ///< whether the first line holds names
  std::string separator{};       ///< one character; " " for any blanks; empty: guessed from the first line
  std::string decimal{};         ///< "." or ","; empty: guessed from the numbers
  std::string index_column{};    ///< a column that numbers the rows and is left out
  std::vector<std::string> missing{};  ///< cells that mean a missing value, besides NA, NaN, ? and the like
  bool drop_missing = false;           ///< leaves out rows with such cells, and notes how many
  bool keep_missing = false;           ///< gives NaN for such cells in columns of numbers
  bool operator==(const CsvOptions&) const = default;
};

struct Table {
  std::vector<std::string> columns;  ///< the header's names; "1", "2", … without a header
  Array values;  ///< float64 [rows, columns]; of a column of text each cell's class, from 0
  std::vector<std::vector<std::string>> classes;  ///< by column: the texts in byte order; empty for numbers
  std::vector<std::string> notes;                 ///< what was guessed, one sentence each
};

/// Reads one example per line. Cells may be quoted, and then hold separators, line breaks and doubled quotes. Empty
/// lines, lines that begin with # and UTF-8's mark are skipped. Lines end in LF, CR LF or CR. Plain or compressed.
///
/// The first line is a header if all its cells are text; a blank first name, or one name fewer than there are cells,
/// means a column of row names, which is left out. A column is of text if its first cell is. Throws ReadError with line
/// and column for a missing value, a number in a foreign form, a line of another length, and a first line that may be
/// either (0, 1, 2 … as pandas numbers columns; names and numbers mixed).
Table read_csv(const std::filesystem::path& path, const CsvOptions& options = {}, const Bounds& bounds = {});
/// Reads only its first lines, 256 KB of them, to learn its columns and their types.
Table read_csv_head(const std::filesystem::path& path, const CsvOptions& options = {});

}  // namespace variform::data
