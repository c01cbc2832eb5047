// train and resume.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/contents.h"
#include "base/file.h"
#include "base/frames.h"
#include "base/last_words.h"
#include "base/quote.h"
#include "base/short_hash.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/guests.h"
#include "cli/revision.h"
#include "config/load.h"
#include "config/run_environment.h"
#include "config/text.h"
#include "export/pictures.h"
#include "model/checkpoints.h"
#include "model/process.h"
#include "model/run_config.h"
#include "train/schedules.h"
#include "train/trainer.h"

namespace variform::cli {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

struct TrainOptions {
  std::vector<std::string> arguments;
  int64_t stop_at = std::numeric_limits<int64_t>::max();
  double stop_at_epoch = -1;  // negative: not asked for
  std::string folder;         // instead of <runs>/<name>-<hash>-<seed>
  bool resume = false, overwrite = false, accept_changed_plugins = false, accept_changed_metrics = false,
       no_figures = false, model_only = false, reference = false, no_check = false;
};

json environment(const Common& common, const model::Session& session, const plugins::Registry& registry) {
  return {{"command", common.arguments},
          {"program", VARIFORM_VERSION},
          {"commit", revision()},
          {"libtorch", TORCH_VERSION},
          {"device", session.options.device().str()},
          {"threads", at::get_num_threads()},
          {"reference", session.assembly->model().reference},
          {"cpu", at::get_cpu_capability()},
          {"data_fingerprint", session.facts.fingerprint},
          {"data_files", model::data_files_json(session.splits)},
          {"plugins", json::parse(model::plugins_json(registry))}};
}

// How many threads a run has used; 0: not known. What is wrong with its environment.json is said.
int64_t recorded_threads(const fs::path& run) {
  const config::RunEnvironment environment = config::environment_of(run);
  for (const std::string& problem : environment.problems)
    write_message("note: " + problem + " The training writes the file again.");
  if (!environment.threads && !environment.problems.empty())
    write_message(
        "note: how many threads the run has used is not known; with another number it goes on, though not "
        "bit for bit "
        "the same (--threads).");
  return environment.threads.value_or(0);
}

// Where a likelihood trains something for every data value, a value that never varies has it at its bound.
void tell_constant_values(Console& console, const model::Session& session) {
  const Model& model = session.assembly->model();
  const Component& likelihood = *model.component(Kind::kLikelihood);
  bool each = false;
  for (const Tensor& parameter : likelihood.parameters())
    each = each || (parameter.requires_grad() && parameter.sizes() == at::IntArrayRef(model.data));
  if (!each || session.splits.train.size() < 2) return;
  const int64_t constant = model::values_that_never_vary(session.splits.train);
  if (constant > 0)
    console.message("note: " + std::to_string(constant) +
                    " of the data's values never vary in the training rows; what " + "likelihood " +
                    model.label(Kind::kLikelihood) + " learns for them goes to its bound");
}

void introduce(Console& console, const model::Session& session, const model::Preflight& preflight) {
  Model& model = session.assembly->model();
  int64_t parameters = 0;
  for (const auto& group : session.assembly->parameter_groups({}))
    for (const auto& parameter : group.parameters) parameters += parameter.tensor.numel();
  console.message(
      "data: " +
      (session.splits.name.empty() ? std::string("drawn afresh from a model") : session.splits.name) + ", " +
      std::to_string(session.batches->size()) + " training rows of shape " + to_text(model.data) + " (" +
      session.domain + "), " + session.batches->evaluation_split() + ": " +
      std::to_string(session.batches->evaluation_size()));
  for (const std::string& note : session.splits.notes) console.message("note: " + note);
  tell_constant_values(console, session);
  for (const std::string& finding : preflight.findings) console.message("warning: " + finding);
  for (const std::string& note : preflight.notes) console.message("note: " + note);
  std::string parts;
  for (Kind kind :
       {Kind::kEncoder, Kind::kFamily, Kind::kPrior, Kind::kDecoder, Kind::kLikelihood, Kind::kObjective})
    parts += std::string(parts.empty() ? "" : ", ") + to_string(kind) + " " +
             session.experiment.slots.at(kind).type;
  console.message("model: " + parts + "; d = " + std::to_string(model.latent) + ", " +
                  std::to_string(parameters) + " trained numbers, " +
                  to_string(session.experiment.train.precision) + " on " + session.options.device().str() +
                  ", " + std::to_string(at::get_num_threads()) +
                  (at::get_num_threads() == 1 ? " thread" : " threads"));
  console.message(std::string("KL divergence: ") +
                  (preflight.closed_kl ? "in closed form" : "by Monte Carlo, from the same draws"));
  if (preflight.tier != PushforwardTier::kUndecided) {
    char error[32];
    std::snprintf(error, sizeof error, "%.1e", preflight.tangent_error);
    console.message(std::string("decoder's pushforward: ") + to_string(preflight.tier) +
                    "; the objective's gradient agrees with central differences to " + error);
    console.message(
        preflight.piecewise_linear
            ? "the decoder is piecewise linear: Gauss-Newton is all of the Hessian almost everywhere"
            : "the decoder is not piecewise linear: Gauss-Newton is an approximation of the Hessian");
  }
  if (const auto beta = train::effective_beta(model)) {
    char text[64];
    std::snprintf(text, sizeof text, "%.6g, beta_eff %.6g", model.objective().beta()->item<double>(), *beta);
    console.message(std::string("beta at the start: ") + text +
                    " (against a unit-variance Gaussian summed over the data's values)");
  }
}

// What is left of a run that is not to go on: one checkpoint of the model alone.
void keep_model_only(const model::RunFolder& folder) {
  checkpoint::Snapshot snapshot = checkpoint::read(folder.last());
  std::erase_if(snapshot.tensors, [](const auto& entry) { return entry.first.starts_with("optimizer/"); });
  snapshot.attributes[model::kModelOnly] = "true";
  checkpoint::write(snapshot, folder.last());
  fs::remove(folder.best());
}

// What is written into DONE.
json summary_of(const train::Outcome& outcome, const train::Judging& judging) {
  json summary = {{"step", outcome.step},
                  {"ending", outcome.ending == train::Ending::kStoppedEarly ? "stopped early" : "finished"}};
  for (const auto& [name, value] : outcome.evaluation) summary["evaluation"][name] = value;
  if (!outcome.not_finite.empty()) summary["not_finite"] = outcome.not_finite;
  if (outcome.best_step >= 0)
    summary["best"] = {{"step", outcome.best_step},
                       {"value", outcome.best},
                       {"part", judging.part},
                       {"judged_from", judging.from}};
  return summary;
}

int finish(Console& console, model::RunFolder& folder, Composed& composed, const train::Outcome& outcome,
           const TrainOptions& options) {
  model::Session& session = *composed.session;
  const std::string at = "at step " + std::to_string(outcome.step) + " of " + std::to_string(session.horizon);
  if (outcome.ending == train::Ending::kInterrupted) {
    folder.mark_interrupted(std::string("interrupted by ") + interrupting_signal() + " " + at);
    console.message("interrupted " + at + "; the checkpoint is written. Go on with: variform resume " +
                    base::for_shell(folder.path().string()));
    return kInterrupted;
  }
  if (outcome.ending == train::Ending::kStopAt) {
    console.message("stopped " + at + " as asked. Go on with: variform resume " +
                    base::for_shell(folder.path().string()));
    return kDone;
  }
  if (outcome.ending == train::Ending::kStoppedEarly)
    console.message("no more improvement: stopped early " + at);
  if (!options.no_figures) {
    session.assembly->set_training(false);
    const std::string why_not = exports::write_figures(session, folder.figures());
    console.message(why_not.empty() ? "pictures: " + folder.figures().string() +
                                          "/{reconstructions,samples,traversals}.png"
                                    : "no pictures: " + why_not);
  }
  if (outcome.best_step >= 0 && outcome.best_step < outcome.step)
    console.message("best: step " + std::to_string(outcome.best_step));
  if (!outcome.not_finite.empty())
    console.message("warning: the last evaluation has " + outcome.not_finite + "; DONE says so, too");
  if (options.model_only) keep_model_only(folder);
  folder.mark_done(summary_of(outcome, composed.judging));
  return kDone;
}

int64_t stop_at_of(const TrainOptions& options, const model::Session& session) {
  if (options.stop_at_epoch < 0) return options.stop_at;
  const double batches =
      static_cast<double>(session.batches->size()) / static_cast<double>(session.experiment.train.batch);
  return std::min(options.stop_at, static_cast<int64_t>(std::llround(options.stop_at_epoch * batches)));
}

int train_to_end(Console& console, model::RunFolder& folder, const TrainOptions& options, Composed& composed,
                 train::Trainer& trainer, int64_t stop_at) {
  try {
    const int code = finish(console, folder, composed, trainer.run(stop_at, interrupted), options);
    write_result(folder.path().string());
    return code;
  } catch (const std::exception& error) {
    const std::string reason = base::without_frames(error.what());
    try {
      folder.mark_failed(reason);
      folder.append_log("error: " + reason);
    } catch (const std::exception&) {  // a full disk: the reason itself still goes to stderr
    }
    throw std::runtime_error(reason + "\nThe run is in " + folder.path().string() + ".");
  }
}

// Whether a training has done all its steps, and was killed before it could say so.
bool was_killed_at_its_end(const checkpoint::Snapshot& snapshot, const model::Session& session,
                           const model::RunFolder& folder) {
  const auto number = [&](const char* name) {
    const auto found = snapshot.tensors.find(name);
    return found == snapshot.tensors.end() ? int64_t{-1} : found->second.item<int64_t>();
  };
  const auto& early = session.experiment.train.early_stopping;
  return !fs::exists(folder.path() / "DONE") &&
         (number("progress/step") == session.horizon ||
          (early && number("progress/evaluations_since_best") >= early->patience));
}

// Throws where this training cannot go on from the last checkpoint: nothing is written before.
void accept(const checkpoint::Snapshot& snapshot, const TrainOptions& options,
            const plugins::Registry& registry, const model::Session& session,
            const model::RunFolder& folder) {
  if (snapshot.attributes.contains(model::kModelOnly) && !was_killed_at_its_end(snapshot, session, folder))
    throw std::runtime_error(
        "the training " + folder.path().string() +
        " cannot go on: its checkpoint keeps the model alone, without the optimizer's state, "
        "as finished runs of a study do. Train it again from the start: variform train " +
        base::for_shell(folder.config().string()) + " --overwrite --folder " +
        base::for_shell(folder.path().string()));
  const std::string changes = model::changed_plugins(snapshot, registry);
  if (!changes.empty() && !options.accept_changed_plugins)
    throw std::runtime_error(changes + " Go on with --accept-changed-plugins if that is what you want.");
  if (const auto facts = model::facts_in(snapshot.attributes))
    if (const std::string other = model::changed_data(*facts, session.facts); !other.empty())
      throw std::runtime_error(other + " Put the former files back, or train a new run: variform train " +
                               base::for_shell(folder.config().string()) + " --folder NEW_FOLDER");
  const auto step = snapshot.tensors.find("progress/step");
  if (step != snapshot.tensors.end() && step->second.item<int64_t>() > session.horizon)
    throw std::runtime_error("the training " + folder.path().string() + " has done " +
                             std::to_string(step->second.item<int64_t>()) + " steps already, and " +
                             std::to_string(session.horizon) +
                             " were asked for. Ask for more steps, or train again from the start.");
}

// What another length of the training does to what follows a schedule.
void tell_jumps(Console& console, const checkpoint::Snapshot& snapshot, const plugins::Registry& registry,
                const model::Session& session, int64_t step) {
  const config::Experiment before = model::experiment_of(snapshot, registry);
  const int64_t horizon = model::horizon_of(before.train, session.batches->size());
  for (const std::string& sentence :
       train::schedules_that_jump({before, horizon}, {session.experiment, session.horizon}, step))
    console.message("note: " + sentence);
}

std::optional<checkpoint::Snapshot> last_checkpoint(const model::RunFolder& folder) {
  if (!fs::exists(folder.last())) return {};
  return checkpoint::read(folder.last());
}

// Gives the run's folder the config of this training. The checkpoint has it first, with a note of what it replaces: a kill
// in between leaves what is neither lost nor taken for an edited file.
void take_config(model::RunFolder& folder, const std::string& config,
                 const std::map<std::string, std::string>& attributes, checkpoint::Snapshot* snapshot) {
  std::string present;
  try {
    present = base::contents_of(folder.config());
  } catch (const std::runtime_error&) {  // missing, or no file: it is written again
  }
  if (snapshot && snapshot->attributes["config"] != config) {
    const bool is_model_only = snapshot->attributes.contains(model::kModelOnly);
    snapshot->attributes = attributes;
    if (is_model_only) snapshot->attributes[model::kModelOnly] = "true";
    snapshot->attributes[model::kReplacesConfig] = base::short_hash(present);
    checkpoint::write(*snapshot, folder.last());
  }
  if (present != config) folder.write_config(config);
}

// From an open folder to the end of the training. `resolved` is the experiment's config, which the folder gets once the
// training is accepted; `snapshot` its last checkpoint, if it goes on from one.
int run_training(const Common& common, const TrainOptions& options, const plugins::Registry& registry,
                 Composed composed, model::RunFolder folder, const std::string& resolved,
                 std::optional<checkpoint::Snapshot> snapshot) {
  const auto& [session, preflight, judging] = composed;
  session->assembly->model().reference = options.reference;
  if (options.reference)
    at::globalContext().setUserEnabledMkldnn(false);  // products of layers by LibTorch's own choice
  if (snapshot) accept(*snapshot, options, registry, *session, folder);
  Console console(&folder, common.quiet);
  const auto attributes = model::attributes_of(*session, registry);
  train::Trainer trainer(session->experiment.train, session->horizon, attributes, *session->assembly,
                         *session->batches, folder, console);
  trainer.judge_by(judging);
  if (snapshot) trainer.restore(*snapshot, options.accept_changed_metrics);
  else folder.truncate_metrics(0);
  console.message("run: " + folder.path().string());
  if (!folder.warning().empty()) console.message("warning: " + folder.warning());
  base::clean_temporaries(folder.path() / "checkpoints");
  std::optional<checkpoint::Snapshot> former = snapshot;  // shares the tensors' memory
  take_config(folder, resolved, attributes, former ? &*former : nullptr);
  folder.clear_marks();
  base::mark_run(folder.path(), "The run is marked FAILED; its last checkpoint is kept: variform resume " +
                                    base::for_shell(folder.path().string()) + " goes on from there.");
  folder.write_environment(environment(common, *session, registry));
  if (snapshot)
    if (const std::string changes = model::changed_plugins(*snapshot, registry); !changes.empty())
      console.message("warning: " + changes);
  introduce(console, *session, preflight);
  if (session->batches->evaluation_size() > 0 && session->experiment.train.evaluate_every.count > 0)
    console.message(judging.sentence(session->batches->evaluation_split()));
  if (snapshot) {
    console.message("resumed at step " + std::to_string(trainer.step()) +
                    (session->options.device().is_cpu() ? "" : "; on a GPU this is not bit for bit"));
    tell_jumps(console, *snapshot, registry, *session, trainer.step());
    snapshot.reset();
  }
  const int64_t stop_at = stop_at_of(options, *session);
  console.message("training: steps " + std::to_string(trainer.step()) + " to " +
                  std::to_string(std::min(stop_at, session->horizon)));
  return train_to_end(console, folder, options, composed, trainer, stop_at);
}

// Tries what did not come with the program, unless that is not wanted.
BeforeSteps trial(const Common& common, const TrainOptions& options, const plugins::Registry& registry) {
  if (options.no_check) return {};
  return [&](const model::Session& session) { return try_guests(session, registry, common.quiet); };
}

// A run that has a checkpoint holds the tensors that its slots took from other runs.
void drop_sources(config::Experiment& experiment, const fs::path& run) {
  if (!fs::exists(run / "checkpoints" / "last.h5")) return;
  model::forget_sources(experiment);
}

int train_command(const Common& common, const TrainOptions& options) {
  const ConfigArguments arguments = split_arguments(options.arguments);
  if (arguments.files.empty())
    throw config::Error("train needs a config file; try: variform train configs/quickstart.toml");
  Loaded loaded = load_config(arguments, common);
  config::Experiment& experiment = loaded.experiment;
  const fs::path path =
      !options.folder.empty()
          ? fs::path(options.folder)
          : fs::path(common.runs) / (experiment.name + "-" + config::experiment_hash(experiment) + "-" +
                                     std::to_string(experiment.seed));
  const model::IfPresent if_present = options.resume      ? model::IfPresent::kResume
                                      : options.overwrite ? model::IfPresent::kOverwrite
                                                          : model::IfPresent::kRefuse;
  if (fs::exists(path) && if_present == model::IfPresent::kRefuse)
    model::RunFolder::create(path, "", if_present);  // throws; before anything slow is done
  int64_t threads = common.threads > 0 ? common.threads : experiment.train.threads;
  if (options.resume && common.threads == 0 && fs::exists(path)) threads = recorded_threads(path);
  model::set_threads(threads);
  const std::string resolved = config::print(experiment.resolved);
  const config::Node identity = experiment.resolved;
  if (options.resume) drop_sources(experiment, path);
  Composed composed = compose(std::move(loaded.experiment), *loaded.registry, common.places(),
                              trial(common, options, *loaded.registry));
  watch_signals();  // from here on there is something to keep
  model::RunFolder folder = model::RunFolder::create(path, resolved, if_present);
  std::optional<checkpoint::Snapshot> snapshot = last_checkpoint(folder);
  if (snapshot) {
    if (const std::string other = model::other_experiment(*snapshot, identity); !other.empty())
      throw config::Error("error: the run folder " + path.string() + " holds another experiment: " + other +
                          ". Name another place with --folder, or replace the run with --overwrite.");
    if (const model::RunConfig kept = model::compare_config(path, *snapshot, "last");
        kept.state == model::RunConfig::State::kEdited || kept.state == model::RunConfig::State::kCut)
      write_message("note: " + kept.found + " The training writes it again.");
  }
  return run_training(common, options, *loaded.registry, std::move(composed), std::move(folder), resolved,
                      std::move(snapshot));
}

// An edited config of a run that has been trained is refused: which values its numbers are of could not be told any more.
void refuse_if_edited(const model::RunConfig& kept, const model::RunFolder& folder) {
  if (kept.state != model::RunConfig::State::kEdited) return;
  const std::string file = base::for_shell(folder.config().string()),
                    run = base::for_shell(folder.path().string());
  std::string text = kept.found + " What the checkpoint holds counts. To go on as it was trained: rm " +
                     file + "; variform resume " + run + " (which writes the file again).";
  const auto is_of_training = [](const std::string& edit) { return edit.starts_with("train."); };
  std::string overrides;
  for (const std::string& edit : kept.edited)
    if (is_of_training(edit)) {
      const std::size_t equals = edit.find('=');
      overrides += " " + base::override_for_shell(edit.substr(0, equals), edit.substr(equals + 1));
    }
  if (!std::all_of(kept.edited.begin(), kept.edited.end(), is_of_training))
    text += " To train with the file's values, which is another run: variform train " + file +
            " --folder NEW_FOLDER.";
  else if (!overrides.empty())
    text += " To go on with the file's values: variform resume " + run + overrides + ".";
  throw config::Error("error: " + text);
}

Loaded load_run(const model::RunFolder& folder, const std::optional<checkpoint::Snapshot>& snapshot,
                const TrainOptions& options, const Common& common) {
  model::RunConfig kept;
  if (snapshot) kept = model::compare_config(folder.path(), *snapshot, "last", options.arguments);
  refuse_if_edited(kept, folder);
  if (kept.state == model::RunConfig::State::kPlaces)
    write_message("note: " + kept.found + " That is no part of the experiment, and the file's is used.");
  if (kept.state == model::RunConfig::State::kCut)
    write_message("note: " + kept.found +
                  " The training goes on as the checkpoint says, and writes the file again.");
  if (kept.is_file_good) return load_config({{folder.config().string()}, options.arguments}, common);
  // By the file's name, which says whose config it is.
  return load_config(snapshot->attributes.at("config"), folder.config().string(), options.arguments, common);
}

int resume_command(const Common& common, const std::string& run, const TrainOptions& options) {
  model::RunFolder folder = model::RunFolder::open(run_path(common, run), /*writable=*/true);
  for (const std::string& override_text : options.arguments)
    if (!override_text.starts_with("train."))
      throw config::Error("resume takes changes of [train] only (train.steps=20000); found " + override_text +
                          ". Another model is another run: use train.");
  std::optional<checkpoint::Snapshot> snapshot = last_checkpoint(folder);
  Loaded loaded = load_run(folder, snapshot, options, common);
  const int64_t recorded = recorded_threads(folder.path());
  const int64_t threads = model::set_threads(common.threads > 0 ? common.threads : recorded);
  if (recorded > 0 && threads != recorded)
    write_message("warning: the run used " + std::to_string(recorded) + " threads and goes on with " +
                  std::to_string(threads) + "; this is not bit for bit the same.");
  const std::string resolved = config::print(loaded.experiment.resolved);
  drop_sources(loaded.experiment, folder.path());
  Composed composed = compose(std::move(loaded.experiment), *loaded.registry, common.places(),
                              trial(common, options, *loaded.registry));
  watch_signals();  // from here on there is something to keep
  return run_training(common, options, *loaded.registry, std::move(composed), std::move(folder), resolved,
                      std::move(snapshot));
}

}  // namespace

