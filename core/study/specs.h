#pragma once
// Reads a study's figures and tables from [[study.figures]] and [[study.tables]] of its config: which numbers they
// show, and which axis goes where. An axis is named by its key in [study.axes]; "metric", "evaluation" and "stage" may
// be used like axes.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/node.h"
#include "config/reader.h"

namespace variform::study {

/// A selection of rows and runs.
struct Selection {
  std::string evaluation, stage;                          ///< empty: any
  std::map<std::string, std::vector<std::string>> where;  ///< axis: labels that are wanted
  bool along = false;                                     ///< rows along the training, instead of at its end

  bool fits(const std::string& row_stage, const std::string& row_evaluation,
            const std::vector<std::pair<std::string, std::string>>& labels) const;
};

/// One figure; which members are used depends on the kind.
struct FigureSpec {
  enum class Kind { kCurves, kBars, kHeatMap, kScatter, kHistogram, kImages } kind = Kind::kCurves;
  std::string name, caption;
  std::string title;                 ///< of one of the `panels`
  std::vector<std::string> metrics;  ///< of curves and bars, and of histograms without an array
  std::string x;                     ///< of curves: an axis, "epoch" or "step"
  std::string x_metric,
      points;  ///< of curves instead of x: a metric, and the axis whose labels are the points of a line
  bool point_labels = false;                          ///< those points with their labels
  std::string panel, rows, series;                    ///< empty: one for all; rows of heat maps and images
  std::optional<std::string> panel_label, row_label;  ///< before their labels; nothing: see title_of
  std::string x_label, y_label;
  bool log_x = false, log_y = false;
  bool shared_axes = true;                         ///< panels that show one quantity have one scale
  std::string array;                               ///< path into an evaluation: of heat maps and histograms
  std::string x_array, y_array;                    ///< of scatter plots
  std::string sort, active, blocks;                ///< of heat maps: paths of arrays [d]; empty: none
  std::optional<std::pair<double, double>> range;  ///< of colours, or of bins
  std::string scale_label;                         ///< at the colours of heat maps
  bool identity = false, medians = false;
  int bins = 20;
  std::string picture;  ///< of images
  Selection selection;
  std::vector<FigureSpec> panels;  ///< of curves: panels that show different things, instead of `panel`
};

/// Joins several axes into one, whose labels are the combinations of theirs.
constexpr char kAxisSeparator = '\n';

/// One table: one row per combination of labels of `rows`, one column per metric.
struct TableSpec {
  std::string name, caption;
  std::vector<std::string> rows, metrics;
  Selection selection;
};

/// Reads the two arrays; errors go to `diagnostics`. `axes`: those of the study.
std::vector<FigureSpec> read_figures(const config::Node& figures, const std::vector<std::string>& axes,
                                     config::Diagnostics& diagnostics);
std::vector<TableSpec> read_tables(const config::Node& tables, const std::vector<std::string>& axes,
                                   config::Diagnostics& diagnostics);

/// Reads the keys `evaluation`, `stage` and `where`.
Selection read_selection(config::Reader& reader, const std::vector<std::string>& axes);

/// Returns the label that a value of the config stands for: texts as they are, numbers as axes write them.
std::string label_text(config::Reader& reader, const std::string& key);

/// Returns the name of an axis in figures and tables: "beta" for "objective.beta".
std::string short_name(const std::string& axis);

/// The same for several axes, with as much of the key as tells them apart: "family.type" and "prior.type".
std::vector<std::string> short_names(const std::vector<std::string>& axes);

}  // namespace variform::study
