// The registry: candidates in search order, each with its status.

#include "plugins/registry.h"

#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <c10/util/Exception.h>

#include <variform/calls.h>
#include <variform/descriptor.h>
#include <variform/decoder.h>
#include <variform/encoder.h>
#include <variform/family.h>
#include <variform/likelihood.h>
#include <variform/metric.h>
#include <variform/objective.h>
#include <variform/prior.h>
#include <variform/reader.h>

#include "base/last_words.h"
#include "base/process_state.h"
#include "base/sha256.h"
#include "plugins/ambient.h"
#include "plugins/library.h"
#include "plugins/trial.h"

namespace variform::plugins {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStock = "org.variform.";

std::string component_name(Kind kind, std::string_view id) {
  return std::string(to_string(kind)) + ":" + std::string(id);
}

// Identifies a file whatever path leads to it.
using FileId = std::pair<dev_t, ino_t>;

std::optional<FileId> file_id(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return FileId{status.st_dev, status.st_ino};
}

std::string where(const PluginRecord& record) {
  return record.path.empty() ? "built into this program" : record.path.string();
}

Manifest manifest_of(const PluginInfo& info) {
  Manifest manifest = host_manifest();
  manifest.id = info.id;
  manifest.version = info.version;
  for (const ComponentList* list = info.lists_begin; list != info.lists_end; ++list)
    for (std::size_t i = 0; i < list->count; ++i)
      manifest.components.push_back(std::string(list->first[i].kind_name) + ":" + list->first[i].id);
  return manifest;
}

// Returns the *.so of a folder, by name; `note` says if it cannot be read.
std::vector<fs::path> libraries_in(const fs::path& folder, std::string& note) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().extension() == ".so") files.push_back(entry->path());
  if (error) note = "cannot be read: " + error.message();
  std::sort(files.begin(), files.end());
  return files;
}

// Returns what is wrong with an explicitly named place, or empty text.
std::string problem_of(const Place& place) {
  if (!place.is_explicit()) return {};
  if (!place.note.empty()) return place.note;
  std::error_code error;
  if (!fs::exists(place.path, error))
    return "there is no such folder or file, so that its plugins are missing; check the path" +
           std::string(place.origin == Origin::kConfig ? ", which is relative to the config" : "");
  std::string note;
  if (fs::is_directory(place.path, error) && libraries_in(place.path, note).empty() && note.empty())
    return "there is no plugin (*.so) in this folder; is it built?";
  return {};
}

}  // namespace

struct Registry::State {
  struct Candidate {
    PluginRecord record;
    const PluginInfo* info = nullptr;
    std::optional<FileId> file;
    bool was_tried = false;

    bool is_usable() const { return record.status == Status::kAvailable || record.status == Status::kLoaded; }
    bool names(const std::string& component) const {
      return record.manifest && record.manifest->offers(component);
    }
  };

  std::vector<Place> places;
  fs::path sdk_prefix;
  std::deque<Candidate> candidates;  // records are handed out by address
  std::map<const ComponentInfo*, std::string> labels;
  std::function<void(const std::string&)> tell;

  void look_into(Place& place);
  void add_file(const fs::path& path, const Place& place);
  void settle();
  void try_all(const std::vector<Candidate*>& files);
  bool load(Candidate& candidate);
  void open(Candidate& candidate);
  const Candidate* candidate_of(const ComponentInfo& info) const;
  const std::string& label_of(const ComponentInfo& info);
  static void refuse(Candidate& candidate, const std::string& problem);
  std::vector<Offer> offers(Kind kind, std::string_view id);
};

void Registry::State::refuse(Candidate& candidate, const std::string& problem) {
  candidate.record.status = Status::kRefused;
  candidate.record.reason = candidate.record.path.string() + ": " + problem + ".";
}

void Registry::State::look_into(Place& place) {
  if (!place.note.empty()) return;
  std::error_code error;
  if (fs::is_directory(place.path, error)) {
    for (const fs::path& file : libraries_in(place.path, place.note)) add_file(file, place);
  } else if (fs::exists(place.path, error) || place.is_explicit()) {
    add_file(place.path, place);
  } else {
    place.note = "does not exist";
  }
}

