// Scatter plots and histograms of studies: see figures.h.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "config/text.h"
#include "draw/png_grid.h"
#include "study/figures/arrays.h"
#include "study/figures/figures.h"
#include "study/groups.h"

namespace variform::study {
namespace {

constexpr std::size_t kMostPoints = 2000;  // of a panel

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

std::vector<std::size_t> cells_of(const StudyResults& results,
                                  const std::set<const StudyResults::File*>& files) {
  std::set<std::size_t> cells;
  for (const StudyResults::File* file : files)
    for (const std::size_t cell : results.cells_of(file->stage, file->labels)) cells.insert(cell);
  return {cells.begin(), cells.end()};
}

// ---------------------------------------------------------------------------------------------------- scatter plots

// The points of some runs, and each run's medians over the first index, one per second index.
struct Cloud {
  draw::Series points, centres;
};

void add_run(Cloud& cloud, const Array& x, const Array& y, const FigureSpec& spec) {
  const std::size_t columns = x.shape.size() < 2 ? 1 : x.values.size() / std::max<std::size_t>(1, x.shape[0]);
  std::vector<std::vector<double>> of_x(columns), of_y(columns);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const double a = x.values[i], b = y.values[i];
    if (!std::isfinite(a) || !std::isfinite(b) || (spec.log_x && a <= 0) || (spec.log_y && b <= 0)) continue;
    cloud.points.x.push_back(a);
    cloud.points.y.push_back(b);
    of_x[i % columns].push_back(a);
    of_y[i % columns].push_back(b);
  }
  for (std::size_t c = 0; c < columns; ++c) {
    if (of_x[c].empty()) continue;
    cloud.centres.x.push_back(median_of(of_x[c]));
    cloud.centres.y.push_back(median_of(of_y[c]));
  }
}

// Keeps points of a panel at equal distances, so that kMostPoints are left.
void thin(std::vector<Cloud>& clouds, std::size_t all) {
  if (all <= kMostPoints) return;
  std::size_t i = 0;
  for (Cloud& cloud : clouds) {
    draw::Series kept = cloud.points;
    kept.x.clear();
    kept.y.clear();
    for (std::size_t k = 0; k < cloud.points.x.size(); ++k, ++i)
      if (i * kMostPoints / all != (i + 1) * kMostPoints / all) {
        kept.x.push_back(cloud.points.x[k]);
        kept.y.push_back(cloud.points.y[k]);
      }
    cloud.points = std::move(kept);
  }
}

Cloud cloud_of(const std::string& label, const Files& files, const FigureSpec& spec,
               std::set<const StudyResults::File*>& used, std::set<std::string>& together) {
  Cloud cloud{{label, {}, {}}, {label, {}, {}}};
  cloud.points.style = draw::Series::Style::kPoints;
  cloud.centres.style = draw::Series::Style::kCentres;
  std::map<Labels, const StudyResults::File*> seen;
  for (const StudyResults::File* file : files) {
    const auto arrays = arrays_of(*file, {spec.x_array, spec.y_array});
    if (!arrays[0] || !arrays[1]) continue;
    if (arrays[0]->shape != arrays[1]->shape)
      throw base::Error(spec.x_array + " and " + spec.y_array + " of " + file->file.string() +
                        " differ in shape.");
    if (const auto [other, fresh] = seen.emplace(file->labels, file); !fresh)
      throw base::Error("the arrays are in the evaluations " + other->second->evaluation + " of " +
                        other->second->stage + " and " + file->evaluation + " of " + file->stage +
                        ": choose by evaluation and stage.");
    add_differing(file->labels, seen.begin()->first, together);
    add_run(cloud, *arrays[0], *arrays[1], spec);
    used.insert(file);
  }
  return cloud;
}

}  // namespace

StudyFigure scatter_of(const StudyResults& results, const FigureSpec& spec) {
  const Files files = files_of(results, spec.selection);
  std::set<const StudyResults::File*> used;
  std::set<std::string> together;
  StudyFigure shown;
  std::size_t most = 0;
  for (const std::string& title : distinct(results, files, spec.panel)) {
    const Files here = only(files, spec.panel, title);
    draw::Panel panel = empty_panel(spec, title, "");
    std::vector<Cloud> clouds;
    std::size_t all = 0;
    for (const std::string& label : distinct(results, files, spec.series)) {
      Cloud cloud = cloud_of(label.empty() ? spec.y_label : label, only(here, spec.series, label), spec, used,
                             together);
      all += cloud.points.x.size();
      if (!cloud.points.x.empty()) clouds.push_back(std::move(cloud));
    }
    thin(clouds, all);
    most = std::max(most, all);
    for (Cloud& cloud : clouds) panel.series.push_back(std::move(cloud.points));
    if (spec.medians)
      for (Cloud& cloud : clouds) panel.series.push_back(std::move(cloud.centres));
    if (!panel.series.empty()) shown.figure.panels.push_back(std::move(panel));
  }
  if (used.empty())
    throw base::Error("nothing to show: no evaluation has both " + spec.x_array + " and " + spec.y_array +
                      ".");
  shown.cells = cells_of(results, used);
  shown.figure.legend_title = legend_title(spec.series, distinct(results, files, spec.series));
  if (spec.medians) shown.note = "Large marks: medians.";
  const auto say = [&](const std::string& sentence) {
    shown.note += (shown.note.empty() ? "" : " ") + sentence;
  };
  if (most > kMostPoints)
    say(fmt::format("Shown: {} points per panel, chosen evenly from up to {}.", kMostPoints, most));
  if (!together.empty())
    say("Shown together: all of " + config::join({together.begin(), together.end()}) + ".");
  return shown;
}

// ---------------------------------------------------------------------------------------------------- histograms

