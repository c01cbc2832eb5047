#pragma once
// Runs a training from its config to its end: decides whether it may begin or be resumed, writes the run folder, and
// marks how it ended. trainer.h is the loop inside.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "model/run_folder.h"
#include "model/workplace.h"
#include "train/compose.h"
#include "train/process_group.h"
#include "train/trainer.h"

namespace variform::train {

/// Options of a training besides its config.
struct RunOptions {
  std::int64_t stop_at =
      std::numeric_limits<std::int64_t>::max();  ///< stop after this step; schedules keep their horizon
  double stop_at_epoch = -1;                     ///< the same in epochs; negative: not asked for
  std::int64_t threads = 0;                      ///< 0: the config's, or the number that the run has used
  bool accept_changed_plugins = false;
  bool accept_changed_metrics = false;
  bool model_only =
      false;  ///< keep only one checkpoint of the model at the end; such a run cannot be extended
  bool reference = false;  ///< compute everything without shortcuts (docs/performance.md)
};

/// The command and program that started a training; environment.json keeps them.
struct Origin {
  std::vector<std::string> command;
  std::string program;  ///< version
  std::string commit;
};

/// The program around a training. Members with a default may be left out.
struct RunHost {
  const model::Workplace& place;
  Origin origin;
  /// Makes the training's observer. Its lines go to the log that it is given, which also writes the folder's log.txt.
  std::function<std::unique_ptr<Observer>(base::Log&)> observe;
  BeforeSteps before_steps = {};
  /// Called once, before anything is written that must be kept.
  std::function<void()> begin = {};
  /// True: the training ends with a checkpoint.
  std::function<bool()> interrupted = {};
  /// Returns the cause of an interruption ("SIGTERM").
  std::function<std::string()> interrupted_by = {};
  /// Draws pictures of the trained model into the folder; returns empty, or a sentence that says why there are none.
  std::function<std::string(model::Session&, const std::filesystem::path&)> draw = {};
  /// The processes that train this model together; null: this one alone. Only process 0 writes into the run's folder,
  /// shows the training and draws.
  ProcessGroup* group = nullptr;
};

/// Returns the folder of an experiment's run below `runs`: NAME-HASH-SEED.
std::filesystem::path folder_of(const config::Experiment& experiment, const std::filesystem::path& runs);

/// Trains an experiment in `folder`, which may exist for kResume. Throws config::Error where the config is at fault or
/// the folder holds another experiment. When the training fails, marks the run FAILED and throws std::runtime_error
/// naming it.
Ending train(model::Loaded loaded, const std::filesystem::path& folder, model::IfPresent if_present,
             const RunOptions& options, const RunHost& host);

/// Resumes a run from its last checkpoint. `overrides` may change [train] alone (config::Error otherwise). The
/// checkpoint's config counts; an edited config.resolved.toml is refused.
Ending resume(const std::filesystem::path& folder, const std::vector<std::string>& overrides,
              const RunOptions& options, const RunHost& host);

}  // namespace variform::train