void Registry::State::add_file(const fs::path& path, const Place& place) {
  Candidate candidate;
  candidate.record.path = path;
  candidate.record.origin = place.origin;
  const std::string distrust = why_not_trusted(place, path);
  const auto file = file_id(path);
  if (distrust.empty()) candidate.file = file;  // else a later place may have the same file, and be trusted
  const auto is_same = [&](const Candidate& other) { return file && other.file == file; };
  if (std::any_of(candidates.begin(), candidates.end(), is_same)) return;

  ManifestResult read = read_manifest(path);
  if (read.manifest) {
    candidate.record.id = read.manifest->id;
    candidate.record.version = read.manifest->version;
    const std::string problem = incompatibility(*read.manifest, host_manifest());
    if (!distrust.empty()) refuse(candidate, distrust);
    else if (!problem.empty()) refuse(candidate, problem + "; " + how_to_rebuild(path, sdk_prefix));
    candidate.record.is_stock = place.is_own && read.manifest->id.starts_with(kStock);
    candidate.record.manifest = std::move(read.manifest);
  } else {
    refuse(candidate, read.problem);
  }
  candidates.push_back(std::move(candidate));
}

// Uses the first of several usable files of one plugin id. A refused one gives way to the next.
void Registry::State::settle() {
  for (auto current = candidates.begin(); current != candidates.end(); ++current) {
    PluginRecord& record = current->record;
    if (record.status == Status::kRefused || record.status == Status::kLoaded) continue;
    const auto before = std::find_if(candidates.begin(), current, [&](const Candidate& other) {
      return other.is_usable() && other.record.id == record.id;
    });
    const bool shadowed = before != current;
    record.status = shadowed ? Status::kShadowed : Status::kAvailable;
    record.reason = shadowed ? record.path.string() + ": not used, since " + before->record.name() + " (" +
                                   where(before->record) + ") comes first in the search order."
                             : std::string();
  }
}

// Loads those that are not stock where they can do no harm, and refuses the harmful ones.
void Registry::State::try_all(const std::vector<Candidate*>& files) {
  std::vector<Candidate*> candidates_to_try;
  std::vector<ToTry> untried;
  for (Candidate* candidate : files) {
    if (candidate->record.is_stock || candidate->was_tried || candidate->record.status != Status::kAvailable)
      continue;
    candidate->was_tried = true;
    candidates_to_try.push_back(candidate);
    untried.push_back({candidate->record.path, *candidate->record.manifest,
                       how_to_rebuild(candidate->record.path, sdk_prefix)});
  }
  if (untried.empty()) return;
  const std::vector<std::string> problems = problems_of_loading(untried);
  for (std::size_t i = 0; i < problems.size(); ++i)
    if (!problems[i].empty()) {
      refuse(*candidates_to_try[i], problems[i]);
      if (tell) tell(candidates_to_try[i]->record.reason);
    }
  settle();
}

// Restores and reports what a plugin changes while it is loaded; stock plugins change nothing.
void Registry::State::open(Candidate& candidate) {
  PluginRecord& record = candidate.record;
  const std::string rebuild = how_to_rebuild(record.path, sdk_prefix);
  Opened opened;
  if (record.is_stock) {
    opened = open_plugin(record.path, *record.manifest, rebuild);
  } else {
    const auto* name =
        new std::string(record.name());  // never freed: the record of calls may be read at any time
    const Calling calling("plugin", name->c_str(), "its loading", -1);
    const AmbientState before = AmbientState::now();
    const int threads = base::thread_count();
    opened = open_plugin(record.path, *record.manifest, rebuild);
    std::vector<std::string> changes = before.restore();
    if (const int left = base::thread_count() - threads; left > 0)
      changes.push_back(fmt::format("it left {}{} running", left, left == 1 ? " thread" : " threads"));
    if (tell && !changes.empty())
      tell(changed_text("plugin " + record.name() + " (" + record.path.string() + "), while it was loaded",
                        changes));
    base::guard_exits_first();
  }
  remember_addresses(record.path, record.name());
  candidate.info = opened.info;
  if (opened.info) record.status = Status::kLoaded;
  else refuse(candidate, opened.problem);
}

const Registry::State::Candidate* Registry::State::candidate_of(const ComponentInfo& info) const {
  for (const Candidate& candidate : candidates) {
    if (!candidate.info) continue;
    for (const ComponentList* list = candidate.info->lists_begin; list != candidate.info->lists_end; ++list)
      if (!std::less<>()(&info, list->first) && std::less<>()(&info, list->first + list->count))
        return &candidate;
  }
  return nullptr;
}

// The labels are kept, since the record of calls points to them.
const std::string& Registry::State::label_of(const ComponentInfo& info) {
  std::string& label = labels[&info];
  if (!label.empty()) return label;
  const Candidate* candidate = candidate_of(info);
  return label = std::string(info.id) + " (" +
                 (candidate ? candidate->record.name() : "a plugin that is not registered") + ")";
}

bool Registry::State::load(Candidate& candidate) {
  PluginRecord& record = candidate.record;
  try_all({&candidate});
  if (record.status != Status::kAvailable) return record.status == Status::kLoaded;
  try {
    // Before loading: a file that is rebuilt later must not lend its checksum to this process.
    record.sha256 = base::sha256_file(record.path);
    open(candidate);
  } catch (const std::exception& error) {
    refuse(candidate, error.what());
  }
  settle();
  return record.status == Status::kLoaded;
}

