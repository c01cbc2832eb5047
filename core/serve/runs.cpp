// See runs.h.

#include "serve/runs.h"

#include <algorithm>
#include <system_error>

#include "base/quote.h"

namespace variform::serve {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr std::chrono::milliseconds kFresh{150};  // what was seen since then is not looked at again
constexpr std::uint64_t kMostOfFigure = 64 << 20;

// Names of files may hold bytes that are not UTF-8; JSON cannot.
std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

// Versions begin with the clock, so that a page which outlives a server gets everything from the next one.
Runs::Runs(const std::vector<fs::path>& folders)
    : folders_(folders), first_version_(static_cast<std::uint64_t>(1e3 * now())), version_(first_version_) {
  look();
}

void Runs::look() {
  if (std::chrono::steady_clock::now() - looked_ < kFresh) return;
  for (auto& [path, entry] : entries_) entry.is_there = false;
  links_.clear();
  ++version_;
  bool changed = false;
  for (const fs::path& folder : folders_) changed = look_into(folder) || changed;
  for (auto at = entries_.begin(); at != entries_.end();) {
    const bool is_gone = !at->second.is_there;
    if (is_gone) gone_[at->second.view->id()] = version_;
    changed = changed || is_gone;
    at = is_gone ? entries_.erase(at) : std::next(at);
  }
  changed = changed || links_ != former_links_;
  former_links_ = links_;
  if (!changed) --version_;
  looked_ = std::chrono::steady_clock::now();
}

// Returns whether anything in the folder has changed.
bool Runs::look_into(const fs::path& folder) {
  bool changed = false;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const fs::path& run = at->path();
    if (run.filename().string().starts_with('.')) continue;
    const Mark mark = mark_of(run);
    if (mark.is_link && model::is_run_folder(run)) links_.push_back(base::shown(run.string()));
    if (mark.is_folder && model::is_run_folder(run)) changed = look_at(run) || changed;
  }
  std::sort(links_.begin(), links_.end());
  return changed;
}

bool Runs::look_at(const fs::path& run) {
  Entry& entry = entries_[run];
  entry.is_there = true;
  if (!entry.view) entry.view = std::make_unique<RunView>("r" + std::to_string(++last_id_), run);
  const std::uint64_t config = entry.view->config_version();
  if (!entry.view->look() && entry.changed != 0) return false;
  entry.changed = version_;
  if (entry.view->config_version() != config) entry.config_changed = version_;
  return true;
}

std::string Runs::changes(std::uint64_t since) {
  const std::lock_guard lock(mutex_);
  look();
  const bool all = since < first_version_ || since > version_;
  json runs = json::array(), gone = json::array(), folders = json::array();
  for (const fs::path& folder : folders_) folders.push_back(base::shown(folder.string()));
  for (const auto& [path, entry] : entries_) {
    if (!all && entry.changed <= since) continue;
    json run = entry.view->shown();
    if (all || entry.config_changed > since) run["config"] = entry.view->config();
    runs.push_back(std::move(run));
  }
  for (const auto& [id, version] : gone_)
    if (!all && version > since) gone.push_back(id);
  return text_of({{"version", version_},
                  {"all", all},
                  {"now", now()},
                  {"folders", folders},
                  {"links", links_},
                  {"runs", runs},
                  {"gone", gone}});
}

const RunView* Runs::find(const std::string& id) const {
  for (const auto& [path, entry] : entries_)
    if (entry.view->id() == id) return entry.view.get();
  return nullptr;
}

std::optional<std::string> Runs::metrics(const std::string& id, std::uint64_t generation,
                                         std::uint64_t from) {
  const std::lock_guard lock(mutex_);
  const RunView* run = find(id);
  if (!run) return {};
  const MetricsPiece piece = run->metrics(generation, from);
  return text_of(
      {{"from", piece.from}, {"next", piece.next}, {"generation", piece.generation}, {"lines", piece.lines}});
}

std::optional<std::string> Runs::figure(const std::string& id, const std::string& name) {
  const std::lock_guard lock(mutex_);
  const RunView* run = find(id);
  if (!run || !run->has_figure(name)) return {};
  return file_below(run->folder(), "figures", name, kMostOfFigure);
}

}  // namespace variform::serve
