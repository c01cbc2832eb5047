#pragma once
// Metrics that a study makes of others, described in its config under [[study.metrics]]: a ratio of losses, or the
// difference from the run with the same seed and another family. Their rows stand beside those of the evaluations.

#include <map>
#include <string>
#include <vector>

#include "config/node.h"
#include "study/expression.h"
#include "study/results.h"
#include "study/specs.h"

namespace variform::study {

/// One derived metric: `value` of a row; less the value of the row whose labels on the axes of `against` are those given
/// and which is of the same evaluation, epoch and otherwise equal labels (the seed among them), and of the same stage; or
/// of the only other stage that has one.
struct MetricSpec {
  std::string name;
  Expression value;
  std::map<std::string, std::string> against;  ///< axis, label
  Selection where;                             ///< which rows have it
};

/// Reads [[study.metrics]]; what is wrong goes to `diagnostics`. `axes`: those of the study.
std::vector<MetricSpec> read_metrics(const config::Node& metrics, const std::vector<std::string>& axes,
                                     config::Diagnostics& diagnostics);

/// Adds the rows, metric by metric, so that later ones may use earlier ones. What lacks an ingredient has no row; the
/// standard error is that of the ingredient where the value is one metric without `against`. Returns a sentence for each
/// metric that no run has, or whose name an evaluation uses.
std::vector<std::string> add_metrics(StudyResults& results, const std::vector<MetricSpec>& specs);

}  // namespace variform::study