std::vector<Offer> Registry::State::offers(Kind kind, std::string_view id) {
  std::vector<Offer> result;
  const std::string name = component_name(kind, id);
  // Loading may turn a shadowed candidate into a usable one, always a later one.
  for (std::size_t n = 0; n < candidates.size(); ++n) {
    Candidate& candidate = candidates[n];
    if (!candidate.names(name) || !load(candidate)) continue;
    for (const ComponentList* list = candidate.info->lists_begin; list != candidate.info->lists_end; ++list)
      for (std::size_t i = 0; i < list->count; ++i)
        if (const ComponentInfo& info = list->first[i]; info.kind() == kind && info.id == id)
          result.push_back(
              {kind, info.id, info.summary, info.source, info.parameters(), &info, &candidate.record});
  }
  return result;
}

bool is_of_kind(const Component& component, Kind kind) {
  switch (kind) {
    case Kind::kEncoder: return dynamic_cast<const Encoder*>(&component);
    case Kind::kDecoder: return dynamic_cast<const Decoder*>(&component);
    case Kind::kFamily: return dynamic_cast<const VariationalFamily*>(&component);
    case Kind::kPrior: return dynamic_cast<const Prior*>(&component);
    case Kind::kLikelihood: return dynamic_cast<const Likelihood*>(&component);
    case Kind::kObjective: return dynamic_cast<const Objective*>(&component);
    case Kind::kMetric: return dynamic_cast<const Metric*>(&component);
    case Kind::kReader: return dynamic_cast<const Reader*>(&component);
    case Kind::kUnknown: break;
  }
  return false;
}

const char* to_string(Status status) {
  constexpr const char* kNames[] = {"available", "loaded", "refused", "shadowed"};
  return kNames[static_cast<std::size_t>(status)];
}

std::string Offer::label() const { return std::string(id) + " (" + plugin->name() + ")"; }

Registry::Registry(const Search& search) : state_(std::make_unique<State>()) {
  state_->places = search.places;
  state_->sdk_prefix = search.sdk_prefix;
  for (Place& place : state_->places) state_->look_into(place);
  state_->settle();
}

Registry::~Registry() = default;

void Registry::add_static(const PluginInfo& info) {
  if (const std::string problem = descriptor_problem(&info); !problem.empty())
    throw Error("a plugin built into this program cannot be registered: " + problem +
                "; describe it with VARIFORM_PLUGIN");
  for (const auto& candidate : state_->candidates)
    if (candidate.record.id == info.id && candidate.record.status == Status::kLoaded)
      throw Error("plugin " + std::string(info.id) + " cannot be registered: it is loaded already (" +
                  where(candidate.record) + "); register built-in plugins first");
  State::Candidate candidate;
  candidate.record.id = info.id;
  candidate.record.version = info.version;
  candidate.record.status = Status::kLoaded;
  candidate.record.manifest = manifest_of(info);
  candidate.info = &info;
  state_->candidates.push_front(std::move(candidate));
  state_->settle();
}

std::vector<config::Catalog::Entry> Registry::find(Kind kind, std::string_view id) const {
  std::vector<Entry> entries;
  for (const Offer& offer : state_->offers(kind, id)) entries.push_back({offer.plugin->id, offer.parameters});
  return entries;
}

std::vector<std::string> Registry::ids(Kind kind) const {
  std::set<std::string> ids;
  const std::string prefix = component_name(kind, "");
  for (const auto& candidate : state_->candidates) {
    if (!candidate.is_usable()) continue;
    for (const std::string& component : candidate.record.manifest->components)
      if (component.starts_with(prefix)) ids.insert(component.substr(prefix.size()));
  }
  return {ids.begin(), ids.end()};
}

std::string Registry::why_missing(Kind kind, std::string_view id) const {
  const std::string name = component_name(kind, id);
  bool any_usable = false;
  std::string text;
  for (const auto& candidate : state_->candidates) {
    any_usable |= candidate.is_usable();
    if (candidate.record.status != Status::kRefused || !candidate.names(name)) continue;
    if (!text.empty()) text += " ";
    text += "Plugin " + candidate.record.name() + " offers it but was refused: " + candidate.record.reason;
  }
  if (text.empty() && !any_usable)
    text = "No plugin was found at all; `variform doctor` says where it looked.";
  return text;
}

std::vector<Offer> Registry::offers(Kind kind, std::string_view id) const { return state_->offers(kind, id); }

