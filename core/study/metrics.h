#pragma once
// Metrics that a study derives from others, described in its config under [[study.metrics]]: a ratio of losses, or the
// difference from the run with the same seed and another family. Their rows are added to those of the evaluations.

#include <map>
#include <string>
#include <vector>

#include "config/node.h"
#include "study/expression.h"
#include "study/results.h"
#include "study/specs.h"

namespace variform::study {

/// One derived metric: `value` of a row, minus the value of a reference row if `against` is given. The reference has
/// the labels of `against`, and otherwise the same labels (also the seed), evaluation and epoch. It is of the same
/// stage, or else of the only other stage that has one.
struct MetricSpec {
  std::string name;
  Expression value;
  std::map<std::string, std::string> against;  ///< axis, label
  Selection where;                             ///< which rows have it
};

/// Reads [[study.metrics]]; errors go to `diagnostics`. `axes`: those of the study.
std::vector<MetricSpec> read_metrics(const config::Node& metrics, const std::vector<std::string>& axes,
                                     config::Diagnostics& diagnostics);

/// Adds the rows, metric by metric, so that later metrics may use earlier ones. There is no row where an ingredient is
/// missing; a row that was derived before (StudyRow::was_derived) stays. Only a value that is one metric, without `against`, has a standard error. Returns a sentence for each
/// metric that no run has, or whose name an evaluation uses.
std::vector<std::string> add_metrics(StudyResults& results, const std::vector<MetricSpec>& specs);

}  // namespace variform::study
