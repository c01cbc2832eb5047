#pragma once
// Compares the two configs that a run keeps: config.resolved.toml, which people read and may edit, and the one in its
// checkpoints, with the model that was trained by it. Where they differ, the checkpoint's counts, and the user is told.

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/snapshot.h"
#include "config/node.h"

namespace variform::model {

/// Attribute of a checkpoint whose config is about to replace the one in the run's folder: short_hash of the latter.
/// A run that is killed in between does not count as edited.
constexpr const char* kReplacesConfig = "replaces_config";

/// The result of comparing the config in a run's folder with the one in a checkpoint of it.
struct RunConfig {
  enum class State {
    kSame,  ///< or the checkpoint has no config
    kPlaces,  ///< they differ only in names, places, device, threads: not in the experiment. The folder's counts
    kCut,     ///< the folder's cannot be read, or lacks keys and changes none
    kEdited,  ///< the folder's has other values
  };
  State state = State::kSame;
  bool is_file_good = true;         ///< the folder's config may be used; else the checkpoint's is
  std::string found;                ///< what is wrong, as a sentence; empty: nothing
  std::vector<std::string> edited;  ///< overrides ("train.steps=60") that would give the folder's values
};

/// Compares the folder's config with the checkpoint's after applying `overrides` (a.b=VALUE) to both. `which` is the
/// checkpoint's name; [train] is compared for "last" alone, since that of "best" may be of a shorter training.
RunConfig compare_config(const std::filesystem::path& run, const checkpoint::Snapshot& snapshot,
                         const std::string& which, const std::vector<std::string>& overrides = {});

/// Returns a warning, or nothing, for commands that look at a run and use the checkpoint's config.
std::string config_warning(const std::filesystem::path& run, const checkpoint::Snapshot& snapshot,
                           const std::string& which);

/// Returns a sentence on how `resolved` differs from the checkpoint's experiment; nothing if only places and [train]
/// differ.
std::string other_experiment(const checkpoint::Snapshot& snapshot, const config::Node& resolved);

}  // namespace variform::model
