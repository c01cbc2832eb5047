// See rows.h.

#include "rows.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "folder.h"

namespace variform::composition {
namespace {

constexpr int kRows = 12, kValues = 4;

// Writes the table once: x0 … x3, two factors, and a class. Every third value of "gaps.csv" is missing.
const std::string& folder_of_tables() {
  static const Folder folder;
  static const std::string path = [] {
    for (const bool gaps : {false, true}) {
      std::ofstream file(folder.path() / (gaps ? "gaps.csv" : "complete.csv"));
      file << "x0,x1,x2,x3,class,size,side\n";
      for (int row = 0; row < kRows; ++row) {
        for (int i = 0; i < kValues; ++i) {
          const bool misses = gaps && (row + i) % 3 == 0;
          file << (misses ? "" : (row * row + i * (row + 1)) % 5 < 2 ? "1" : "0") << ",";
        }
        file << row % 3 << "," << row % 2 << "," << row / 4 << "\n";
      }
    }
    return folder.path().string();
  }();
  return path;
}

}  // namespace

const char* to_string(Rows rows) {
  switch (rows) {
    case Rows::kDrawn: return "drawn rows";
    case Rows::kComplete: return "a table";
    case Rows::kCondition: return "a condition";
    case Rows::kMissing: return "missing values";
    case Rows::kBoth: return "a condition and missing values";
  }
  return "";
}

std::string table_section(Rows rows, const std::string& domain) {
  const std::string file = have_gaps(rows) ? "gaps.csv" : "complete.csv";
  return std::string("[data]\n") + (have_condition(rows) ? "condition = \"labels\"\n" : "") +
         (have_gaps(rows) ? "missing = \"mask\"\n" : "") + "[data.dataset]\nname = \"table\"\nfolder = \"" +
         folder_of_tables() + "\"\nshape = [1, 2, 2]\ndomain = \"" + domain + "\"\nx = { files = [\"" + file +
         "\"], columns = [\"x0\", \"x1\", \"x2\", \"x3\"] }\nlabels = \"" + file +
         ":class\"\nfactors = { files = [\"" + file + "\"], columns = [\"size\", \"side\"] }\n";
}

}  // namespace variform::composition
