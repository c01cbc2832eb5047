// See plan.h.

#include "study/plan.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "base/quote.h"
#include "config/load.h"
#include "config/reader.h"
#include "config/text.h"
#include "study/search.h"

namespace variform::study {
namespace {

using config::Diagnostics;
using config::Node;
using config::Position;
using config::Reader;
using Settings = std::vector<std::pair<std::string, Node>>;

// Nests a value under a dotted key: "model.family.type" gives { model = { family = { type = … } } }.
Node nested(const std::string& key, const Node& value) {
  const std::size_t dot = key.find('.');
  Node table = Node::table(value.where());
  if (dot == std::string::npos) table.set(key, value, value.where());
  else table.set(key.substr(0, dot), nested(key.substr(dot + 1), value), value.where());
  return table;
}

// Applies settings all at once: merged one by one, a `type` would drop the parameters before it.
void apply(Cell& cell, const Settings& settings) {
  Node all;
  for (const auto& [key, value] : settings) config::merge(all, nested(key, value));
  config::merge(cell.config, all, cell.dropped);
}

// Returns the members of a table as settings. Keys may be dotted, quoted, or nested tables, as for merge().
Settings settings_of(const Node* table) {
  Settings settings;
  if (table)
    for (const auto& member : table->members()) settings.emplace_back(member.key, member.value);
  return settings;
}

AxisValue labelled(const Node& node, Diagnostics& diagnostics, const std::string& path) {
  Reader reader(node, diagnostics, path);
  AxisValue value{reader.text("label"), {}};
  Reader set = reader.table("set", /*required=*/true);
  value.settings = settings_of(&set.source());
  reader.finish();
  return value;
}

// Reads an axis, an array of { label, set } tables, of tables that are components with a label, or of values.
Axis read_axis(const Node::Member& member, Diagnostics& diagnostics, const std::string& path) {
  Axis axis{member.key, {}};
  const Node::Array* array = member.value.if_array();
  if (!array || array->empty()) {
    diagnostics.error(member.value.where(),
                      "An axis is a list of values, found " + member.value.describe() + ".",
                      "write " + config::quote_key(member.key) + " = [" +
                          (array ? "1" : config::shorten(config::print_value(member.value))) + ", …]");
    return axis;
  }
  std::set<std::string> labels;
  for (const Node& element : *array) {
    AxisValue value = element.find("set") ? labelled(element, diagnostics, path + "." + member.key)
                                          : AxisValue{config::plain_value(element), {{member.key, element}}};
    if (!labels.insert(value.label).second)
      diagnostics.error(element.where(),
                        "Two values of this axis are called " + config::quote(value.label) + ".");
    axis.values.push_back(std::move(value));
  }
  return axis;
}

std::vector<Axis> read_axes(Reader& parent) {
  Reader table = parent.table("axes");
  std::vector<Axis> axes;
  for (const auto& member : table.source().members())
    axes.push_back(read_axis(member, parent.diagnostics(), table.path()));
  return axes;
}

// Turns { quality = 2000, linear = true, metric = ["a", "b"] } into --linear --metric=a --metric=b --quality=2000, in
// the order of the keys, so that studies that write them in different orders share their results.
std::vector<std::string> command_options(const Reader& reader, const std::set<std::string>& own) {
  std::map<std::string, std::vector<std::string>> options;
  const auto add = [&](const std::string& key, const Node& value) {
    const bool* flag = value.if_flag();
    if (flag && !*flag) return;
    const std::string given = flag ? "" : "=" + config::plain_value(value);
    options[key].push_back("--" + key + given);
  };
  for (const auto& member : reader.source().members()) {
    if (own.contains(member.key)) continue;
    std::string key = member.key;
    std::replace(key.begin(), key.end(), '_', '-');
    if (const Node::Array* array = member.value.if_array())
      for (const Node& element : *array) add(key, element);
    else add(key, member.value);
  }
  std::vector<std::string> all;
  for (auto& [key, several] : options) all.insert(all.end(), several.begin(), several.end());
  return all;
}

std::vector<std::string> read_stages(Reader& reader, const Plan& plan) {
  const std::vector<std::string> stages = reader.texts("stages", {.fallback = std::vector<std::string>{}});
  for (const std::string& name : stages)
    if (std::none_of(plan.stages.begin(), plan.stages.end(), [&](const Stage& s) { return s.name == name; }))
      reader.error("stages", "@ names " + config::quote(name) + ", which is not a stage of this study.");
  return stages;
}

// Reads a condition: one axis of the plan, and some of its labels.
std::pair<std::string, std::vector<std::string>> read_condition(const Node::Member& member, const Plan& plan,
                                                                Reader& reader) {
  std::vector<std::string> wanted, known;
  if (const Node::Array* several = member.value.if_array())
    for (const Node& value : *several) wanted.push_back(config::plain_value(value));
  else wanted.push_back(config::plain_value(member.value));
  for (const Stage& stage : plan.stages)
    for (const Axis& axis : stage.axes)
      if (axis.name == member.key)
        for (const AxisValue& value : axis.values) known.push_back(value.label);
  if (known.empty()) reader.error(member.key, "@ is not an axis of this study.");
  for (const std::string& label : wanted)
    if (!known.empty() && std::find(known.begin(), known.end(), label) == known.end())
      reader.error(member.key, "@ has no value " + config::quote(label) + ".",
                   config::did_you_mean(label, known));
  return {member.key, std::move(wanted)};
}

Where read_where(const Node& table, const Plan& plan, Diagnostics& diagnostics, const std::string& path) {
  Reader reader(table, diagnostics, path);
  Where where;
  for (const auto& member : reader.source().members()) where.push_back(read_condition(member, plan, reader));
  return where;
}

// Refuses options that say where the program reads, writes and finds code: only the user may set them.
void refuse_places(Reader& reader) {
  static const std::set<std::string> kPlaces{"out",    "runs",     "studies", "folder", "data",
                                             "plugin", "into",     "json",    "quiet",  "threads",
                                             "help",   "help-all", "memory",  "verbose"};
  const auto is_option = [](const std::string& key) {
    return !key.starts_with('-') && std::all_of(key.begin(), key.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
  };
  for (const auto& member : reader.source().members()) {
    std::string key = member.key;
    std::replace(key.begin(), key.end(), '_', '-');
    if (kPlaces.contains(key) || !is_option(key))
      reader.error(member.key,
                   "@ is not an option that a study gives to a command: "
                   "the study chooses the places itself.");
  }
  if (reader.source().find("dump")) reader.name("dump");
}

// Reads the members of every task; `own`: keys that are not options of the command.
void read_task(Reader& reader, const Node::Member& member, const Plan& plan, std::set<std::string> own,
               Task& task) {
  own.insert({"stages", "where"});
  task.name = member.key;
  config::require_name(member, "a study's tasks, which names files,", reader.diagnostics());
  refuse_places(reader);
  task.options = command_options(reader, own);
  task.stages = read_stages(reader, plan);
  if (const Node* where = reader.node("where"))
    task.where = read_where(*where, plan, reader.diagnostics(), reader.path() + ".where");
}

void read_evaluations(Reader& study, Plan& plan) {
  Reader table = study.table("evaluate");
  for (const auto& member : table.source().members()) {
    Reader reader(member.value, study.diagnostics(), table.path() + "." + member.key);
    Evaluation evaluation;
    read_task(reader, member, plan, {"epochs", "at_end"}, evaluation);
    evaluation.epochs = reader.numbers("epochs", {.fallback = std::vector<double>{}, .low = 0});
    evaluation.at_end = reader.flag("at_end", {.fallback = true});
    if (!std::is_sorted(evaluation.epochs.begin(), evaluation.epochs.end()))
      reader.error("epochs", "@ must increase.");
    plan.evaluations.push_back(std::move(evaluation));
  }
}

void read_drawings(Reader& study, Plan& plan) {
  Reader table = study.table("draw");
  for (const auto& member : table.source().members()) {
    Reader reader(member.value, study.diagnostics(), table.path() + "." + member.key);
    Drawing drawing;
    read_task(reader, member, plan, {"command"}, drawing);
    drawing.command =
        reader.text("command", {.choices = {"sample", "reconstruct", "traverse", "interpolate"}});
    plan.drawings.push_back(std::move(drawing));
  }
}

void read_comparisons(Reader& study, Plan& plan) {
  Reader table = study.table("compare");
  for (const auto& member : table.source().members()) {
    Reader reader(member.value, study.diagnostics(), table.path() + "." + member.key);
    Comparison comparison;
    read_task(reader, member, plan, {"over"}, comparison);
    comparison.over = reader.text("over", {.fallback = "seed"});
    plan.comparisons.push_back(std::move(comparison));
  }
}

// Reads [study.stages.NAME]; without any, the study itself is the one stage.
void read_all_stages(Reader& study, Plan& plan) {
  Reader table = study.table("stages");
  const Settings shared = settings_of(study.node("set"));
  std::vector<Axis> axes = read_axes(study);
  if (study.has("search")) axes.insert(axes.begin(), read_search(study));
  for (const auto& member : table.source().members()) {
    Reader reader(member.value, study.diagnostics(), table.path() + "." + member.key);
    Stage stage{member.key, shared, axes};
    for (auto& setting : settings_of(reader.node("set"))) stage.settings.push_back(std::move(setting));
    for (Axis& axis : read_axes(reader)) stage.axes.push_back(std::move(axis));
    reader.finish();
    plan.stages.push_back(std::move(stage));
  }
  if (plan.stages.empty()) plan.stages.push_back({"main", shared, axes});
}

// Reads [[study.skip]]: axis = label or list of labels.
void read_skips(Reader& study, Plan& plan) {
  const Node* array = study.node("skip");
  if (!array) return;
  if (!array->if_array())
    return study.error("skip", "@ is a list of tables, found " + array->describe() + ".",
                       "write [[study.skip]]");
  for (const Node& element : *array->if_array())
    plan.skips.push_back(read_where(element, plan, study.diagnostics(), "study.skip"));
}

// Returns when an axis is applied, which depends on the part of the config that it changes (see cells_of).
int turn_of(const Axis& axis, const AxisValue& value) {
  if (value.settings.size() != 1 || value.settings[0].first != axis.name) return 0;
  return axis.name.ends_with(".type") || axis.name == "type" || value.settings[0].second.is_table() ? 1 : 2;
}

Cell make_cell(const Plan& plan, std::size_t stage, const std::vector<std::size_t>& choice) {
  Cell cell;
  cell.stage = stage;
  cell.config = plan.base;
  apply(cell, plan.stages[stage].settings);
  const std::vector<Axis>& axes = plan.stages[stage].axes;
  for (int turn = 0; turn < 3; ++turn)
    for (std::size_t a = 0; a < axes.size(); ++a)
      if (const AxisValue& value = axes[a].values[choice[a]]; turn_of(axes[a], value) == turn)
        apply(cell, value.settings);
  std::erase_if(cell.dropped, [&](const config::Dropped& dropped) {
    return config::at_path(cell.config, dropped.key) != nullptr;
  });
  for (std::size_t a = 0; a < axes.size(); ++a)
    cell.labels.emplace_back(axes[a].name, axes[a].values[choice[a]].label);
  return cell;
}

// Advances to the next point of the grid, the last axis fastest.
bool advance(std::vector<std::size_t>& choice, const std::vector<Axis>& axes) {
  for (std::size_t a = axes.size(); a-- > 0;) {
    if (++choice[a] < axes[a].values.size()) return true;
    choice[a] = 0;
  }
  return false;
}

void find_needs(const Plan& plan, std::vector<Cell>& cells, std::size_t index, Diagnostics& diagnostics) {
  Cell& cell = cells[index];
  visit_texts(cell.config, [&](Node& text) {
    if (!text.if_text()->starts_with('@')) return;
    const std::string stage = text.if_text()->substr(1);
    const auto meant = referred(plan, cells, cell, stage);
    if (meant && cells[*meant].stage < cell.stage) cell.needs.push_back(*meant);
    else
      diagnostics.error(text.where(), config::quote(*text.if_text()) +
                                          " stands for the run of an earlier stage " + config::quote(stage) +
                                          " that has the labels of [" + text_of(cell) +
                                          "]; there is not exactly one.");
  });
}

// Whether a stage has more cells than anybody trains, since axes multiply; reports an error then.
bool has_too_many(const Plan& plan, const Stage& stage, Diagnostics& diagnostics) {
  constexpr double kMostCells = 100'000;
  double count = 1;
  std::string product;
  for (const Axis& axis : stage.axes) {
    count *= static_cast<double>(axis.values.size());
    product += (product.empty() ? "" : " x ") + std::to_string(axis.values.size());
  }
  if (count <= kMostCells) return false;
  diagnostics.error(plan.base.where(), "the axes of a study make at most 100000 cells of a stage, but here " +
                                           product + "; give them fewer values, or make several studies.");
  return true;
}

}  // namespace

Plan read_plan(const Node& root, Diagnostics& diagnostics) {
  Plan plan;
  plan.base = root;
  plan.base.erase("study");
  if (diagnostics.incomplete()) return plan;
  Reader reader(root, diagnostics, "");
  plan.name = reader.name("name");
  Reader study = reader.table("study", /*required=*/true);
  plan.title = study.text("title", {.fallback = plan.name});
  read_all_stages(study, plan);
  read_skips(study, plan);
  read_evaluations(study, plan);
  read_drawings(study, plan);
  read_comparisons(study, plan);
  if (const Node* metrics = study.node("metrics")) plan.metrics = *metrics;
  if (const Node* figures = study.node("figures")) plan.figures = *figures;
  if (const Node* tables = study.node("tables")) plan.tables = *tables;
  study.finish("a study");
  return plan;
}

std::vector<Cell> cells_of(const Plan& plan, Diagnostics& diagnostics) {
  std::vector<Cell> cells;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const std::vector<Axis>& axes = plan.stages[s].axes;
    if (std::any_of(axes.begin(), axes.end(), [](const Axis& axis) { return axis.values.empty(); })) continue;
    if (has_too_many(plan, plan.stages[s], diagnostics)) continue;
    std::vector<std::size_t> choice(axes.size(), 0);
    do {
      Cell cell = make_cell(plan, s, choice);
      const auto skips = [&](const Where& where) { return fits(cell, where); };
      if (std::none_of(plan.skips.begin(), plan.skips.end(), skips)) cells.push_back(std::move(cell));
    } while (advance(choice, axes));
  }
  for (std::size_t i = 0; i < cells.size(); ++i) find_needs(plan, cells, i, diagnostics);
  return cells;
}

std::optional<std::string> label_of(const Cell& cell, const std::string& axis) {
  for (const auto& [name, label] : cell.labels)
    if (name == axis) return label;
  return {};
}

bool fits(const Cell& cell, const Where& where) {
  return std::all_of(where.begin(), where.end(), [&](const auto& condition) {
    const auto label = label_of(cell, condition.first);
    return label &&
           std::find(condition.second.begin(), condition.second.end(), *label) != condition.second.end();
  });
}

bool is_for(const Task& task, const Cell& cell, const Plan& plan) {
  const std::string& stage = plan.stages[cell.stage].name;
  const bool in_stage =
      task.stages.empty() || std::find(task.stages.begin(), task.stages.end(), stage) != task.stages.end();
  return in_stage && fits(cell, task.where);
}

std::string text_of(const Cell& cell) {
  std::string text;
  for (const auto& [name, label] : cell.labels)
    text += (text.empty() ? "" : " ") + base::shown(name.substr(name.rfind('.') + 1) + "=" + label);
  return text;
}

std::string kind_of(const Cell& cell) {
  const auto is_number = [](const std::string& label) {
    return !label.empty() && label.find_first_not_of("0123456789.+-e") == std::string::npos;
  };
  std::string kind = std::to_string(cell.stage);
  for (const auto& [axis, label] : cell.labels) {
    kind += "\n" + axis;
    std::istringstream words(label);  // those of a trial are "lr=0.003"
    for (std::string word; std::getline(words, word, ' ');) {
      const std::size_t number = word.find('=') + 1;  // 0: the word itself
      kind += " " + word.substr(0, is_number(word.substr(number)) ? number : word.npos);
    }
  }
  return kind;
}

std::optional<std::size_t> referred(const Plan& plan, const std::vector<Cell>& cells, const Cell& cell,
                                    const std::string& stage) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (plan.stages[cells[i].stage].name != stage) continue;
    const bool same = std::all_of(cells[i].labels.begin(), cells[i].labels.end(), [&](const auto& label) {
      const auto mine = label_of(cell, label.first);
      return !mine || *mine == label.second;
    });
    if (!same) continue;
    if (found) return {};
    found = i;
  }
  return found;
}

}  // namespace variform::study
