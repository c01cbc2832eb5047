// See preflight.h.

#include "study/preflight.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "config/load.h"
#include "study/figures/figures.h"
#include "study/results.h"
#include "study/tables.h"

namespace variform::study {
namespace {

// Notes about parameters that cells lost when an axis gave them another component: once each, with the number of cells.
class Notes {
 public:
  void add(const Cell& cell, const config::Node& resolved) {
    for (const std::string& note : config::notes_of(cell.dropped, resolved)) {
      auto [entry, is_new] = cells_.try_emplace(note, 0, text_of(cell));
      ++entry->second.first;
    }
  }
  void tell(base::Log& log) const {
    for (const auto& [note, cells] : cells_)
      log.note(fmt::format("{} ({} of the cells, such as {})", note, cells.first, cells.second));
  }

 private:
  std::map<std::string, std::pair<std::size_t, std::string>> cells_;
};

}  // namespace

void preflight(const StudyFile& study, const model::Workplace& place, const train::BeforeSteps& before) {
  std::set<std::string> seen;
  Notes notes;
  for (const Cell& cell : study.cells) {
    if (!cell.needs.empty()) continue;
    config::Experiment experiment = experiment_of(cell.config, study, place);
    notes.add(cell, experiment.resolved);
    if (!seen.insert(kind_of(cell)).second) continue;
    try {
      train::compose(std::move(experiment), *study.registry, place.places, before);
    } catch (const std::exception& error) {
      throw config::Error(std::string(error.what()) + "\n(the cell " + text_of(cell) + ")");
    }
  }
  notes.tell(place.log);
}

std::vector<std::string> wrong_configs(const StudyFile& study, const model::Workplace& place) {
  std::vector<std::string> order;
  std::map<std::string, std::pair<std::size_t, std::string>> cells;
  for (const Cell& cell : study.cells) {
    if (!cell.needs.empty()) continue;
    try {
      experiment_of(cell.config, study, place);
    } catch (const config::Error& error) {
      const auto [entry, fresh] = cells.try_emplace(error.what(), 0, text_of(cell));
      if (fresh) order.push_back(entry->first);
      ++entry->second.first;
    }
  }
  std::vector<std::string> problems;
  for (const std::string& text : order)
    problems.push_back(
        fmt::format("{} of the cells, such as {}:\n{}", cells[text].first, cells[text].second, text));
  return problems;
}

std::vector<std::string> wrong_reports(const StudyFile& study, const std::filesystem::path& folder) {
  StudyResults results = read_study(folder / "study", folder / "runs");
  std::vector<std::string> problems = results.problems;
  for (std::string& problem : add_metrics(results, study.metrics)) problems.push_back(std::move(problem));
  const auto always = [] { return true; };
  make_each(
      study.tables, problems, [&](const TableSpec& spec) { table_of(results, spec); }, always);
  make_each(
      study.figures, problems, [&](const FigureSpec& spec) { figure_of(results, spec); }, always);
  return problems;
}

}  // namespace variform::study
