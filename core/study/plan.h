#pragma once
// Reads the plan of a study from the table [study] of a config: the cells of its grid and what is to be evaluated. The
// rest of the config is common to all cells.

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/load.h"
#include "config/node.h"

namespace variform::study {

/// One point of an axis: its name in tables and figures, and the values that it sets in the config, by dotted key.
struct AxisValue {
  std::string label;
  std::vector<std::pair<std::string, config::Node>> settings;
};

/// One dimension of the grid. `name` is the dotted key that it sets, or any name for an axis whose values are
/// { label, set } tables.
struct Axis {
  std::string name;
  std::vector<AxisValue> values;
};

/// A grid of runs. A text "@STAGE" in a cell's config stands for the run of that earlier stage with the same labels on
/// the axes that both have.
struct Stage {
  std::string name;
  std::vector<std::pair<std::string, config::Node>> settings;
  std::vector<Axis> axes;
};

/// Cells whose label on each of these axes is among the ones given; without any, all cells.
using Where = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// A command for the runs of some stages, or of some labels, with its options.
struct Task {
  std::string name;
  std::vector<std::string> options;  ///< "--limit=2000"
  std::vector<std::string> stages;   ///< empty: all
  Where where;
};

/// `variform evaluate`, at the end or along the training.
struct Evaluation : Task {
  std::vector<double> epochs;  ///< increasing; besides the end
  bool at_end = true;
};

/// A picture, by a command such as `variform sample`.
struct Drawing : Task {
  std::string command;
};

/// `variform compare`: agreement between runs that differ along one axis only.
struct Comparison : Task {
  std::string over = "seed";
};

struct Plan {
  std::string name, title;
  config::Node base;  ///< the config without [study]
  std::vector<Stage> stages;
  std::vector<Where> skips;  ///< cells to leave out
  std::vector<Evaluation> evaluations;
  std::vector<Drawing> drawings;
  std::vector<Comparison> comparisons;
  config::Node metrics, figures, tables;  ///< arrays, for the report
};

/// Reads a merged config with its table [study]. Errors of the table go to `diagnostics`; those of the cells' configs
/// are found when they are resolved.
Plan read_plan(const config::Node& root, config::Diagnostics& diagnostics);

/// One run of a study.
struct Cell {
  std::size_t stage = 0;
  std::vector<std::pair<std::string, std::string>> labels;  ///< axis and label, in the axes' order
  config::Node config;                                      ///< "@STAGE" still in place
  std::vector<config::Dropped> dropped;  ///< of the base, by another `type`, and not given again
  std::vector<std::size_t> needs;        ///< cells whose runs it refers to
};

/// Returns all cells but those to skip, stage by stage, the last axis fastest. Settings apply in this order: the
/// stage's, axes of tables, axes that name a `type`, the other axes; so a parameter survives the choice of its
/// component. References to a stage or a cell that does not exist go to `diagnostics`.
std::vector<Cell> cells_of(const Plan& plan, config::Diagnostics& diagnostics);

/// Returns the cell's config with "@STAGE" replaced by folder(cell) of the cell that it stands for.
template <class Folder>
config::Node with_runs(const Plan& plan, const std::vector<Cell>& cells, std::size_t cell,
                       const Folder& folder);

/// Returns the label of a cell on an axis, if it has that axis.
std::optional<std::string> label_of(const Cell& cell, const std::string& axis);
bool fits(const Cell& cell, const Where& where);
/// Whether a task is for a cell.
bool is_for(const Task& task, const Cell& cell, const Plan& plan);
/// Returns all labels as text: "objective.beta=0.1 seed=2".
std::string text_of(const Cell& cell);

/// Returns the same text for cells that differ in numbers only (seeds, β): stage, axes, and labels that are words.
std::string kind_of(const Cell& cell);

/// Returns the cell of `stage` that "@STAGE" means in `cell`, with equal labels on all axes that both have; nothing
/// unless there is exactly one.
std::optional<std::size_t> referred(const Plan& plan, const std::vector<Cell>& cells, const Cell& cell,
                                    const std::string& stage);

/// Calls visit(text node) for every text in the tree.
template <class Visit>
void visit_texts(config::Node& node, const Visit& visit) {
  if (node.if_text()) return visit(node);
  if (node.is_table()) {
    std::vector<std::string> keys;
    for (const auto& member : node.members()) keys.push_back(member.key);
    for (const std::string& key : keys) visit_texts(*node.find(key), visit);
  } else if (const config::Node::Array* array = node.if_array()) {
    config::Node::Array changed = *array;
    for (config::Node& element : changed) visit_texts(element, visit);
    node = config::Node(std::move(changed), node.where());
  }
}

template <class Folder>
config::Node with_runs(const Plan& plan, const std::vector<Cell>& cells, std::size_t cell,
                       const Folder& folder) {
  config::Node result = cells[cell].config;
  visit_texts(result, [&](config::Node& text) {
    if (!text.if_text()->starts_with('@')) return;
    if (const auto meant = referred(plan, cells, cells[cell], text.if_text()->substr(1)))
      text = config::Node(folder(*meant), text.where());
  });
  return result;
}

}  // namespace variform::study
