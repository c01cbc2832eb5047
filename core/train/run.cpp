// See run.h.

#include "train/run.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <torch/version.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/file.h"
#include "base/frames.h"
#include "base/last_words.h"
#include "base/quote.h"
#include "base/short_hash.h"
#include "config/load.h"
#include "config/run_environment.h"
#include "model/checkpoints.h"
#include "model/process.h"
#include "model/products.h"
#include "model/run_config.h"
#include "train/introduce.h"
#include "train/latents.h"
#include "plugins/plugin_log.h"
#include "train/run_log.h"
#include "train/shared_state.h"
#include "train/shards.h"
#include "train/schedules.h"
#include "train/tensorboard.h"

namespace variform::train {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

using MaybeSnapshot = std::optional<checkpoint::Snapshot>;

std::string quoted(const fs::path& path) { return base::for_shell(path.string()); }

// Tells the log at which step the training is.
class Stepping final : public Observer {
 public:
  Stepping(RunLog& log, Observer& to) : log_(log), to_(to) {}
  void stepped(std::int64_t step, std::int64_t horizon,
               const std::map<std::string, double>& values) override {
    log_.at_step(step);
    to_.stepped(step, horizon, values);
  }
  void evaluated(std::int64_t step, const std::string& split, const std::map<std::string, double>& values,
                 bool best) override {
    to_.evaluated(step, split, values, best);
  }

 private:
  RunLog& log_;
  Observer& to_;
};

// Shows nothing: for all processes of a group but the first.
class Unseen final : public Observer {
  void stepped(std::int64_t, std::int64_t, const std::map<std::string, double>&) override {}
  void evaluated(std::int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}
};

bool leads(const RunHost& host) { return !host.group || host.group->rank() == 0; }

// One training, once its folder is locked: shared by train() and resume().
class Run {
 public:
  // `resolved` is the experiment's config, which is written into the folder once the training is accepted; `snapshot`
  // is the checkpoint to resume from, if any.
  Run(const RunOptions& options, const RunHost& host, const plugins::Registry& registry, Composed composed,
      model::RunFolder folder, std::string resolved, std::string products, MaybeSnapshot snapshot)
      : options_(options),
        host_(host),
        registry_(registry),
        composed_(std::move(composed)),
        folder_(std::move(folder)),
        resolved_(std::move(resolved)),
        products_(std::move(products)),
        snapshot_(std::move(snapshot)),
        log_(host.place.log, folder_) {}

  Ending to_end();

 private:
  model::Session& session() { return *composed_.session; }
  void accept() const;
  bool was_killed_at_its_end() const;
  void take_config(const std::map<std::string, std::string>& attributes);
  json environment() const;
  void join_group(Trainer& trainer);
  void begin_folder(const std::map<std::string, std::string>& attributes, std::int64_t step);
  void tell_jumps(std::int64_t step);
  void decide_recording(Trainer& trainer);
  std::int64_t stop_at() const;
  Ending guarded(Trainer& trainer, std::int64_t stop_at);
  std::string kept_after_loss(Trainer& trainer);
  void finish(const Outcome& outcome);
  void keep_model_only();
  json summary_of(const Outcome& outcome) const;

