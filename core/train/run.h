#pragma once
// A training from its config to its end: whether it may begin or go on, what is written when, and how its end is marked.
// trainer.h is the loop inside.

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
#include "train/trainer.h"

namespace variform::train {

/// What is asked of a training besides its config.
struct RunOptions {
  std::int64_t stop_at =
      std::numeric_limits<std::int64_t>::max();  ///< stop after this step; schedules keep their horizon
  double stop_at_epoch = -1;                     ///< the same in epochs; negative: not asked for
  std::int64_t threads = 0;                      ///< 0: the config's, or those that the run has used
  bool accept_changed_plugins = false;
  bool accept_changed_metrics = false;
  bool model_only =
      false;  ///< at the end one checkpoint of the model alone is kept; such a run cannot be extended
  bool reference = false;  ///< everything is computed the plain way (docs/performance.md)
};

/// Who asked for a training; environment.json keeps it.
struct Origin {
  std::vector<std::string> command;
  std::string program;  ///< version
  std::string commit;
};

/// The program around a training. What may be left out may be empty.
struct RunHost {
  const model::Workplace& place;
  Origin origin;
  /// Who watches the training; messages are to go to the folder's log.txt, too.
  std::function<std::unique_ptr<Observer>(model::RunFolder&)> observe;
  BeforeSteps before_steps = {};
  /// Called once, when from then on there is something to keep.
  std::function<void()> begin = {};
  /// True: the training ends with a checkpoint.
  std::function<bool()> interrupted = {};
  /// By what it is interrupted ("SIGTERM"), when it is.
  std::function<std::string()> interrupted_by = {};
  /// Draws pictures of the trained model into the folder; returns empty, or a sentence that says why there are none.
  std::function<std::string(model::Session&, const std::filesystem::path&)> draw = {};
};

/// The folder of an experiment's run below `runs`: NAME-HASH-SEED.
std::filesystem::path folder_of(const config::Experiment& experiment, const std::filesystem::path& runs);

/// Trains an experiment in `folder`, which kResume lets be there. Throws config::Error where the config is at fault or the
/// folder holds another experiment; std::runtime_error, with the run marked FAILED and named in the message, where the
/// training fails.
Ending train(model::Loaded loaded, const std::filesystem::path& folder, model::IfPresent if_present,
             const RunOptions& options, const RunHost& host);

/// Goes on with a run from its last checkpoint. `overrides` may change [train] alone (config::Error otherwise). What the
/// checkpoint says of the experiment counts; an edited config.resolved.toml is refused.
Ending resume(const std::filesystem::path& folder, const std::vector<std::string>& overrides,
              const RunOptions& options, const RunHost& host);

}  // namespace variform::train
