#pragma once
// Figures and tables of a study, described in its config under [[study.figures]] and [[study.tables]]: which numbers,
// and which axis goes where. What no axis of the figure names (seeds, as a rule) is averaged: the mean with its 95 %
// interval by Student's t, and the single values as small marks.

#include <filesystem>
#include <string>
#include <vector>

#include "config/node.h"
#include "report/figure.h"
#include "report/study_data.h"
#include "report/table.h"

namespace variform::report {

/// One figure. An axis is named by its key in [study.axes]; "metric" stands for the list of metrics.
struct FigureSpec {
  std::string name, caption;
  std::string kind = "curves";       ///< curves or bars
  std::string x;                     ///< of curves: an axis, "epoch" or "step"
  std::vector<std::string> metrics;  ///< of the evaluations
  std::string panel, series;         ///< an axis or "metric"; empty: one for all
  std::string x_label, y_label;
  bool log_x = false, log_y = false;
  Selection selection;
};

/// One table: a row for each combination of labels of `rows`, a column for each metric.
struct TableSpec {
  std::string name, caption;
  std::vector<std::string> rows, metrics;
  Selection selection;
};

/// Reads the two arrays; what is wrong goes to `diagnostics`. `axes`: those of the study.
std::vector<FigureSpec> read_figures(const config::Node& figures, const std::vector<std::string>& axes,
                                     config::Diagnostics& diagnostics);
std::vector<TableSpec> read_tables(const config::Node& tables, const std::vector<std::string>& axes,
                                   config::Diagnostics& diagnostics);

/// The numbers of a figure. Throws Error when the study has none of them.
Figure figure_of(const StudyResults& results, const FigureSpec& spec);

/// A table, and what Table does not write by itself.
struct StudyTable {
  Table table;
  std::string csv, latex;
};
StudyTable table_of(const StudyResults& results, const TableSpec& spec);

}  // namespace variform::report
