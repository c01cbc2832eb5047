// See tables.h.

#include "study/tables.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/quote.h"
#include "draw/png_grid.h"
#include "study/groups.h"

namespace variform::study {
namespace {

// Stands behind a value whose ± has a different meaning than that of the table's other values.
constexpr const char* kSingleRun = " †";

std::string latex_number(std::string cell) {
  const auto put = [&](const std::string& text, const char* in_tex) {
    if (const std::size_t at = cell.find(text); at != std::string::npos)
      cell.replace(at, text.size(), in_tex);
  };
  put("±", "$\\pm$");
  put(kSingleRun, "$^\\dagger$");
  return cell;
}

// Builds the three texts of a table row by row.
class Builder {
 public:
  Builder(const TableSpec& spec, const Averages& averages)
      : spec_(spec), averages_(averages), table_(columns()) {
    std::string heads;
    for (const std::string& axis : spec.rows) csv_ += (csv_.empty() ? "" : ",") + base::csv_cell(axis);
    for (const std::string& name : short_names(spec.rows))
      heads += (heads.empty() ? "" : " & ") + base::tex(name);
    for (const std::string& metric : spec.metrics) {
      csv_ += "," + base::csv_cell(metric) + "," + base::csv_cell(metric + "_half95") + ",n";
      heads += " & " + base::tex(metric);
    }
    csv_ += "\n";
    latex_ = "\\begin{tabular}{" + std::string(spec.rows.size(), 'l') +
             std::string(spec.metrics.size(), 'r') + "}\n\\hline\n" + heads + " \\\\\n\\hline\n";
  }

  void add(const std::vector<std::string>& key, const std::map<std::string, Rows>& of_metric) {
    std::vector<std::string> cells = key;
    std::string csv, tex;
    for (const std::string& label : key) {
      csv += (csv.empty() ? "" : ",") + base::csv_cell(label);
      tex += (tex.empty() ? "" : " & ") + base::tex(label);
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
      cells.push_back(base::with_error(interval.mean, interval.half.value_or(interval.error.value_or(0))));
      if (averages_.has_intervals() && interval.error.value_or(0) > 0) cells.back() += kSingleRun;
      csv += fmt::format(",{:.10g},{:.10g},{}", interval.mean, interval.half.value_or(NAN),
                         interval.values.size());
      tex += " & " + latex_number(cells.back());
    }
    table_.add(cells);
    csv_ += csv + "\n";
    latex_ += tex + " \\\\\n";
  }

  StudyTable finished() {
    return {std::move(table_),
            csv_,
            latex_ + "\\hline\n\\end{tabular}\n",
            {},
            averages_.note("±", spec_.caption)};
  }

 private:
  std::vector<base::Table::Column> columns() const {
    std::vector<base::Table::Column> columns;
    for (const std::string& name : short_names(spec_.rows)) columns.push_back({name});
    for (const std::string& metric : spec_.metrics) columns.push_back({metric, base::Align::kRight});
    return columns;
  }

  const TableSpec& spec_;
  const Averages& averages_;
  base::Table table_;
  std::string csv_, latex_;
};

using Groups = std::map<std::vector<std::string>, std::map<std::string, Rows>>;

// Collects what is averaged anywhere in a table, for its note.
Averages averages_of(const Groups& groups) {
  Averages averages;
  for (const auto& [key, of_metric] : groups)
    for (const auto& [metric, rows] : of_metric) averages.add(interval_of(rows));
  return averages;
}

}  // namespace

StudyTable table_of(const StudyResults& results, const TableSpec& spec) {
  const Rows rows =
      asked_rows(results, spec.selection, spec.metrics, "the table " + spec.name + " has nothing to show");
  std::vector<std::vector<std::string>> keys;  // of the table's rows, in the order of first occurrence
  Groups groups;
  for (const StudyRow* row : rows) {
    std::vector<std::string> key;
    for (const std::string& axis : spec.rows) key.push_back(coordinate(*row, axis));
    if (!groups.contains(key)) keys.push_back(key);
    const auto asked = std::find_if(spec.metrics.begin(), spec.metrics.end(), [&](const std::string& metric) {
      return is_metric(row->metric, metric);
    });
    groups[key][*asked].push_back(row);
  }
  try {
    const Averages averages = averages_of(groups);
    Builder builder(spec, averages);
    for (const std::vector<std::string>& key : keys) builder.add(key, groups[key]);
    StudyTable table = builder.finished();
    table.cells = results.cells_of(rows);
    return table;
  } catch (const base::Error& error) {
    throw base::Error("the table " + spec.name + ": " + error.what());
  }
}

}  // namespace variform::study
