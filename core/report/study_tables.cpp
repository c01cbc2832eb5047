// See study_tables.h.

#include "report/study_tables.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "config/text.h"
#include "report/png_grid.h"
#include "report/study_groups.h"

namespace variform::report {
namespace {

std::string latex(const std::string& text) {
  std::string escaped;
  for (const char c : text)
    escaped += std::string(std::string("&%$#_{}").find(c) != std::string::npos ? "\\" : "") + c;
  return escaped;
}

// The three texts of a table grow row by row.
class Builder {
 public:
  explicit Builder(const TableSpec& spec) : spec_(spec), table_(columns()) {
    std::string heads;
    for (const std::string& axis : spec.rows) {
      csv_ += (csv_.empty() ? "" : ",") + csv_field(axis);
      heads += (heads.empty() ? "" : " & ") + latex(short_name(axis));
    }
    for (const std::string& metric : spec.metrics) {
      csv_ += "," + csv_field(metric) + "," + csv_field(metric + "_half95") + ",n";
      heads += " & " + latex(metric);
    }
    csv_ += "\n";
    latex_ = "\\begin{tabular}{" + std::string(spec.rows.size(), 'l') +
             std::string(spec.metrics.size(), 'r') + "}\n\\hline\n" + heads + " \\\\\n\\hline\n";
  }

  void add(const std::vector<std::string>& key, const std::map<std::string, Rows>& of_metric) {
    std::vector<std::string> cells = key;
    std::string csv, tex;
    for (const std::string& label : key) {
      csv += (csv.empty() ? "" : ",") + csv_field(label);
      tex += (tex.empty() ? "" : " & ") + latex(label);
    }
    for (const std::string& metric : spec_.metrics) {
      const auto found = of_metric.find(metric);
      if (found == of_metric.end()) {
        cells.push_back("–");
        csv += ",,,0";
        tex += " & --";
        continue;
      }
      const Interval interval = interval_of(found->second);
      cells.push_back(with_error(interval.mean, interval.half.value_or(0)));
      char text[96];
      std::snprintf(text, sizeof text, ",%.10g,%.10g,%zu", interval.mean, interval.half.value_or(NAN),
                    interval.values.size());
      csv += text;
      std::string cell = cells.back();
      if (const std::size_t at = cell.find("±"); at != std::string::npos)
        cell.replace(at, std::string("±").size(), "$\\pm$");
      tex += " & " + cell;
    }
    table_.add(cells);
    csv_ += csv + "\n";
    latex_ += tex + " \\\\\n";
  }

  StudyTable finished() { return {std::move(table_), csv_, latex_ + "\\hline\n\\end{tabular}\n", {}}; }

 private:
  std::vector<Table::Column> columns() const {
    std::vector<Table::Column> columns;
    for (const std::string& axis : spec_.rows) columns.push_back({short_name(axis)});
    for (const std::string& metric : spec_.metrics) columns.push_back({metric, Align::kRight});
    return columns;
  }

  const TableSpec& spec_;
  Table table_;
  std::string csv_, latex_;
};

}  // namespace

StudyTable table_of(const StudyResults& results, const TableSpec& spec) {
  const Rows rows = rows_of(results, spec.selection, spec.metrics);
  if (rows.empty())
    throw Error("the table " + spec.name + " has nothing to show: no run of the study has " +
                config::join(spec.metrics) + ".");
  std::vector<std::vector<std::string>> keys;  // of the table's rows, in the order of first sight
  std::map<std::vector<std::string>, std::map<std::string, Rows>> groups;
  for (const StudyRow* row : rows) {
    std::vector<std::string> key;
    for (const std::string& axis : spec.rows) key.push_back(coordinate(*row, axis));
    if (!groups.contains(key)) keys.push_back(key);
    const auto asked = std::find_if(spec.metrics.begin(), spec.metrics.end(), [&](const std::string& metric) {
      return is_metric(row->metric, metric);
    });
    groups[key][*asked].push_back(row);
  }
  Builder builder(spec);
  try {
    for (const std::vector<std::string>& key : keys) builder.add(key, groups[key]);
  } catch (const Error& error) {
    throw Error("the table " + spec.name + ": " + error.what());
  }
  StudyTable table = builder.finished();
  table.cells = results.cells_of(rows);
  return table;
}

}  // namespace variform::report