  const RunOptions& options_;
  const RunHost& host_;
  const plugins::Registry& registry_;
  Composed composed_;
  model::RunFolder folder_;
  const std::string resolved_;
  std::string products_;
  MaybeSnapshot snapshot_;
  RunLog log_;
  std::unique_ptr<TensorBoard> board_;  // where it is asked for
  const plugins::PluginLog plugin_log_{log_};
};

// Whether a training has done all its steps, and was killed before it could write DONE.
bool Run::was_killed_at_its_end() const {
  const auto number = [&](const char* name) {
    const auto found = snapshot_->tensors.find(name);
    return found == snapshot_->tensors.end() ? std::int64_t{-1} : found->second.item<std::int64_t>();
  };
  const auto& early = composed_.session->experiment.train.early_stopping;
  return !fs::exists(folder_.path() / "DONE") &&
         (number("progress/step") == composed_.session->horizon ||
          (early && number("progress/evaluations_since_best") >= early->patience));
}

// Throws where this training cannot be resumed from the last checkpoint. Called before anything is written.
void Run::accept() const {
  const std::string run = folder_.path().string(), train_again = "variform train " + quoted(folder_.config());
  if (snapshot_->attributes.contains(model::kModelOnly) && !was_killed_at_its_end())
    throw std::runtime_error(
        "the training " + run +
        " cannot go on: its checkpoint keeps the model alone, without the optimizer's state, "
        "as finished runs of a study do. Train it again from the start: " +
        train_again + " --overwrite --folder " + quoted(folder_.path()));
  const std::string changes = model::changed_plugins(*snapshot_, registry_);
  if (!changes.empty() && !options_.accept_changed_plugins)
    throw std::runtime_error(changes + " Go on with --accept-changed-plugins if that is what you want.");
  if (const auto facts = model::facts_in(snapshot_->attributes))
    if (const std::string other = model::changed_data(*facts, composed_.session->facts); !other.empty())
      throw std::runtime_error(other + " Put the former files back, or train a new run: " + train_again +
                               " --folder NEW_FOLDER");
  const auto step = snapshot_->tensors.find("progress/step");
  if (step == snapshot_->tensors.end()) return;
  const std::int64_t done = step->second.item<std::int64_t>(), horizon = composed_.session->horizon;
  if (done > horizon)
    throw std::runtime_error(
        fmt::format("the training {} has done {} steps already, and {} were asked for. Ask for more "
                    "steps, or train again from the start.",
                    run, done, horizon));
}

// Writes this training's config into the run's folder. It goes into the checkpoint first, with a note of what it
// replaces, so that after a kill in between it is neither lost nor taken for an edited file.
void Run::take_config(const std::map<std::string, std::string>& attributes) {
  std::string present;
  try {
    present = base::contents_of(folder_.config());
  } catch (const std::runtime_error&) {  // missing, or not a file: it is written again
  }
  if (snapshot_ && snapshot_->attributes["config"] != resolved_) {
    checkpoint::Snapshot former = *snapshot_;  // shares the tensors' memory
    former.attributes = attributes;
    if (snapshot_->attributes.contains(model::kModelOnly)) former.attributes[model::kModelOnly] = "true";
    former.attributes[model::kReplacesConfig] = base::short_hash(present);
    checkpoint::write(former, folder_.last());
  }
  if (present != resolved_) folder_.write_config(resolved_);
}

json Run::environment() const {
  const model::Session& session = *composed_.session;
  return {{"command", host_.origin.command},
          {"program", host_.origin.program},
          {"commit", host_.origin.commit},
          {"libtorch", TORCH_VERSION},
          {"device", session.options.device().str()},
          {"threads", at::get_num_threads()},
          {"processes", host_.group ? host_.group->size() : 1},
          {"reference", options_.reference},
          {"cpu", at::get_cpu_capability()},
          {"products", products_},
          {"data_fingerprint", session.facts.fingerprint},
          {"data_files", model::data_files_json(session.splits)},
          {"plugins", json::parse(model::plugins_json(registry_))}};
}

// Forbids recorded steps where VARIFORM_RECORD says so, and on the CPU where a component did not come with the program,
// unless VARIFORM_RECORD=1: a step that depends on numbers of the host would be replayed with those of its recording
// until the next comparison with the plain step, and its author may not have thought of that.
void Run::decide_recording(Trainer& trainer) {
  const char* const given = std::getenv("VARIFORM_RECORD");
  const std::string_view asked = given ? given : "";
  const auto records = registry_.records();
  const auto guest = std::find_if(records.begin(), records.end(), [](const plugins::PluginRecord* record) {
    return record->status == plugins::Status::kLoaded && !record->is_stock;
  });
  const bool is_host_alone = guest != records.end() && session().options.device().is_cpu() && asked != "1";
  if (asked != "0" && !is_host_alone) return;
  trainer.record_with({});
  log_.debug("train", [&] {
    return asked == "0" ? std::string("steps are not recorded: VARIFORM_RECORD=0")
                        : "steps are not recorded, since plugin " + (*guest)->id +
                              " did not come with the program; VARIFORM_RECORD=1 records them all the same";
  });
}

// Waits for the other processes, and makes their state that of process 0.
void Run::join_group(Trainer& trainer) {
  if (!host_.group) return;
  if (!session().options.device().is_cpu())
    throw config::Error(
        "several processes train one model on CPUs only, through Gloo; this program does not use NCCL. Write "
        "train.device = \"cpu\", or train on one process: --processes 1.");
  std::string plugins;
  for (const plugins::PluginRecord* plugin : registry_.records())
    if (plugin->status == plugins::Status::kLoaded) plugins += plugin->id + " " + plugin->sha256 + "\n";
  host_.group->require_same({{"version of the program", host_.origin.program + " " + host_.origin.commit},
                             {"LibTorch", TORCH_VERSION},
                             {"instruction set", at::get_cpu_capability()},
                             {"list of plugins", plugins},
                             {"data fingerprint", session().facts.fingerprint},
                             {"config", resolved_}});
  // A machine's choice is a measurement, and may be another one in each process.
  if (const std::string first = text_of_first(*host_.group, products_); first != products_)
    products_ = model::choose_products(log_, first);
  trainer.join(*host_.group);
  trainer.take_state_of_first(*host_.group);
}

// Makes the folder that of a running training.
void Run::begin_folder(const std::map<std::string, std::string>& attributes, std::int64_t step) {
  if (!folder_.writes()) return;
  if (!folder_.warning().empty()) log_.warning(folder_.warning());
  base::clean_temporaries(folder_.path() / "checkpoints");
  take_config(attributes);
  folder_.clear_marks();
  base::mark_run(folder_.path(), "The run is marked FAILED; its last checkpoint is kept: variform resume " +
                                     quoted(folder_.path()) + " goes on from there.");
  if (board_) board_->begin(step);
  folder_.write_environment(environment());
}

// Reports how another length of the training changes scheduled values.
void Run::tell_jumps(std::int64_t step) {
  const model::Session& session = *composed_.session;
  const config::Experiment before = model::experiment_of(*snapshot_, registry_);
  const std::int64_t horizon = model::horizon_of(before.train, session.batches->size());
  for (const std::string& sentence :
       schedules_that_jump({before, horizon}, {session.experiment, session.horizon}, step))
    log_.note(sentence);
}

std::int64_t Run::stop_at() const {
  if (options_.stop_at_epoch < 0) return options_.stop_at;
  const model::Session& session = *composed_.session;
  const double batches =
      static_cast<double>(session.batches->size()) / static_cast<double>(session.experiment.train.batch);
  return std::min(options_.stop_at,
                  static_cast<std::int64_t>(std::llround(options_.stop_at_epoch * batches)));
}

Ending Run::to_end() {
  session().assembly->model().set_reference(options_.reference);
  if (options_.reference)
    at::globalContext().setUserEnabledMkldnn(false);  // LibTorch's own products instead of oneDNN's
  if (snapshot_) accept();
  const std::unique_ptr<Observer> shown = leads(host_) ? host_.observe(log_) : std::make_unique<Unseen>();
  if (session().experiment.tensorboard && folder_.writes())
    board_ = std::make_unique<TensorBoard>(
        folder_.path(), session().experiment.resolved,
        [this] { return kl_of_latents(*session().assembly, *session().batches, session().experiment.train); },
        log_, *shown);
  Stepping observer(log_, board_ ? *board_ : *shown);
  const auto attributes = model::attributes_of(session(), registry_);
  Trainer trainer(session().experiment.train, session().horizon, attributes, *session().assembly,
                  *session().batches, folder_, log_, observer);
  decide_recording(trainer);
  trainer.judge_by(composed_.judging);
  if (snapshot_) trainer.restore(*snapshot_, options_.accept_changed_metrics);
  else folder_.truncate_metrics(0);
  join_group(trainer);
  log_.at_step(trainer.step());
  log_.info("run: " + folder_.path().string());
  begin_folder(attributes, trainer.step());
  if (snapshot_)
    if (const std::string changes = model::changed_plugins(*snapshot_, registry_); !changes.empty())
      log_.warning(changes);
  introduce(log_, session(), composed_.preflight);
  for (const fs::path& path : session().splits.paths)
    log_.debug("data", [&] { return "read " + path.string(); });
  log_.debug("train", [] {
    return fmt::format("{} of {} processors that this process may use; kernels for {}", at::get_num_threads(),
                       model::usable_processors(), at::get_cpu_capability());
  });
  if (session().batches->evaluation_size() > 0 && session().experiment.train.evaluate_every.count > 0)
    log_.info(composed_.judging.sentence(session().batches->evaluation_split()));
  if (snapshot_) {
    log_.info(fmt::format("resumed at step {}{}", trainer.step(),
                          session().options.device().is_cpu() ? "" : "; on a GPU this is not bit for bit"));
    tell_jumps(trainer.step());
    snapshot_.reset();
  }
  const std::int64_t stop = stop_at();
  log_.info(fmt::format("training: steps {} to {}", trainer.step(), std::min(stop, session().horizon)));
  return guarded(trainer, stop);
}

Ending Run::guarded(Trainer& trainer, std::int64_t stop_at) {
  const auto interrupted = [this] {
    const bool here = host_.interrupted && host_.interrupted();
    return host_.group ? host_.group->any(here) : here;
  };
  try {
    const Outcome outcome = trainer.run(stop_at, interrupted);
    if (host_.group) host_.group->leave();
    if (folder_.writes()) finish(outcome);
    return outcome.ending;
  } catch (const std::exception& error) {
    std::string reason = base::without_frames(error.what());
    try {
      if (dynamic_cast<const GroupLost*>(&error) && folder_.writes()) reason += kept_after_loss(trainer);
      folder_.mark_failed(reason);
      log_.write_to_file(base::Level::kError, reason);
    } catch (const std::exception&) {  // a full disk: the reason itself still goes to the caller
    }
    throw std::runtime_error(reason + "\nThe run is in " + folder_.path().string() + ".");
  }
}

// Another process is gone: keeps what has been trained, and returns a sentence about that.
std::string Run::kept_after_loss(Trainer& trainer) {
  trainer.keep();
  return fmt::format(
      ". The checkpoint of step {} is written. Go on, with any number of processes: variform resume {}",
      trainer.step(), quoted(folder_.path()));
}

void Run::finish(const Outcome& outcome) {
  const std::string at = fmt::format("at step {} of {}", outcome.step, session().horizon);
  const std::string go_on = " Go on with: variform resume " + quoted(folder_.path());
  if (outcome.ending == Ending::kInterrupted) {
    const bool is_here = !host_.group || host_.interrupted();
    const std::string by = !is_here               ? "a signal to another process"
                           : host_.interrupted_by ? host_.interrupted_by()
                                                  : "its caller";
    folder_.mark_interrupted("interrupted by " + by + " " + at);
    return log_.info("interrupted " + at + "; the checkpoint is written." + go_on);
  }
  if (outcome.ending == Ending::kStopAt) return log_.info("stopped " + at + " as asked." + go_on);
  if (outcome.ending == Ending::kStoppedEarly) log_.info("no more improvement: stopped early " + at);
  if (host_.draw) {
    session().assembly->set_training(false);
    const std::string why_not = host_.draw(session(), folder_.figures());
    log_.info(why_not.empty()
                  ? "pictures: " + folder_.figures().string() + "/{reconstructions,samples,traversals}.png"
                  : "no pictures: " + why_not);
  }
  if (board_) board_->finish(outcome.step, folder_.figures());
  if (outcome.best_step >= 0 && outcome.best_step < outcome.step)
    log_.info("best: step " + std::to_string(outcome.best_step));
  if (!outcome.not_finite.empty())
    log_.warning("the last evaluation has " + outcome.not_finite + "; DONE says so, too");
  if (options_.model_only) keep_model_only();
  folder_.mark_done(summary_of(outcome));
}

// Reduces a run that will not be resumed to one checkpoint of the model alone.
void Run::keep_model_only() {
  checkpoint::Snapshot snapshot = checkpoint::read(folder_.last());
  std::erase_if(snapshot.tensors, [](const auto& entry) { return entry.first.starts_with("optimizer/"); });
  snapshot.attributes[model::kModelOnly] = "true";
  checkpoint::write(snapshot, folder_.last());
  fs::remove(folder_.best());
}

// Returns the content of DONE.
json Run::summary_of(const Outcome& outcome) const {
  json summary = {{"step", outcome.step},
                  {"ending", outcome.ending == Ending::kStoppedEarly ? "stopped early" : "finished"}};
  for (const auto& [name, value] : outcome.evaluation) summary["evaluation"][name] = value;
  if (!outcome.not_finite.empty()) summary["not_finite"] = outcome.not_finite;
  if (outcome.best_step >= 0)
    summary["best"] = {{"step", outcome.best_step},
                       {"value", outcome.best},
                       {"part", composed_.judging.part},
                       {"judged_from", composed_.judging.from}};
  return summary;
}

// Returns how many threads a run has used; 0: not known. Logs what is wrong with its environment.json.
std::int64_t recorded_threads(const fs::path& run, base::Log& log) {
  const config::RunEnvironment environment = config::environment_of(run);
  for (const std::string& problem : environment.problems)
    log.note(problem + " The training writes the file again.");
  if (!environment.threads && !environment.problems.empty())
    log.note(
        "how many threads the run has used is not known; with another number it goes on, though not bit for "
        "bit the same (--threads).");
  return environment.threads.value_or(0);
}

// Warns if the run has computed with kernels of another instruction set, which sum in another order.
void tell_other_kernels(const fs::path& run, base::Log& log) {
  const std::string before = config::environment_of(run).cpu, now = at::get_cpu_capability();
  if (!before.empty() && before != now)
    log.warning(
        fmt::format("the run used kernels for {} and goes on with those for {} (the processor's, or "
                    "ATEN_CPU_CAPABILITY); this is not bit for bit the same.",
                    before, now));
}

// Drops `from` if the run has a checkpoint, which holds the tensors that its slots took from other runs.
void drop_sources(config::Experiment& experiment, const fs::path& run) {
  if (fs::exists(run / "checkpoints" / "last.h5")) model::forget_sources(experiment);
}

MaybeSnapshot last_checkpoint(const model::RunFolder& folder) {
  if (!fs::exists(folder.last())) return {};
  return checkpoint::read(folder.last());
}

// Returns the number of threads to ask for; 0: as many as possible. Processes on one machine share its processors.
std::int64_t threads_in_group(std::int64_t wanted, const RunOptions& options, const RunHost& host) {
  if (!host.group || host.group->sharing() < 2 || options.threads > 0) return wanted;
  const std::int64_t share = std::max<std::int64_t>(1, model::usable_processors() / host.group->sharing());
  return wanted > 0 ? std::min(wanted, share) : share;
}

// Throws where a group cannot share the batches of a config.
void require_shares(const config::Experiment& experiment, const Group* group) {
  if (!group) return;
  try {
    Shards::of(experiment.train.shards, group);
  } catch (const std::runtime_error& error) {
    const auto least = std::bit_ceil(static_cast<std::uint64_t>(group->size()));
    throw config::Error(fmt::format(
        "{}. For {} processes: train.shards={}; the number of shards is part of the experiment, as the batch "
        "is. For a training on this process alone: --processes 1.",
        error.what(), least, least));
  }
}

void begin(const RunHost& host) {
  if (host.begin) host.begin();
}

// Throws if the config of a trained run has been edited: its metrics would then belong to two configs.
void refuse_if_edited(const model::RunConfig& kept, const model::RunFolder& folder) {
  if (kept.state != model::RunConfig::State::kEdited) return;
  const std::string file = quoted(folder.config()), run = quoted(folder.path());
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
  throw config::Error(text);
}

model::Loaded load_run(const model::RunFolder& folder, const MaybeSnapshot& snapshot,
                       const std::vector<std::string>& overrides, const model::Workplace& place) {
  model::RunConfig kept;
  if (snapshot) kept = model::compare_config(folder.path(), *snapshot, "last", overrides);
  refuse_if_edited(kept, folder);
  if (kept.state == model::RunConfig::State::kPlaces)
    place.log.note(kept.found + " That is no part of the experiment, and the file's is used.");
  if (kept.state == model::RunConfig::State::kCut)
    place.log.note(kept.found + " The training goes on as the checkpoint says, and writes the file again.");
  if (kept.is_file_good) return place.load({folder.config().string()}, overrides);
  // Named after the file, so that messages say whose config it is.
  return place.load_text(snapshot->attributes.at("config"), folder.config().string(), overrides);
}

// Returns the folder's last checkpoint; throws if it is of another experiment.
MaybeSnapshot own_checkpoint(const model::RunFolder& folder, const config::Node& identity, base::Log& log) {
  MaybeSnapshot snapshot = last_checkpoint(folder);
  if (!snapshot) return snapshot;
  if (const std::string other = model::other_experiment(*snapshot, identity); !other.empty())
    throw config::Error("the run folder " + folder.path().string() + " holds another experiment: " + other +
                        ". Name another place with --folder, or replace the run with --overwrite.");
  const model::RunConfig kept = model::compare_config(folder.path(), *snapshot, "last");
  if (kept.state == model::RunConfig::State::kEdited || kept.state == model::RunConfig::State::kCut)
    log.note(kept.found + " The training writes it again.");
  return snapshot;
}

}  // namespace

