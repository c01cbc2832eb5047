// See specs.h.

#include "study/specs.h"

#include <algorithm>
#include <array>
#include <set>

#include "config/load.h"
#include "config/text.h"

namespace variform::study {
namespace {

using config::Node;
using config::Reader;
using Axes = std::vector<std::string>;
using Kind = FigureSpec::Kind;

std::optional<std::string> label_of(const Node& value) {
  if (value.if_text() || value.if_number() || value.if_integer() || value.if_flag())
    return config::plain_value(value);
  return {};
}

constexpr const char* kLabel = "@ must be a label, or a list of labels, of that axis, found ";

std::vector<std::string> labels_of(Reader& reader, const std::string& key) {
  const Node& value = *reader.node(key);
  const std::vector<Node> elements = value.if_array() ? *value.if_array() : std::vector<Node>{value};
  std::vector<std::string> labels;
  for (const Node& element : elements)
    if (const auto label = label_of(element)) labels.push_back(*label);
    else reader.error(key, kLabel + element.describe() + ".");
  return labels;
}

Axes with(Axes axes, std::initializer_list<const char*> more) {
  axes.insert(axes.end(), more.begin(), more.end());
  return axes;
}

std::string read_axis(Reader& reader, const char* key, const Axes& known) {
  const std::string axis = reader.text(key, {.fallback = ""});
  if (!axis.empty() && std::find(known.begin(), known.end(), axis) == known.end())
    reader.error(key, "@ names \"" + axis + "\", which is not an axis of this study.",
                 config::did_you_mean(axis, known));
  return axis;
}

// Reads one axis, or a list of them.
std::string read_axes(Reader& reader, const char* key, const Axes& known) {
  const Node* node = reader.node(key);
  if (!node || !node->if_array()) return read_axis(reader, key, known);
  return config::join(reader.texts(key, {.fallback = {}, .choices = known, .least = 1}),
                      std::string(1, kAxisSeparator));
}

void read_range(Reader& reader, FigureSpec& spec) {
  const std::vector<double> range = reader.numbers("range", {.fallback = std::vector<double>{}});
  if (!reader.has("range")) return;
  if (range.size() != 2 || !(range[0] < range[1]))
    return reader.error("range", "@ must be two numbers, the smaller first.");
  spec.range = {range[0], range[1]};
}

void read_metrics_of(Reader& reader, FigureSpec& spec) {
  spec.metrics = reader.texts("metrics", {.fallback = {}, .choices = {}, .least = 1});
}

void read_scales(Reader& reader, FigureSpec& spec) {
  spec.log_x = reader.flag("log_x", {.fallback = false});
  spec.log_y = reader.flag("log_y", {.fallback = false});
}

// ------------------------------------------------------------------------------------------------- by kind

void read_curves(Reader& reader, const Axes& axes, FigureSpec& spec) {
  read_metrics_of(reader, spec);
  spec.x = read_axis(reader, "x", with(axes, {"epoch", "step"}));
  spec.x_metric = reader.text("x_metric", {.fallback = ""});
  spec.points = read_axis(reader, "points", with(axes, {"epoch"}));
  spec.point_labels = reader.flag("point_labels", {.fallback = false});
  if (spec.x.empty() == spec.x_metric.empty())
    reader.error("x", spec.x.empty()
                          ? "Curves need an axis @, \"epoch\" or \"step\"; or x_metric with points."
                          : "@ and x_metric exclude each other.");
  if (spec.x_metric.empty() != spec.points.empty())
    reader.error("points", "@, an axis, goes with x_metric, a metric: its labels are the points of a line.");
  if (spec.point_labels && spec.points.empty())
    reader.error("point_labels", "@ goes with x_metric and points: there is no label to write otherwise.");
  if (!spec.x_metric.empty() && spec.metrics.size() > 1)
    reader.error("metrics", "@ must be one metric beside x_metric.");
  const std::string x = spec.x.empty() ? spec.x_metric : short_name(spec.x);
  spec.x_label = reader.text("x_label", {.fallback = x});
  spec.y_label = reader.text("y_label", {.fallback = spec.metrics.size() == 1 ? spec.metrics[0] : ""});
  read_scales(reader, spec);
  spec.selection.along = spec.x == "epoch" || spec.x == "step" || spec.points == "epoch";
}

// Reads bars, which have one value per panel and series, and no x axis.
void read_bars(Reader& reader, FigureSpec& spec) {
  read_metrics_of(reader, spec);
  spec.x_label = reader.text("x_label", {.fallback = ""});
  spec.y_label = reader.text("y_label", {.fallback = spec.metrics.size() == 1 ? spec.metrics[0] : ""});
}

void read_heat_map(Reader& reader, FigureSpec& spec) {
  spec.array = reader.text("array");
  spec.sort = reader.text("sort", {.fallback = ""});
  spec.active = reader.text("active", {.fallback = ""});
  spec.blocks = reader.text("blocks", {.fallback = "geometry_arrays.blocks"});
  spec.scale_label = reader.text("scale_label", {.fallback = ""});
  spec.x_label = reader.text("x_label", {.fallback = ""});
  read_range(reader, spec);
}

// Returns "learned variances" for "covariance_arrays.learned_variances".
std::string words_of(const std::string& path) {
  std::string words = short_name(path);
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

void read_scatter(Reader& reader, FigureSpec& spec) {
  spec.x_array = reader.text("x_array");
  spec.y_array = reader.text("y_array");
  spec.identity = reader.flag("identity", {.fallback = false});
  spec.medians = reader.flag("medians", {.fallback = false});
  spec.x_label = reader.text("x_label", {.fallback = words_of(spec.x_array)});
  spec.y_label = reader.text("y_label", {.fallback = words_of(spec.y_array)});
  read_scales(reader, spec);
  if (spec.identity && spec.log_x != spec.log_y)
    reader.error("identity", "@ needs two axes of one kind: log_x and log_y, or neither.");
}

void read_histogram(Reader& reader, FigureSpec& spec) {
  spec.metrics = reader.texts("metrics", {.fallback = std::vector<std::string>{}});
  spec.array = reader.text("array", {.fallback = ""});
  if (spec.metrics.empty() == spec.array.empty())
    reader.error("metrics", "A histogram is of either @ or an array.");
  spec.bins = static_cast<int>(reader.integer("bins", {.fallback = 20, .low = 1, .high = 1000}));
  read_range(reader, spec);
  const std::string metric = spec.metrics.size() == 1 ? spec.metrics[0] : "";
  spec.x_label = reader.text("x_label", {.fallback = spec.array.empty() ? metric : words_of(spec.array)});
  spec.y_label = reader.text("y_label", {.fallback = "number"});
}

constexpr std::array kKinds{"curves", "bars", "heat-map", "scatter", "histogram", "images"};

void read_figure(Reader& reader, const Axes& axes, FigureSpec& spec) {
  const std::vector<std::string> kinds{kKinds.begin(), kKinds.end()};
  const std::string kind = reader.text("kind", {.fallback = "curves", .choices = kinds});
  spec.kind = static_cast<Kind>(std::find(kinds.begin(), kinds.end(), kind) - kinds.begin());
  const Axes runs = spec.kind == Kind::kImages ? with(axes, {"stage"}) : with(axes, {"evaluation", "stage"}),
             all = with(runs, {"metric"});
  switch (spec.kind) {
    case Kind::kBars: read_bars(reader, spec); break;
    case Kind::kCurves: read_curves(reader, axes, spec); break;
    case Kind::kHeatMap: read_heat_map(reader, spec); break;
    case Kind::kScatter: read_scatter(reader, spec); break;
    case Kind::kHistogram: read_histogram(reader, spec); break;
    default: spec.picture = reader.text("picture");
  }
  const bool has_metrics = !spec.metrics.empty();
  const bool grid = spec.kind == Kind::kHeatMap || spec.kind == Kind::kImages;
  spec.panel = read_axis(reader, spec.kind == Kind::kImages ? "columns" : "panel", has_metrics ? all : runs);
  if (reader.has("panel_label")) spec.panel_label = reader.text("panel_label");
  if (spec.panel_label && spec.panel.empty())
    reader.error(
        "panel_label", "@ stands before the labels of panels, and this figure has one panel.",
        std::string("name the axis: ") + (spec.kind == Kind::kImages ? "columns" : "panel") + " = \"…\"");
  if (grid) {
    spec.rows = read_axis(reader, "rows", runs);
    if (reader.has("row_label")) spec.row_label = reader.text("row_label");
    if (spec.row_label && spec.rows.empty())
      reader.error("row_label", "@ stands before the labels of rows, and this figure has one row.",
                   "name the axis: rows = \"…\"");
  } else {
    spec.series = read_axes(reader, "series", has_metrics ? all : runs);
  }
  if (!grid) spec.shared_axes = reader.flag("shared_axes", {.fallback = true});
  const bool along = spec.selection.along;
  spec.selection = read_selection(reader, axes);
  if (spec.kind == Kind::kImages && !spec.selection.evaluation.empty())
    reader.error("evaluation", "@ cannot choose pictures: they belong to runs.");
  spec.selection.along = along;
}

// Reports keys that only other kinds understand, which would be ignored here, with those that this kind understands.
// Keys that no kind understands are left to finish().
void refuse_ignored(Reader& reader, const FigureSpec& spec) {
  static const std::set<std::string> kOfSomeKind{
      "active",  "array",    "bins",    "blocks",  "columns",      "identity",    "log_x",
      "log_y",   "medians",  "metrics", "panel",   "picture",      "points",      "range",
      "rows",    "series",   "sort",    "x",       "point_labels", "panels",      "x_array",
      "x_label", "x_metric", "y_array", "y_label", "row_label",    "scale_label", "shared_axes"};
  const auto kind = static_cast<std::size_t>(spec.kind);
  if (kind >= kKinds.size()) return;  // already reported
  const std::vector<std::string> known = reader.known();
  for (const auto& member : reader.source().members())
    if (kOfSomeKind.contains(member.key) && !std::binary_search(known.begin(), known.end(), member.key))
      reader.error(
          member.key,
          std::string("@ is not a key of a figure of kind \"") + kKinds[kind] + "\", which would ignore it.",
          "this kind understands " + config::join(known));
}

// Reads [[study.figures.panels]], whose keys override those of the figure.
void read_panels(Reader& reader, const Axes& axes, FigureSpec& spec, const Node& figure) {
  if (spec.kind != Kind::kCurves) return;
  const Node* array = reader.node("panels");
  if (!array) return;
  if (!array->if_array() || !spec.panel.empty())
    return reader.error("panels", "@ is a list of tables, in a figure of curves without `panel`.");
  for (const Node& element : *array->if_array()) {
    Node merged = figure;
    merged.erase("panels");
    config::merge(merged, element);
    Reader panel(merged, reader.diagnostics(), "study.figures.panels");
    FigureSpec one;
    one.name = panel.text("name");
    one.title = panel.text("title", {.fallback = ""});
    one.caption = panel.text("caption", {.fallback = ""});
    read_figure(panel, axes, one);
    refuse_ignored(panel, one);
    panel.finish();
    spec.panels.push_back(std::move(one));
  }
}

template <class Spec, class Read>
std::vector<Spec> read_array(const Node& node, const char* path, config::Diagnostics& diagnostics,
                             const Read& read) {
  std::vector<Spec> specs;
  if (!node.if_array()) return specs;
  std::set<std::string> names;
  for (const Node& element : *node.if_array()) {
    Reader reader(element, diagnostics, path);
    Spec spec;
    spec.name = reader.name("name");
    spec.caption = reader.text("caption", {.fallback = ""});
    read(reader, spec);
    reader.finish();
    if (!names.insert(spec.name).second) reader.error("name", "@ is taken already.");
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace

Selection read_selection(Reader& reader, const Axes& axes) {
  Selection selection;
  selection.evaluation = reader.text("evaluation", {.fallback = ""});
  selection.stage = reader.text("stage", {.fallback = ""});
  Reader where = reader.table("where");
  for (const auto& member : where.source().members()) {
    if (std::find(axes.begin(), axes.end(), member.key) == axes.end())
      where.error(member.key, "@ is not an axis of this study.", config::did_you_mean(member.key, axes));
    selection.where[member.key] = labels_of(where, member.key);
  }
  return selection;
}

bool Selection::fits(const std::string& row_stage, const std::string& row_evaluation,
                     const std::vector<std::pair<std::string, std::string>>& labels) const {
  if (!evaluation.empty() && row_evaluation != evaluation) return false;
  if (!stage.empty() && row_stage != stage) return false;
  return std::all_of(where.begin(), where.end(), [&](const auto& condition) {
    const auto own = std::find_if(labels.begin(), labels.end(),
                                  [&](const auto& label) { return label.first == condition.first; });
    const std::string label = own == labels.end() ? std::string() : own->second;
    return std::find(condition.second.begin(), condition.second.end(), label) != condition.second.end();
  });
}

std::vector<FigureSpec> read_figures(const Node& figures, const Axes& axes,
                                     config::Diagnostics& diagnostics) {
  return read_array<FigureSpec>(figures, "study.figures", diagnostics, [&](Reader& reader, FigureSpec& spec) {
    const Node figure = reader.source();
    read_figure(reader, axes, spec);
    read_panels(reader, axes, spec, figure);
    refuse_ignored(reader, spec);
  });
}

std::vector<TableSpec> read_tables(const Node& tables, const Axes& axes, config::Diagnostics& diagnostics) {
  return read_array<TableSpec>(tables, "study.tables", diagnostics, [&](Reader& reader, TableSpec& spec) {
    spec.metrics = reader.texts("metrics", {.fallback = {}, .choices = {}, .least = 1});
    spec.rows =
        reader.texts("rows", {.fallback = {}, .choices = with(axes, {"evaluation", "stage"}), .least = 1});
    spec.selection = read_selection(reader, axes);
  });
}

std::string label_text(Reader& reader, const std::string& key) {
  const Node* value = reader.node(key);
  const auto label = value ? label_of(*value) : std::nullopt;
  if (!label) reader.error(key, "@ must be a label of that axis, found " + value->describe() + ".");
  return label.value_or("");
}

std::string short_name(const std::string& axis) { return axis.substr(axis.rfind('.') + 1); }

std::vector<std::string> short_names(const std::vector<std::string>& axes) {
  std::vector<std::string> names;
  for (const std::string& axis : axes) {
    std::size_t dot = axis.rfind('.');
    const auto taken = [&](const std::string& name) {
      return std::any_of(axes.begin(), axes.end(), [&](const std::string& other) {
        return other != axis && (other == name || other.ends_with("." + name));
      });
    };
    while (dot != std::string::npos && dot > 0 && taken(axis.substr(dot + 1))) dot = axis.rfind('.', dot - 1);
    names.push_back(dot == std::string::npos ? axis : axis.substr(dot + 1));
  }
  return names;
}

}  // namespace variform::study