namespace {

// The numbers to be counted, by panel and series in the order of the study.
struct Counted {
  struct Sample {
    std::string panel, label;
    std::vector<double> values;
  };
  std::vector<Sample> samples;
  std::vector<std::size_t> cells;
  std::set<std::string> together;  // axes, except the seed, on which a sample's runs differ
};

Counted of_metrics(const StudyResults& results, const FigureSpec& spec) {
  const Rows rows = asked_rows(results, spec.selection, spec.metrics, "nothing to show");
  Counted counted;
  for (const std::string& title : distinct(results, rows, spec.panel))
    for (const std::string& label : distinct(results, rows, spec.series))
      if (const Rows here = only(only(rows, spec.panel, title), spec.series, label); !here.empty()) {
        Interval interval = interval_of(here);
        counted.together.merge(interval.over);
        counted.samples.push_back(
            {title, label.empty() ? spec.metrics[0] : label, std::move(interval.values)});
      }
  counted.cells = results.cells_of(rows);
  return counted;
}

// Returns all numbers; of a symmetric matrix those above its diagonal, since the others only repeat them.
std::vector<double> numbers_of(const Array& array) {
  const std::size_t n = array.shape.size() == 2 && array.shape[0] == array.shape[1] ? array.shape[0] : 0;
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  bool symmetric = n > 1;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j)
      symmetric = symmetric && same(array.values[i * n + j], array.values[j * n + i]);
  std::vector<double> values;
  for (std::size_t i = 0; i < array.values.size(); ++i)
    if (std::isfinite(array.values[i]) && (!symmetric || i % n > i / n)) values.push_back(array.values[i]);
  return values;
}

Counted of_arrays(const StudyResults& results, const FigureSpec& spec) {
  const Files files = files_of(results, spec.selection);
  std::set<const StudyResults::File*> used;
  Counted counted;
  for (const std::string& title : distinct(results, files, spec.panel))
    for (const std::string& label : distinct(results, files, spec.series)) {
      Counted::Sample sample{title, label.empty() ? spec.x_label : label, {}};
      const StudyResults::File* first = nullptr;
      for (const StudyResults::File* file : only(only(files, spec.panel, title), spec.series, label)) {
        const auto array = arrays_of(*file, {spec.array})[0];
        if (!array) continue;
        if (first && file->evaluation != first->evaluation)
          throw base::Error(spec.array + " is in the evaluations " + first->evaluation + " and " +
                            file->evaluation + ": choose one by evaluation = \"" + first->evaluation + "\".");
        if (first) add_differing(file->labels, first->labels, counted.together);
        first = file;
        const std::vector<double> values = numbers_of(*array);
        sample.values.insert(sample.values.end(), values.begin(), values.end());
        used.insert(file);
      }
      if (!sample.values.empty()) counted.samples.push_back(std::move(sample));
    }
  if (counted.samples.empty())
    throw base::Error("nothing to show: no evaluation or comparison has numbers in " + spec.array + ".");
  counted.cells = cells_of(results, used);
  return counted;
}

std::pair<double, double> range_of(const Counted& counted, const FigureSpec& spec) {
  if (spec.range) return *spec.range;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Counted::Sample& sample : counted.samples)
    for (const double value : sample.values)
      if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  if (!(low <= high)) throw base::Error("nothing to show: no number is finite.");
  if (low == high) return {low - 0.5, high + 0.5};
  return {low, high};
}

}  // namespace

StudyFigure histograms_of(const StudyResults& results, const FigureSpec& spec) {
  const Counted counted = spec.array.empty() ? of_metrics(results, spec) : of_arrays(results, spec);
  const auto [low, high] = range_of(counted, spec);
  const auto bins = static_cast<std::size_t>(spec.bins);
  const double width = (high - low) / static_cast<double>(bins);
  StudyFigure shown;
  std::size_t outside = 0;
  for (const Counted::Sample& sample : counted.samples) {
    std::vector<double> counts(bins, 0.0), inside;
    for (const double value : sample.values) {
      if (!(value >= low && value <= high)) {
        ++outside;
        continue;
      }
      inside.push_back(value);
      counts[std::min(bins - 1, static_cast<std::size_t>((value - low) / width))] += 1;
    }
    draw::Series steps{sample.label, {low}, {0}};
    steps.style = draw::Series::Style::kSteps;
    for (std::size_t b = 0; b < bins; ++b) {
      steps.x.push_back(low + static_cast<double>(b) * width);
      steps.y.push_back(counts[b]);
    }
    steps.x.push_back(high);
    steps.y.push_back(0);
    if (draw::Panel panel = empty_panel(spec, sample.panel, "");
        shown.figure.panels.empty() || shown.figure.panels.back().title != panel.title)
      shown.figure.panels.push_back(std::move(panel));
    draw::Panel& panel = shown.figure.panels.back();
    panel.series.push_back(std::move(steps));
    if (inside.empty()) continue;
    draw::Series median{sample.label, {median_of(sample.values)}, {std::nan("")}};
    median.style = draw::Series::Style::kRule;
    panel.series.push_back(std::move(median));
  }
  shown.cells = counted.cells;
  std::vector<std::string> labels;
  for (const Counted::Sample& sample : counted.samples) labels.push_back(sample.label);
  shown.figure.legend_title = spec.series.empty() ? "" : legend_title(spec.series, labels);
  shown.note = "Dashed: medians.";
  if (!counted.together.empty())
    shown.note +=
        " Counted together: all of " + config::join({counted.together.begin(), counted.together.end()}) + ".";
  if (outside > 0)
    shown.note += fmt::format(" Beyond the axis: {}{}", outside, outside == 1 ? " value." : " values.");
  return shown;
}

}  // namespace variform::study