fs::path folder_of(const config::Experiment& experiment, const fs::path& runs) {
  return runs /
         fmt::format("{}-{}-{}", experiment.name, config::experiment_hash(experiment), experiment.seed);
}

Ending train(model::Loaded loaded, const fs::path& path, model::IfPresent if_present,
             const RunOptions& options, const RunHost& host) {
  config::Experiment& experiment = loaded.experiment;
  const bool is_there = fs::exists(path), resumes = if_present == model::IfPresent::kResume;
  if (leads(host) && is_there && if_present == model::IfPresent::kRefuse)
    model::RunFolder::create(path, "", if_present);  // throws; before anything slow is done
  require_shares(experiment, host.group);
  std::int64_t threads = options.threads > 0 ? options.threads : experiment.train.threads;
  if (resumes && options.threads == 0 && is_there) threads = recorded_threads(path, host.place.log);
  model::set_threads(threads_in_group(threads, options, host), host.place.log);
  if (resumes && is_there) tell_other_kernels(path, host.place.log);
  std::string products = model::choose_products(
      host.place.log, resumes && is_there ? config::environment_of(path).products : "");
  const std::string resolved = config::print(experiment.resolved);
  const config::Node identity = experiment.resolved;
  if (resumes) drop_sources(experiment, path);
  Composed composed = compose(std::move(experiment), *loaded.registry, host.place.places, host.before_steps);
  begin(host);
  model::RunFolder folder =
      leads(host) ? model::RunFolder::create(path, resolved, if_present) : model::RunFolder::of_another(path);
  MaybeSnapshot snapshot;
  if (leads(host)) snapshot = own_checkpoint(folder, identity, host.place.log);
  return Run(options, host, *loaded.registry, std::move(composed), std::move(folder), resolved,
             std::move(products), std::move(snapshot))
      .to_end();
}

