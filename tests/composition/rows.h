#pragma once
// The rows that combinations are trained on: drawn from a model, or of a small table with classes, which may be the
// condition, and with gaps, which may be missing values.

#include <string>

namespace variform::composition {

/// kDrawn: from a model, for everything that asks for nothing else. The others are those of the table.
enum class Rows { kDrawn, kComplete, kCondition, kMissing, kBoth };

const char* to_string(Rows rows);
inline bool have_condition(Rows rows) { return rows == Rows::kCondition || rows == Rows::kBoth; }
inline bool have_gaps(Rows rows) { return rows == Rows::kMissing || rows == Rows::kBoth; }

/// The section [data] of a config, for rows of the table. Their values are 0 and 1, of whatever domain.
std::string table_section(Rows rows, const std::string& domain);

}  // namespace variform::composition
