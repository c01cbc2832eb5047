// See run_config.h.

#include "model/run_config.h"

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/short_hash.h"
#include "config/difference.h"
#include "config/load.h"
#include "config/text.h"

namespace variform::model {
namespace {

namespace fs = std::filesystem;
using config::Difference;

constexpr std::size_t kShownKeys = 8;

// Whether a key may change without making another experiment. A fingerprint tells whether the data are still the same.
bool is_place(const std::string& key) {
  return key == "name" || key == "train.device" || key == "train.threads" || key.starts_with("plugins.") ||
         key == "data.dataset" || key.starts_with("data.dataset.") || key.ends_with(".from");
}

std::string value_text(const std::optional<std::string>& value) {
  return value ? config::shorten(*value) : std::string("not given");
}

// "objective.beta is 7.0 there and 1.0 in the checkpoint; seed is …"
std::string in_words(const std::vector<Difference>& differences, const char* there) {
  std::string text;
  for (std::size_t i = 0; i < std::min(differences.size(), kShownKeys); ++i)
    text += (i ? "; " : "") + differences[i].key + " is " + value_text(differences[i].values[0]) + " " +
            there + " and " + value_text(differences[i].values[1]) + " in the checkpoint";
  if (differences.size() > kShownKeys)
    text += fmt::format("; and {} more keys", differences.size() - kShownKeys);
  return text;
}

config::Node laid_over(const std::string& text, const char* name, const std::vector<std::string>& overrides) {
  config::Diagnostics diagnostics;
  config::Node node = config::parse(text, name, diagnostics);
  diagnostics.throw_if_any();
  config::merge(node, config::parse_overrides(overrides, diagnostics));
  return node;
}

RunConfig judged(const std::string& file, std::vector<Difference> all) {
  const auto places =
      std::stable_partition(all.begin(), all.end(), [](const Difference& one) { return !is_place(one.key); });
  const std::vector<Difference> others(places, all.end());
  all.erase(places, all.end());
  RunConfig found;
  if (all.empty()) {
    if (others.empty()) return found;
    found.state = RunConfig::State::kPlaces;
    found.found = file + " was changed since the checkpoint was written: " + in_words(others, "there") + ".";
  } else if (std::all_of(all.begin(), all.end(), [](const Difference& one) { return !one.values[0]; })) {
    found.state = RunConfig::State::kCut;
    found.is_file_good = false;
    found.found =
        fmt::format("{} is not whole: {} keys of the run's config are missing in it, the first is {}.", file,
                    all.size(), all[0].key);
  } else {
    found.state = RunConfig::State::kEdited;
    found.is_file_good = false;
    found.found = file + " was changed since the checkpoint was written: " + in_words(all, "there") + ".";
    for (const Difference& one : all)
      if (one.values[0]) found.edited.push_back(one.key + "=" + *one.values[0]);
  }
  return found;
}

}  // namespace

RunConfig compare_config(const fs::path& run, const checkpoint::Snapshot& snapshot, const std::string& which,
                         const std::vector<std::string>& overrides) {
  const auto kept = snapshot.attributes.find("config");
  if (kept == snapshot.attributes.end()) return {};
  const fs::path file = run / "config.resolved.toml";
  RunConfig unreadable;
  unreadable.state = RunConfig::State::kCut;
  unreadable.is_file_good = false;
  try {
    const std::string text = base::contents_of(file);
    if (text == kept->second) return {};
    const auto replaced = snapshot.attributes.find(kReplacesConfig);
    if (replaced != snapshot.attributes.end() && replaced->second == base::short_hash(text)) {
      RunConfig left;
      left.is_file_good = false;
      return left;
    }
    std::vector<Difference> all =
        config::differences({laid_over(text, file.c_str(), overrides),
                             laid_over(kept->second, "config in the checkpoint", overrides)});
    if (which != "last")
      std::erase_if(all, [](const Difference& one) { return one.key.starts_with("train."); });
    return judged(file.string(), std::move(all));
  } catch (const std::exception& error) {
    unreadable.found = error.what();
  }
  return unreadable;
}

std::string config_warning(const fs::path& run, const checkpoint::Snapshot& snapshot,
                           const std::string& which) {
  const RunConfig config = compare_config(run, snapshot, which);
  return config.found.empty() ? "" : config.found + " What the checkpoint holds is used.";
}

std::string other_experiment(const checkpoint::Snapshot& snapshot, const config::Node& resolved) {
  const auto kept = snapshot.attributes.find("config");
  if (kept == snapshot.attributes.end()) return {};
  config::Diagnostics diagnostics;
  const config::Node own = config::parse(kept->second, "config in the checkpoint", diagnostics);
  std::vector<Difference> all = config::differences({resolved, own});
  std::erase_if(all,
                [](const Difference& one) { return is_place(one.key) || one.key.starts_with("train."); });
  return all.empty() ? "" : in_words(all, "here");
}

}  // namespace variform::model
