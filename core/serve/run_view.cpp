// See run_view.h.

#include "serve/run_view.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <system_error>

#include <fmt/format.h>

#include "base/json_file.h"
#include "base/quote.h"
#include "config/load.h"
#include "config/run_metrics.h"

namespace variform::serve {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr std::uint64_t kPiece = 4 << 20;       // of metrics.jsonl at once
constexpr std::uint64_t kMostOfFile = 4 << 20;  // of a config or an evaluation
constexpr std::size_t kEnd = 200;               // of what was read of metrics.jsonl, to know it again
constexpr const char* kMarks[] = {"DONE", "FAILED", "INTERRUPTED", ".lock"};

double seconds_of(const Mark& mark) {
  return static_cast<double>(mark.seconds) + 1e-9 * static_cast<double>(mark.nanoseconds);
}

// Appends the values of a table as pairs of dotted keys and texts.
void flatten(const config::Node& node, const std::string& key, json& pairs) {
  if (!node.is_table() || node.find("schedule")) {
    pairs.push_back({base::shown(key), base::shown(config::plain_value(node))});
    return;
  }
  for (const config::Node::Member& member : node.members())
    flatten(member.value, key.empty() ? member.key : key + "." + member.key, pairs);
}

std::int64_t whole(const config::Node& root, const std::string& key) {
  const config::Node* node = config::at_path(root, key);
  const std::int64_t* value = node ? node->if_integer() : nullptr;
  return value ? std::max<std::int64_t>(*value, 0) : 0;
}

// Returns the name of the data set: a text, or the name that a description in the config has.
std::string dataset_in(const config::Node& root) {
  const config::Node* node = config::at_path(root, "data.dataset");
  if (node && node->is_table()) node = node->find("name");
  const std::string* name = node ? node->if_text() : nullptr;
  return name ? base::shown(*name) : std::string();
}

// Returns an evaluation's numbers by section: {"values": {"elbo": …}}.
json numbers_in(const json& evaluation) {
  json sections = json::object();
  if (!evaluation.is_object()) return sections;
  for (const auto& [section, members] : evaluation.items()) {
    if (!members.is_object()) continue;
    for (const auto& [name, value] : members.items())
      if (value.is_number()) sections[section][name] = value;
  }
  return sections;
}

// Parses JSON that anybody may have written.
json parsed(const std::string& text) {
  return base::is_too_deep(text) ? json() : json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

RunView::RunView(std::string id, fs::path folder)
    : id_(std::move(id)), run_{std::move(folder), {"unfinished", "", "", ""}, 0, nullptr, {}} {}

bool RunView::look() {
  const bool config = look_at_config(), metrics = look_at_metrics(), ending = look_at_ending();
  const bool figures = look_at_figures(), evaluations = look_at_evaluations();
  return config || metrics || ending || figures || evaluations;
}

bool RunView::look_at_config() {
  const Mark mark = mark_of(run_.path / config::kResolvedConfig);
  if (mark == config_mark_) return false;
  config_mark_ = mark;
  config_ = json::array();
  ++config_version_;
  config_problem_.clear();
  const std::string name = base::shown((run_.path / config::kResolvedConfig).string());
  const auto text = piece_of(run_.path / config::kResolvedConfig, 0, kMostOfFile);
  if (!text) {
    config_problem_ =
        name + (mark.is_there() ? ": expected a file, found a link, a folder or one that cannot be read."
                                : ": expected a file, found none.");
    return true;
  }
  config::Diagnostics mistakes;
  const config::Node root = config::parse(*text, name, mistakes);
  if (!mistakes.empty()) config_problem_ = name + " is not TOML: " + mistakes.entries().front().message;
  flatten(root, "", config_);
  dataset_ = dataset_in(root);
  steps_ = whole(root, "train.steps");
  epochs_ = whole(root, "train.epochs");
  return true;
}

bool RunView::look_at_metrics() {
  const Mark mark = mark_of(run_.path / "metrics.jsonl");
  if (mark == metrics_mark_) return false;
  const bool is_another = mark.file != metrics_mark_.file || mark.device != metrics_mark_.device;
  // Replaced, or resumed from a checkpoint, and perhaps longer again by now.
  if ((metrics_mark_.is_there() && is_another) || mark.bytes < read_ || !has_same_end()) {
    ++generation_;
    found_ = {};
    read_ = lines_ = 0;
    end_.clear();
    run_.step = 0;
    run_.last = training_ = nullptr;
    first_step_ = -1;
    epoch_ = 0;
  }
  metrics_mark_ = mark;
  found_.problem = mark.is_there() && !mark.is_regular
                       ? base::shown((run_.path / "metrics.jsonl").string()) +
                             ": expected a file, found a link, a folder or another special file."
                       : std::string();
  read_metrics();
  return true;
}

// Whether the file still has, before the first byte that was not read, what was read there.
bool RunView::has_same_end() const {
  return end_.empty() || piece_of(run_.path / "metrics.jsonl", read_ - end_.size(), end_.size()) == end_;
}

// Takes in the lines that are whole by now.
void RunView::read_metrics() {
  while (true) {
    const std::string text = piece_of(run_.path / "metrics.jsonl", read_, kPiece).value_or("");
    const std::size_t end = text.rfind('\n') + 1;  // 0: no line is whole
    const std::string_view whole_lines = std::string_view(text).substr(0, end);
    const base::SealedLines piece = base::sealed_lines_in(whole_lines, config::is_metrics_line);
    for (const std::size_t number : piece.damaged) found_.damaged.push_back(lines_ + number);
    lines_ += static_cast<std::size_t>(std::count(whole_lines.begin(), whole_lines.end(), '\n'));
    read_ += end;
    if (end > 0) end_ = whole_lines.substr(end - std::min(end, kEnd));
    model::take_metrics(run_, piece.lines);
    for (const json& line : piece.lines) {
      if (line.at("split") == "train") training_ = line;
      if (const json epoch = line.value("epoch", json()); epoch.is_number()) epoch_ = epoch.get<double>();
    }
    if (end == 0 || text.size() < kPiece) break;
  }
  if (first_step_ < 0 && run_.step > 0) {
    first_step_ = run_.step;
    first_time_ = seconds_of(metrics_mark_);
  }
}

bool RunView::look_at_ending() {
  std::vector<Mark> marks;
  bool is_marked = false, is_link = false;
  for (const char* name : kMarks) {
    marks.push_back(mark_of(run_.path / name));
    is_link = is_link || marks.back().is_link;
    if (name != std::string(".lock")) is_marked = is_marked || marks.back().is_there();
  }
  const bool runs = !is_marked && is_running();
  if (marks == ending_marks_ && runs == is_running_) return false;
  ending_marks_ = std::move(marks);
  is_running_ = runs;
  run_.status = is_link ? model::RunStatus{"unfinished", "", "", ""} : model::run_status(run_.path);
  ending_problem_ = is_link ? "DONE, FAILED, INTERRUPTED or .lock is a link, and is not followed." : "";
  return true;
}

// On another machine a run counts as at work for some minutes after its last sign of life.
bool RunView::is_running() const {
  const std::optional<bool> held = is_held(run_.path / ".lock");
  if (held) return *held;
  constexpr double kSilence = 600;  // seconds
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return now - std::max(seconds_of(metrics_mark_), seconds_of(mark_of(run_.path / "log.txt"))) < kSilence;
}

bool RunView::look_at_figures() {
  const Mark mark = mark_of(run_.path / "figures");
  if (mark == figures_mark_) return false;
  figures_mark_ = mark;
  const auto former = std::move(figures_);
  figures_.clear();
  std::error_code error;
  if (mark.is_folder)
    for (fs::directory_iterator at(run_.path / "figures", error), end; !error && at != end;
         at.increment(error)) {
      const fs::path& file = at->path();
      const Mark figure = mark_of(file);
      const bool is_picture = file.extension() == ".png" || file.extension() == ".svg";
      if (figure.is_regular && is_picture && !file.filename().string().starts_with('.'))
        figures_.emplace_back(file.filename().string(),
                              fmt::format("{}-{}-{}", figure.file, figure.seconds, figure.nanoseconds));
    }
  std::sort(figures_.begin(), figures_.end());
  return figures_ != former;
}

bool RunView::look_at_evaluations() {
  const Mark mark = mark_of(run_.path);  // evaluations are renamed into place, which changes the folder
  if (mark == folder_mark_) return false;
  folder_mark_ = mark;
  json found = json::object();
  for (const char* split : {"train", "validation", "test"}) {
    const auto text = piece_of(run_.path / fmt::format("evaluation-{}.json", split), 0, kMostOfFile);
    if (const json numbers = numbers_in(text ? parsed(*text) : json()); !numbers.empty())
      found[split] = numbers;
  }
  if (found == evaluations_) return false;
  evaluations_ = std::move(found);
  return true;
}

// 0: not known. By what was seen since the first line that was read; in a run that has just begun, since its lock.
double RunView::steps_per_second() const {
  const double now = seconds_of(metrics_mark_), began = seconds_of(ending_marks_.back());
  constexpr double kAtOnce = 5;  // seconds between a new run's config and its lock
  const bool is_fresh = std::abs(began - seconds_of(config_mark_)) < kAtOnce;
  if (run_.step > first_step_ && first_step_ >= 0 && now > first_time_ + 1)
    return static_cast<double>(run_.step - first_step_) / (now - first_time_);
  return is_fresh && now > began ? static_cast<double>(run_.step) / (now - began) : 0;
}

json RunView::shown() const {
  json problems = json::array();
  for (const std::string& problem :
       {config_problem_, found_.sentence(run_.path / "metrics.jsonl"), ending_problem_, run_.status.problem})
    if (!problem.empty()) problems.push_back(base::shown(problem));
  const double per_epoch = epoch_ > 0 ? static_cast<double>(run_.step) / epoch_ : 0;
  const std::int64_t horizon = steps_ > 0 ? steps_ : std::llround(per_epoch * static_cast<double>(epochs_));
  json figures = json::array();
  for (const auto& [name, version] : figures_)
    figures.push_back({{"file", name}, {"name", base::shown(name)}, {"version", version}});
  return {{"id", id_},
          {"name", base::shown(run_.path.filename().string())},
          {"folder", base::shown(run_.path.parent_path().string())},
          {"state", is_running_ ? "running" : run_.status.word},
          {"ending", run_.status.ending},
          {"reason", run_.status.reason},
          {"problems", problems},
          {"step", run_.step},
          {"horizon", horizon},
          {"rate", is_running_ ? json(steps_per_second()) : json()},
          {"created", seconds_of(config_mark_)},
          {"changed", seconds_of(metrics_mark_.is_there() ? metrics_mark_ : config_mark_)},
          {"generation", generation_},
          {"bytes", read_},
          {"training", training_},
          {"evaluation", run_.last},
          {"evaluations", evaluations_},
          {"dataset", dataset_},
          {"figures", figures}};
}

MetricsPiece RunView::metrics(std::uint64_t generation, std::uint64_t from) const {
  MetricsPiece piece;
  piece.generation = generation_;
  piece.from = generation == generation_ && from <= read_ ? from : 0;
  const std::uint64_t most = std::min(read_ - piece.from, kPiece);  // as far as it was looked at
  const std::string text = piece_of(run_.path / "metrics.jsonl", piece.from, most).value_or("");
  const std::size_t end = text.rfind('\n') + 1;
  piece.next = piece.from + end;
  piece.lines = base::sealed_lines_in(std::string_view(text).substr(0, end), config::is_metrics_line).lines;
  return piece;
}

bool RunView::has_figure(const std::string& name) const {
  return std::any_of(figures_.begin(), figures_.end(),
                     [&](const auto& figure) { return figure.first == name; });
}

}  // namespace variform::serve
