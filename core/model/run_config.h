#pragma once
// A run keeps its config twice: in config.resolved.toml, which people read and may edit, and in its checkpoints, with the
// model that was trained by it. Where they differ, the checkpoint's counts, and whoever asks is told.

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/snapshot.h"
#include "config/node.h"

namespace variform::model {

/// Attribute of a checkpoint whose config is about to replace the one in the run's folder: short_hash of that one. A run
/// that is killed in between has not been edited.
constexpr const char* kReplacesConfig = "replaces_config";

/// How the config in a run's folder stands to the one in a checkpoint of it.
struct RunConfig {
  enum class State {
    kSame,  ///< or the checkpoint has none
    kPlaces,  ///< they differ in what is no part of the experiment: names, places, device, threads. The folder's counts
    kCut,     ///< the folder's cannot be read, or lacks keys and changes none
    kEdited,  ///< the folder's has other values
  };
  State state = State::kSame;
  bool is_file_good = true;         ///< what the folder's says may be gone on with; else the checkpoint's is
  std::string found;                ///< what is wrong, as a sentence; empty: nothing
  std::vector<std::string> edited;  ///< overrides ("train.steps=60") that would mean the folder's values
};

/// `overrides` (a.b=VALUE) are laid over both before they are compared. `which` is the checkpoint's name, "last" or "best":
/// [train] of a best one may be that of a shorter training.
RunConfig compare_config(const std::filesystem::path& run, const checkpoint::Snapshot& snapshot,
                         const std::string& which, const std::vector<std::string>& overrides = {});

/// For commands that look at a run, and use what the checkpoint holds: a warning, or empty.
std::string config_warning(const std::filesystem::path& run, const checkpoint::Snapshot& snapshot,
                           const std::string& which);

/// What another experiment than the checkpoint's would change, as a sentence; empty: it is the same but for its places and
/// for [train]. Both are TOML.
std::string other_experiment(const checkpoint::Snapshot& snapshot, const config::Node& resolved);

}  // namespace variform::model
