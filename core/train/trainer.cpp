// See trainer.h.

#include "train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <variform/random.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

namespace variform::train {
namespace {

using Values = std::map<std::string, double>;

void add(Values& sums, const Terms& terms, double weight) {
  sums["loss"] += terms.loss.detach().to(at::kDouble).mean().item<double>() * weight;
  for (const auto& [name, part] : terms.parts)
    sums[name] += part.detach().to(at::kDouble).mean().item<double>() * weight;
}

bool finite(const Tensor& tensor) { return tensor.isfinite().all().item<bool>(); }

// Model names the component, method and step in errors of all that goes through it; this does for what does not.
template <class Call>
auto naming(const Model& model, const std::string& what, const Call& call) {
  const auto context = [&] {
    return what + (model.step >= 0 ? ", at step " + std::to_string(model.step) : "") + ": ";
  };
  try {
    return call();
  } catch (const c10::Error& error) {
    throw ComponentError(context() + error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw ComponentError(context() + error.what());
  } catch (...) {
    throw ComponentError(context() + "an exception that does not derive from std::exception");
  }
}

std::string method_of(const Model& model, Kind kind, const char* method) {
  return std::string(to_string(kind)) + " " + model.label(kind) + ", in " + method;
}

std::optional<double> number_of(const std::optional<Tensor>& tensor) {
  if (!tensor) return {};
  return tensor->mean().item<double>();
}

std::optional<double> beta_of(Model& model) {
  return naming(model, method_of(model, Kind::kObjective, "beta"),
                [&] { return number_of(model.objective().beta()); });
}

nlohmann::json line(int64_t step, double epoch, const std::string& split, const Values& values) {
  nlohmann::json json = {{"step", step}, {"epoch", epoch}, {"split", split}};
  for (const auto& [name, value] : values) json[name] = value;
  return json;
}

}  // namespace

std::optional<double> effective_beta(Model& model) {
  const std::optional<double> beta = beta_of(model),
                              variance =
                                  naming(model, method_of(model, Kind::kLikelihood, "reference_variance"),
                                         [&] { return number_of(model.likelihood().reference_variance()); });
  if (!beta || !variance) return {};
  return *beta * *variance;
}

Values evaluate_objective(Assembly& assembly, Batches& batches, const config::TrainSpec& spec) {
  at::NoGradGuard no_grad;
  assembly.set_training(false);
  const int64_t rows = spec.evaluation_limit > 0 ? std::min(spec.evaluation_limit, batches.evaluation_size())
                                                 : batches.evaluation_size();
  Values sums;
  int64_t number = 0;
  for (int64_t first = 0; first < rows; first += spec.evaluation_batch, ++number) {
    const Batch batch = batches.evaluation(first, std::min(spec.evaluation_batch, rows - first));
    for (int64_t draw = 0; draw < spec.evaluation_samples; ++draw) {
      assembly.model().rng.set_current_seed(hash(assembly.spec().seed, "evaluation",
                                                 static_cast<uint64_t>(number), static_cast<uint64_t>(draw)));
      add(sums, assembly.model().evaluate(batch), static_cast<double>(batch.x.size(0)));
    }
  }
  for (auto& [name, sum] : sums) sum /= static_cast<double>(rows * spec.evaluation_samples);
  assembly.set_training(true);
  return sums;
}

Trainer::Trainer(const config::TrainSpec& spec, int64_t horizon,
                 std::map<std::string, std::string> attributes, Assembly& assembly, Batches& batches,
                 RunFolder& folder, Observer& observer)
    : spec_(spec),
      horizon_(horizon),
      attributes_(std::move(attributes)),
      assembly_(assembly),
      batches_(batches),
      folder_(folder),
      observer_(observer),
      optimizer_(assembly.parameter_groups(spec.optimizer)) {}

void Trainer::restore(const checkpoint::Snapshot& snapshot) {
  assembly_.load(snapshot.tensors, assembly_.kinds());
  optimizer_.load(snapshot.tensors);
  progress_ = Progress::from(snapshot.tensors);
  folder_.truncate_metrics(progress_.metrics_bytes);
  saved_at_ = evaluated_at_ = progress_.step;
}

double Trainer::epoch() const {
  return static_cast<double>(progress_.step) * static_cast<double>(spec_.batch) /
         static_cast<double>(batches_.size());
}

// Whether the step just done completed another period.
bool Trainer::due(const config::Every& every) const {
  if (every.count <= 0) return false;
  const auto periods = [&](int64_t step) {
    return every.in_epochs ? step * spec_.batch / batches_.size() / every.count : step / every.count;
  };
  return periods(progress_.step) > periods(progress_.step - 1);
}

Values Trainer::train_step() {
  assembly_.set_step(progress_.step);
  const Batch batch = batches_.training(progress_.step);
  const Terms terms = assembly_.model().evaluate(batch);
  const Tensor loss = terms.loss.mean();
  // A step without host synchronisation matters on a GPU only; there, the log lines and checkpoints look instead.
  if (loss.is_cpu() && !std::isfinite(loss.item<double>())) fail_not_finite(terms, batch);
  // Whose operation failed is not recorded in the graph.
  naming(assembly_.model(), "the backward pass of the loss", [&] { loss.backward(); });
  if (spec_.clip_norm > 0) optimizer_.clip(spec_.clip_norm);
  optimizer_.step(progress_.step, horizon_);
  optimizer_.zero_grad();
  add(progress_.sums, terms, 1);
  ++progress_.summed;
  ++progress_.step;
  if (spec_.log_every <= 0 || progress_.step % spec_.log_every != 0) return {};
  if (!std::isfinite(progress_.sums.at("loss"))) fail_not_finite(terms, batch);
  write_log_line();
  return std::exchange(progress_.sums, {});
}

void Trainer::write_log_line() {
  Values& values = progress_.sums;
  for (auto& [name, value] : values) value /= static_cast<double>(progress_.summed);
  progress_.summed = 0;
  Model& model = assembly_.model();
  if (const std::optional<double> beta = beta_of(model)) values["beta"] = *beta;
  if (const std::optional<double> beta = effective_beta(model)) values["beta_eff"] = *beta;
  values["lr"] = spec_.optimizer.lr.at(progress_.step - 1, horizon_);
  progress_.metrics_bytes = folder_.append_metrics(line(progress_.step, epoch(), "train", values));
}

void Trainer::evaluate_now(Outcome& outcome) {
  if (batches_.evaluation_size() == 0 || evaluated_at_ == progress_.step) return;
  outcome.evaluation = evaluate_objective(assembly_, batches_, spec_);
  evaluated_at_ = progress_.step;
  progress_.metrics_bytes =
      folder_.append_metrics(line(progress_.step, epoch(), batches_.evaluation_split(), outcome.evaluation));
  const std::string& part = spec_.early_stopping ? spec_.early_stopping->part : spec_.best;
  if (!outcome.evaluation.contains(part)) {
    std::string known;
    for (const auto& [name, value] : outcome.evaluation) known += (known.empty() ? "" : ", ") + name;
    throw std::runtime_error("train.best names the part '" + part +
                             "', which this objective does not have; it has: " + known + ".");
  }
  const double value = outcome.evaluation.at(part);
  const bool best = value < progress_.best - (spec_.early_stopping ? spec_.early_stopping->min_delta : 0);
  if (best) {
    progress_.best = value;
    progress_.best_step = progress_.step;
    progress_.evaluations_since_best = 0;
    write_checkpoint(folder_.best());
  } else {
    ++progress_.evaluations_since_best;
  }
  observer_.evaluated(progress_.step, batches_.evaluation_split(), outcome.evaluation, best);
}

void Trainer::check_parameters() const {
  for (const auto& [name, tensor] : assembly_.state())
    if (tensor.is_floating_point() && !finite(tensor))
      throw NotFinite(
          "at step " + std::to_string(progress_.step) + ", " + name +
          " holds values that are not finite; the last good checkpoint is kept. Lower the learning rate, or "
          "set train.clip_norm.");
}

void Trainer::write_checkpoint(const std::filesystem::path& path) {
  check_parameters();
  checkpoint::Snapshot snapshot;
  snapshot.attributes = attributes_;
  snapshot.tensors = assembly_.state();
  snapshot.tensors.merge(optimizer_.state());
  snapshot.tensors.merge(progress_.tensors());
  folder_.sync_metrics();  // before something vouches for their length
  checkpoint::write(snapshot, path);
}

Outcome Trainer::run(int64_t stop_at, const std::function<bool()>& interrupted) {
  Outcome outcome;
  assembly_.set_training(true);
  if (progress_.step == 0 && saved_at_ < 0) write_checkpoint(folder_.last());
  saved_at_ = progress_.step;
  const int64_t end = std::min(stop_at, horizon_);
  const auto started = std::chrono::steady_clock::now();
  const int64_t first = progress_.step;
  const auto stopped_early = [this] {
    return spec_.early_stopping && progress_.evaluations_since_best >= spec_.early_stopping->patience;
  };
  // Killed between its last checkpoint and its end, or resumed although it had ended.
  const bool all_done = progress_.step >= horizon_ || stopped_early();
  while (progress_.step < end && !all_done) {
    const Values logged = train_step();
    observer_.stepped(progress_.step, horizon_, logged);
    const bool last = progress_.step == end, stop = interrupted();
    if (due(spec_.evaluate_every) || (last && end == horizon_)) evaluate_now(outcome);
    const bool early = stopped_early();
    if (due(spec_.checkpoint_every) || last || stop || early) {
      write_checkpoint(folder_.last());
      saved_at_ = progress_.step;
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
      folder_.append_timing(
          {{"step", progress_.step}, {"steps", progress_.step - first}, {"seconds", seconds}});
    }
    if (stop && !(last && end == horizon_)) outcome.ending = Ending::kInterrupted;
    else if (early) outcome.ending = Ending::kStoppedEarly;
    else continue;
    outcome.step = progress_.step;
    return outcome;
  }
  if (all_done && outcome.evaluation.empty() && batches_.evaluation_size() > 0) {
    assembly_.set_step(std::max<int64_t>(progress_.step - 1, 0));  // schedules as at the last evaluation
    outcome.evaluation = evaluate_objective(assembly_, batches_, spec_);
  }
  outcome.ending = progress_.step >= horizon_ ? Ending::kFinished
                   : stopped_early()          ? Ending::kStoppedEarly
                                              : Ending::kStopAt;
  outcome.step = progress_.step;
  return outcome;
}

void Trainer::fail_not_finite(const Terms& terms, const Batch& batch) {
  at::NoGradGuard no_grad;
  std::string term = "loss";
  for (const auto& [name, part] : terms.parts)
    if (!finite(part)) {
      term = name;
      break;
    }
  // The first tensor on the way from data to loss that is not finite belongs to the component to be named.
  assembly_.set_step(progress_.step);
  Model& model = assembly_.model();
  std::string culprit = std::string("objective ") + model.label(Kind::kObjective);
  try {
    const auto blame = [&](Kind kind) { culprit = std::string(to_string(kind)) + " " + model.label(kind); };
    const Tensor parameters = model.encoder().encode(batch.x);
    if (!finite(batch.x)) culprit = "the data";
    else if (!finite(parameters)) blame(Kind::kEncoder);
    else {
      const auto posterior = model.posterior(batch.x);
      const Draw draw = posterior->rsample(1, model.rng);
      const Tensor g = model.decode(draw.z);
      if (!finite(posterior->location()) || !finite(draw.z)) blame(Kind::kFamily);
      else if (!finite(g)) blame(Kind::kDecoder);
      else if (!finite(model.nll(batch.x, g))) blame(Kind::kLikelihood);
      else if (!finite(model.log_prior(draw.z))) blame(Kind::kPrior);
    }
  } catch (const std::exception&) {  // looking for the culprit must not hide the finding
  }
  throw NotFinite("at step " + std::to_string(progress_.step) + ", the term '" + term +
                  "' of the loss is not finite; the first "
                  "value that is not finite comes from " +
                  culprit +
                  ". The last good checkpoint is kept. Lower the learning "
                  "rate, set train.clip_norm, or use precision = \"float64\".");
}

}  // namespace variform::train