Ending resume(const fs::path& path, const std::vector<std::string>& overrides, const RunOptions& options,
              const RunHost& host) {
  model::RunFolder folder = model::RunFolder::open(path, /*writable=*/leads(host));
  for (const std::string& text : overrides)
    if (!text.starts_with("train."))
      throw config::Error("resume takes changes of [train] only (train.steps=20000); found " + text +
                          ". Another model is another run: use train.");
  MaybeSnapshot snapshot = last_checkpoint(folder);
  model::Loaded loaded = load_run(folder, snapshot, overrides, host.place);
  require_shares(loaded.experiment, host.group);
  const std::int64_t recorded = recorded_threads(folder.path(), host.place.log);
  const std::int64_t threads = model::set_threads(
      threads_in_group(options.threads > 0 ? options.threads : recorded, options, host), host.place.log);
  if (recorded > 0 && threads != recorded) {
    const bool same_steps = loaded.experiment.train.shards > 1;  // evaluations are not cut into shards
    host.place.log.warning(
        fmt::format("the run used {} threads and goes on with {}; {} not bit for bit the same.", recorded,
                    threads, same_steps ? "its evaluations are" : "this is"));
  }
  tell_other_kernels(folder.path(), host.place.log);
  std::string products =
      model::choose_products(host.place.log, config::environment_of(folder.path()).products);
  const std::string resolved = config::print(loaded.experiment.resolved);
  drop_sources(loaded.experiment, folder.path());
  Composed composed =
      compose(std::move(loaded.experiment), *loaded.registry, host.place.places, host.before_steps);
  begin(host);
  return Run(options, host, *loaded.registry, std::move(composed), std::move(folder), resolved,
             std::move(products), std::move(snapshot))
      .to_end();
}

}  // namespace variform::train