void add_train_commands(Command app, Common& common, Action& action) {
  auto options = std::make_shared<TrainOptions>();
  auto run = std::make_shared<std::string>();
  const auto shared_options = [options](Command command) {
    command.add_option("--stop-at", options->stop_at, "Stop after this step; schedules keep their horizon")
        .non_negative();
    command.add_option("--stop-at-epoch", options->stop_at_epoch, "The same, counted in epochs")
        .non_negative();
    command.add_flag("--accept-changed-plugins", options->accept_changed_plugins,
                     "Go on although a plugin has changed");
    command.add_flag("--accept-changed-metrics", options->accept_changed_metrics,
                     "Go on although metrics.jsonl is not as it was written");
    command.add_flag("--no-check", options->no_check,
                     "Do not try plugins that did not come with the program before their first training");
    command.add_flag("--no-figures", options->no_figures, "Draw no pictures at the end");
    command.add_flag(
        "--reference", options->reference,
        "Compute everything the plain way, to hold the short ways against it (docs/performance.md)");
    command.add_flag(
        "--model-only", options->model_only,
        "At the end keep one checkpoint of the model alone, a sixth of the space; such a run cannot be "
        "extended");
  };
  Command train = app.add_command("train", "Train a model from config files");
  train.add_option("config", options->arguments, "CONFIG.toml [more.toml...] [a.b=VALUE...]").required();
  train.add_flag("--resume", options->resume, "Go on if the run folder is there");
  train.add_flag("--overwrite", options->overwrite, "Replace the run folder if it is there")
      .excludes("--resume");
  train.add_option("--folder", options->folder, "Run folder instead of RUNS/NAME-HASH-SEED").type_name("DIR");
  shared_options(train);
  train.on_chosen([&common, &action, options] {
    action = [&common, options] { return train_command(common, *options); };
  });

  Command resume = app.add_command("resume", "Go on with a run from its last checkpoint");
  resume.add_option("run", *run, "Run folder, or its name below --runs").required();
  resume.add_option("overrides", options->arguments, "[train.steps=N...]");
  shared_options(resume);
  resume.on_chosen([&common, &action, options, run] {
    action = [&common, options, run] { return resume_command(common, *run, *options); };
  });
}

}  // namespace variform::cli