std::vector<Offer> Registry::offers(Kind kind) const {
  std::vector<Offer> result;
  std::vector<State::Candidate*> all;
  const std::string prefix = component_name(kind, "");
  for (auto& candidate : state_->candidates)
    if (candidate.record.manifest &&
        std::any_of(candidate.record.manifest->components.begin(),
                    candidate.record.manifest->components.end(),
                    [&](const std::string& component) { return component.starts_with(prefix); }))
      all.push_back(&candidate);
  state_->try_all(all);
  for (const std::string& id : ids(kind))
    for (const Offer& offer : offers(kind, id)) result.push_back(offer);
  return result;
}

Offer Registry::offer(Kind kind, std::string_view id, std::string_view plugin) const {
  const std::string what = std::string(to_string(kind)) + " \"" + std::string(id) + "\"";
  const std::vector<Offer> all = offers(kind, id);
  if (all.empty()) {
    const std::string near = config::did_you_mean(id, ids(kind)), why = why_missing(kind, id);
    throw Error("there is no " + what + (near.empty() ? "." : "; " + near) + (why.empty() ? "" : " " + why));
  }
  std::string names;
  for (const Offer& candidate : all) {
    if (plugin.empty() ? all.size() == 1 : candidate.plugin->id == plugin) return candidate;
    names += (names.empty() ? "" : " and ") + candidate.plugin->id + " (" + where(*candidate.plugin) + ")";
  }
  if (!plugin.empty())
    throw Error("plugin " + std::string(plugin) + " offers no " + what + "; it is offered by " + names);
  throw Error(what + " is offered by " + names + "; say which with plugin = \"" + all.front().plugin->id +
              "\"");
}

std::shared_ptr<Component> Registry::create(const Offer& offer, const Build& build) const {
  return create(*offer.info, build);
}

std::shared_ptr<Component> Registry::create(const ComponentInfo& info, const Build& build) const {
  const auto context = [&](const std::string& message) {
    const State::Candidate* candidate = state_->candidate_of(info);
    const std::string plugin = candidate ? candidate->record.name() + ", " + where(candidate->record)
                                         : "a plugin that is not registered";
    return std::string(to_string(info.kind())) + " \"" + info.id + "\" (" + plugin +
           ") could not be built: " + message;
  };
  const State::Candidate* candidate = state_->candidate_of(info);
  const std::string& label = state_->label_of(info);
  const Calling calling(to_string(info.kind()), label.c_str(), "its constructor", -1);
  std::optional<AmbientState> before;
  if (candidate && !candidate->record.is_stock && !candidate->record.path.empty())
    before = AmbientState::now();
  std::shared_ptr<Component> component;
  try {
    component = info.create(build);
    if (before)
      if (const std::string changes = changed_text(
              std::string(to_string(info.kind())) + " " + label + ", in its constructor", before->restore());
          state_->tell && !changes.empty())
        state_->tell(changes);
  } catch (const Unsupported& error) {
    throw Unsupported(context(error.what()));
  } catch (const c10::Error& error) {
    throw Error(context(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw Error(context(error.what()));
  } catch (...) {
    throw Error(context("its constructor threw an exception that does not derive from std::exception"));
  }
  if (!component) throw Error(context("it returned nothing; create must return a component"));
  if (!is_of_kind(*component, info.kind()))
    throw Error(
        context(std::string("it returned a component of another kind than ") + to_string(info.kind())));
  return component;
}

void Registry::load_all() const {
  std::vector<State::Candidate*> all;
  for (auto& candidate : state_->candidates) all.push_back(&candidate);
  state_->try_all(all);
  for (std::size_t n = 0; n < state_->candidates.size(); ++n) state_->load(state_->candidates[n]);
}

std::vector<const PluginRecord*> Registry::records() const {
  std::vector<const PluginRecord*> result;
  for (const auto& candidate : state_->candidates) result.push_back(&candidate.record);
  return result;
}

void Registry::tell_changes_to(std::function<void(const std::string&)> tell) {
  state_->tell = std::move(tell);
}

const std::vector<Place>& Registry::places() const { return state_->places; }

std::vector<std::string> Registry::warnings(const std::string& config) const {
  std::vector<std::string> result;
  std::set<fs::path> told;
  for (const Place& place : state_->places)
    if (const std::string problem = problem_of(place); !problem.empty()) {
      const bool named = place.origin == Origin::kConfig && !config.empty();
      result.push_back(std::string(to_string(place.origin)) + (named ? " of " + config + ":" : "") + " " +
                       place.path.string() + ": " + problem + ".");
      told.insert(place.path);
    }
  for (const auto& candidate : state_->candidates)
    if (candidate.record.status == Status::kRefused && Place{candidate.record.origin, {}, {}}.is_explicit() &&
        !told.contains(candidate.record.path))
      result.push_back(candidate.record.reason);
  return result;
}

}  // namespace variform::plugins
