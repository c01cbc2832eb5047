// See trainer.h.

#include "train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/calls.h>
#include <variform/nn/network.h>
#include <variform/random.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/checkpoints.h"
#include "plugins/ambient.h"
#include "train/cpu_tape.h"
#include "train/cuda_graph.h"
#include "train/naming.h"
#include "train/shared_state.h"

namespace variform::train {
namespace {

using Values = std::map<std::string, double>;
using Sums = std::map<std::string, Tensor>;

// Adds share · whole. Sums stay on the model's device, so that no GPU is waited for.
void accumulate(Tensor& sum, const Tensor& whole, double share) {
  if (sum.defined()) sum.add_(whole, share);
  else sum = whole * share;
}

// Calls each(name, sum of the values, weight / their number) for the loss and the parts.
template <class Each>
void for_each_term(const Terms& terms, double weight, const Each& each) {
  const auto one = [&](const std::string& name, const Tensor& part) {
    each(name, part.detach().sum(at::kDouble), weight / static_cast<double>(part.numel()));
  };
  one("loss", terms.loss);
  for (const auto& [name, part] : terms.parts) one(name, part);
}

// Adds `weight` times the terms' means over the batch.
void add(Sums& sums, const Terms& terms, double weight) {
  for_each_term(terms, weight, [&](const std::string& name, const Tensor& whole, double share) {
    accumulate(sums[name], whole, share);
  });
}

// Returns the sums divided by `count`, in one transfer from the device.
Values means(const Sums& sums, int64_t count) {
  std::vector<Tensor> all;
  for (const auto& [name, sum] : sums) all.push_back(sum);
  const Tensor together = at::stack(all).cpu() / static_cast<double>(count);
  Values values;
  int64_t i = 0;
  for (const auto& [name, sum] : sums) values[name] = together[i++].item<double>();
  return values;
}

// How often changes by components are looked for, besides at checkpoints: after each of the first steps, then at times.
constexpr int64_t kFirstSteps = 3, kLookEvery = 20;

bool finite(const Tensor& tensor) { return tensor.isfinite().all().item<bool>(); }

// Calls one component's function directly, without Model.
template <class Call>
auto calling(const Model& model, Kind kind, const char* method, const Call& call) {
  const Calling kept(to_string(kind), model.label(kind).c_str(), method, model.step());
  return naming(model, std::string(to_string(kind)) + " " + model.label(kind) + ", in " + method, call);
}

std::optional<double> number_of(const std::optional<Tensor>& tensor) {
  if (!tensor) return {};
  return tensor->mean().item<double>();
}

std::optional<double> beta_of(Model& model) {
  return calling(model, Kind::kObjective, "beta", [&] { return number_of(model.objective().beta()); });
}

nlohmann::json line(int64_t step, double epoch, const std::string& split, const Values& values) {
  nlohmann::json json = {{"step", step}, {"epoch", epoch}, {"split", split}};
  for (const auto& [name, value] : values) json[name] = value;
  return json;
}

}  // namespace

std::optional<double> effective_beta(Model& model) {
  const std::optional<double> beta = beta_of(model),
                              variance = calling(model, Kind::kLikelihood, "noise_variance", [&] {
                                return number_of(model.likelihood().noise_variance());
                              });
  if (!beta || !variance) return {};
  return *beta * *variance;
}

namespace {

int64_t evaluated_rows(model::Batches& batches, const config::TrainSpec& spec) {
  return spec.evaluation_limit > 0 ? std::min(spec.evaluation_limit, batches.evaluation_size())
                                   : batches.evaluation_size();
}

// One batch of an evaluation, with one draw.
struct Visit {
  int64_t number = 0;  // of both, from 0
  int64_t first = 0;   // row
  bool counts = true;  // false: for the names of its terms alone
};

// Calls visit(terms, batch, Visit) for every batch and draw of an evaluation, until it returns false. With a group, a
// process visits its own batches: every size()-th one; if it has none, the first one, which does not count.
template <class Call>
void visit_evaluation(model::Assembly& assembly, model::Batches& batches, const config::TrainSpec& spec,
                      const Group* group, const Call& visit) {
  const int64_t rows = evaluated_rows(batches, spec), size = group ? group->size() : 1,
                rank = group ? group->rank() : 0;
  const bool is_idle = rank * spec.evaluation_batch >= rows;
  int64_t number = 0;
  for (int64_t first = 0; first < rows; first += spec.evaluation_batch, ++number) {
    const bool counts = number % size == rank;
    if (!counts && !(is_idle && number == 0)) continue;
    const Batch batch = batches.evaluation(first, std::min(spec.evaluation_batch, rows - first));
    for (int64_t draw = 0; draw < spec.evaluation_samples; ++draw) {
      assembly.model().rng.set_current_seed(hash(assembly.spec().seed, "evaluation",
                                                 static_cast<uint64_t>(number), static_cast<uint64_t>(draw)));
      const Visit at{number * spec.evaluation_samples + draw, first, counts};
      if (!visit(assembly.model().evaluate(batch), batch, at)) return;
    }
  }
}

// The sums that a process's visits give, before they are added: [visits, 2 · terms] float64, zero for those of others.
class VisitTable {
 public:
  explicit VisitTable(int64_t visits) : visits_(visits) {}

  void keep(int64_t visit, const Sums& sums, const std::map<std::string, double>& shares) {
    if (!table_.defined()) table_ = at::zeros({visits_, 2 * static_cast<int64_t>(sums.size())}, at::kDouble);
    names_.clear();
    for (const auto& [name, whole] : sums) {
      const auto column = 2 * static_cast<int64_t>(names_.size());
      names_.push_back(name);
      if (visit < 0) continue;
      table_[visit][column].copy_(whole);
      table_[visit][column + 1].fill_(shares.at(name));
    }
  }
  // Adds all processes' sums in the order of the visits, which gives the bits of one process.
  Sums joined(Group& group) {
    group.add(table_);
    Sums sums;
    for (int64_t visit = 0; visit < visits_; ++visit)
      for (size_t i = 0; i < names_.size(); ++i) {
        const auto column = 2 * static_cast<int64_t>(i);
        accumulate(sums[names_[i]], table_[visit][column], table_[visit][column + 1].item<double>());
      }
    return sums;
  }

 private:
  const int64_t visits_;
  std::vector<std::string> names_;
  Tensor table_;
};

// Returns the first row that is not finite, -1 when all are.
int64_t first_not_finite(const Tensor& values) {
  const Tensor bad = values.isfinite().logical_not().flatten(1).any(1).nonzero();
  return bad.size(0) == 0 ? -1 : bad[0].item<int64_t>();
}

// Finds the row of a batch that makes its loss not finite: from the parts that split over rows, else from the model's
// log densities of every row. Returns -1 when neither tells.
std::pair<int64_t, std::string> guilty_row(Model& model, const Terms& terms, const Batch& batch) {
  const int64_t in_data = first_not_finite(batch.x);
  if (in_data >= 0) return {in_data, "the data"};
  for (const auto& [name, part] : terms.parts)
    if (part.dim() == 1)
      if (const int64_t row = first_not_finite(part.unsqueeze(1)); row >= 0)
        return {row, "part '" + name + "'"};
  if (terms.loss.dim() == 1)
    if (const int64_t row = first_not_finite(terms.loss.unsqueeze(1)); row >= 0) return {row, "the loss"};
  const Tensor h = model.posterior(batch.x, batch.context)->location();
  if (const int64_t row = first_not_finite(h); row >= 0) return {row, "the encoding"};
  return {first_not_finite(model.nll(batch.x, model.decode(h, batch.context), batch.context).unsqueeze(1)),
          "−log p(x|z)"};
}

}  // namespace

Values evaluate_objective(model::Assembly& assembly, model::Batches& batches, const config::TrainSpec& spec,
                          Group* group) {
  at::NoGradGuard no_grad;
  assembly.set_training(false);
  const int64_t rows = evaluated_rows(batches, spec),
                number = (rows + spec.evaluation_batch - 1) / spec.evaluation_batch;
  Sums sums;
  VisitTable table(number * spec.evaluation_samples);
  visit_evaluation(
      assembly, batches, spec, group, [&](const Terms& terms, const Batch& batch, const Visit& at) {
        const double weight = static_cast<double>(batch.x.size(0));
        if (!group) {
          add(sums, terms, weight);
          return true;
        }
        Sums own;
        std::map<std::string, double> shares;
        for_each_term(terms, weight, [&](const std::string& name, const Tensor& whole, double share) {
          own[name] = whole;
          shares[name] = share;
        });
        table.keep(at.counts ? at.number : -1, own, shares);
        return true;
      });
  assembly.set_training(true);
  if (group) sums = table.joined(*group);
  return means(sums, rows * spec.evaluation_samples);
}

std::string what_is_not_finite(model::Assembly& assembly, model::Batches& batches,
                               const config::TrainSpec& spec, const Values& evaluation) {
  std::string names;
  for (const auto& [name, value] : evaluation)
    if (!std::isfinite(value)) names += (names.empty() ? "" : ", ") + name;
  if (names.empty()) return {};
  at::NoGradGuard no_grad;
  assembly.set_training(false);
  std::string where;
  visit_evaluation(assembly, batches, spec, nullptr,
                   [&](const Terms& terms, const Batch& batch, const Visit& at) {
                     const int64_t first = at.first;
                     bool good = finite(terms.loss);
                     for (const auto& [name, part] : terms.parts) good = good && finite(part);
                     if (good) return true;
                     const auto [row, what] = guilty_row(assembly.model(), terms, batch);
                     where = row >= 0 ? fmt::format("row {} (counted from 0) of split {} ({})", first + row,
                                                    batches.evaluation_split(), what)
                                      : fmt::format("rows {} to {} of split {}", first,
                                                    first + batch.x.size(0) - 1, batches.evaluation_split());
                     return false;
                   });
  assembly.set_training(true);
  return names + " not finite" + (where.empty() ? "" : "; the first such value comes from " + where);
}

namespace {

// Mixed precision has LibTorch cast between operators, which a recording on the CPU cannot see.
RepeatedStep::MakeRecorder recorder_for(const Model& model) {
  const at::Device device = model.options.device();
  if (!device.is_cpu()) return graph_recorder(device, model.rng);
  return model.mixed_precision() ? RepeatedStep::MakeRecorder() : tape_recorder(device, model.rng);
}

}  // namespace

Trainer::Trainer(const config::TrainSpec& spec, int64_t horizon,
                 std::map<std::string, std::string> attributes, model::Assembly& assembly,
                 model::Batches& batches, model::RunFolder& folder, base::Log& log, Observer& observer)
    : spec_(spec),
      horizon_(horizon),
      attributes_(std::move(attributes)),
      assembly_(assembly),
      batches_(batches),
      folder_(folder),
      observer_(observer),
      log_(log),
      optimizer_(assembly.parameter_groups(spec.optimizer)) {
  judging_.part = spec.early_stopping ? spec.early_stopping->part : spec.best;
  if (spec.shards > 1)
    log_.debug("train", [] { return std::string("steps are not recorded: train.shards"); });
  else if (assembly.model().reference())
    log_.debug("train", [] {
      return std::string("steps are not recorded: a reference training does without what saves time");
    });
  else record_with(recorder_for(assembly.model()));
}

void Trainer::record_with(RepeatedStep::MakeRecorder make, bool also_if_slower) {
  if (spec_.shards > 1) make = {};
  const auto says = [this](Saying saying, const std::string& text) {
    if (saying == Saying::kDetail) log_.debug("train", [&] { return text; });
    else if (saying == Saying::kInfo) log_.info(text);
    else log_.note(text);
  };
  const auto changed_by_a_step = [this] {
    std::map<std::string, Tensor> tensors = assembly_.state();
    tensors.merge(optimizer_.state());
    for (const auto& [name, sum] : progress_.sums) tensors["sum of " + name] = sum;
    return tensors;
  };
  repeated_ = RepeatedStep(std::move(make), says, StepState{changed_by_a_step, assembly_.model().rng});
  if (also_if_slower) repeated_.keep_slower();
}

void Trainer::restore(const checkpoint::Snapshot& snapshot, bool accept_changed_metrics) {
  assembly_.load(snapshot.tensors, assembly_.kinds());
  if (!snapshot.attributes.contains(model::kModelOnly))
    optimizer_.load(snapshot.tensors);  // else no steps are left
  progress_ = Progress::from(snapshot.tensors, assembly_.spec().options.device());
  folder_.truncate_metrics(progress_.metrics_bytes, accept_changed_metrics);
  progress_.metrics_bytes = folder_.metrics_bytes();
  evaluated_at_ = progress_.step;
  restored_ = true;
  repeated_.others_ran();
  // The best step was chosen while a schedule ran that has become longer, or by an earlier release: not comparable now.
  if (progress_.best_step >= 0 && progress_.best_step < judging_.from) {
    progress_.best = std::numeric_limits<double>::infinity();
    progress_.best_step = -1;
    progress_.evaluations_since_best = 0;
  }
}

void Trainer::take_state_of_first(ProcessGroup& group) {
  progress_ = progress_of_first(group, progress_, assembly_.spec().options.device());
  std::map<std::string, Tensor> tensors = assembly_.state();
  tensors.merge(optimizer_.state());
  copy_from_first(group, tensors);
  restored_ = group.any(restored_);
  if (restored_) evaluated_at_ = progress_.step;
  repeated_.others_ran();
}

void Trainer::keep() {
  writer_.finish();
  write_checkpoint({folder_.last()});
  writer_.finish();
}

double Trainer::epoch() const {
  return static_cast<double>(progress_.step) * static_cast<double>(spec_.batch) /
         static_cast<double>(batches_.size());
}

// Whether the last step completed another period.
bool Trainer::due(const config::Every& every) const {
  if (every.count <= 0) return false;
  const auto periods = [&](int64_t step) {
    return every.in_epochs ? step * spec_.batch / batches_.size() / every.count : step / every.count;
  };
  return periods(progress_.step) > periods(progress_.step - 1);
}

// Makes ready for steps in shards (train.shards).
void Trainer::cut_into_shards() {
  if (sharded_) return;
  if (spec_.shards == 1) {
    Shards::of(1, group_);  // throws when several processes would train it
    return;
  }
  const Batch batch = batches_.training(0);
  constexpr int64_t kCompared = 4;
  const int64_t rows = std::min(kCompared, batch.x.size(0));
  const Batch few{batch.x.narrow(0, 0, rows), batch.context.rows(0, rows), batch.dataset_size};
  sharded_ = std::make_unique<ShardedStep>(spec_.shards, assembly_, optimizer_, few, group_);
  log_.debug("train", [this] { return sharded_->description(); });
}

Terms Trainer::update_in_shards(const Batch& batch) {
  const Terms terms = sharded_->run(batch, progress_.step, spec_.clip_norm, [&](const Terms& found) {
    if (found.loss.is_cpu() && !std::isfinite(found.loss.item<double>())) fail_not_finite(found, batch);
  });
  add(progress_.sums, terms, 1);
  return terms;
}

// Does all work on the device. RepeatedStep records and replays it.
Terms Trainer::update(const Batch& batch) {
  if (sharded_) return update_in_shards(batch);
  Terms terms = assembly_.model().evaluate(batch);
  const Tensor loss = terms.loss.mean();
  terms.loss = terms.loss.detach();
  for (auto& [name, part] : terms.parts) part = part.detach();
  // A GPU is not synchronised in every step: there, the log lines and checkpoints check the loss instead.
  if (loss.is_cpu())
    repeated_.look([this, value = loss.detach(), terms, batch] {
      if (!std::isfinite(value.item<double>())) fail_not_finite(terms, batch);
    });
  in_backward(assembly_.model(), loss, [&] { loss.backward(); });
  if (spec_.clip_norm > 0) optimizer_.clip(spec_.clip_norm);
  optimizer_.update();
  optimizer_.zero_grad();
  add(progress_.sums, terms, 1);
  return terms;
}

Values Trainer::train_step() {
  assembly_.set_step(progress_.step);
  optimizer_.set_rates(progress_.step, horizon_);
  const Batch batch = [&] {
    const Timed timed(spent_.batches);
    return batches_.training(progress_.step);
  }();
  const Terms terms = [&] {
    const Timed timed(spent_.steps);
    return repeated_.run(batch, [this](const Batch& rows) { return update(rows); });
  }();
  ++progress_.summed;
  ++progress_.step;
  if (spec_.log_every <= 0 || progress_.step % spec_.log_every != 0) return {};
  const Values values = means(progress_.sums, progress_.summed);
  if (!std::isfinite(values.at("loss"))) fail_not_finite(terms, batch);
  for (auto& [name, sum] : progress_.sums) sum.zero_();
  progress_.summed = 0;
  return write_log_line(values);
}

Values Trainer::write_log_line(Values values) {
  repeated_.others_ran();
  Model& model = assembly_.model();
  if (const std::optional<double> beta = beta_of(model)) values["beta"] = *beta;
  if (const std::optional<double> beta = effective_beta(model)) values["beta_eff"] = *beta;
  values["lr"] = spec_.optimizer.lr.at(progress_.step - 1, horizon_);
  progress_.metrics_bytes = folder_.append_metrics(line(progress_.step, epoch(), "train", values));
  return values;
}

void Trainer::evaluate_into(Outcome& outcome) {
  repeated_.others_ran();
  const Timed timed(spent_.evaluations);
  outcome.evaluation = evaluate_objective(assembly_, batches_, spec_, group_);
  outcome.not_finite = what_is_not_finite(assembly_, batches_, spec_, outcome.evaluation);
  if (!outcome.not_finite.empty())
    log_.warning(fmt::format("step {}: {}. Such an evaluation is never the best one.", progress_.step,
                             outcome.not_finite));
}

// Evaluates. Returns whether it was the best evaluation so far.
bool Trainer::evaluate_now(Outcome& outcome) {
  if (batches_.evaluation_size() == 0 || evaluated_at_ == progress_.step) return false;
  evaluate_into(outcome);
  evaluated_at_ = progress_.step;
  progress_.metrics_bytes =
      folder_.append_metrics(line(progress_.step, epoch(), batches_.evaluation_split(), outcome.evaluation));
  const bool best = is_best(outcome.evaluation);
  observer_.evaluated(progress_.step, batches_.evaluation_split(), outcome.evaluation, best);
  return best;
}

// Whether an evaluation is the best so far. Counts it for early stopping, too.
bool Trainer::is_best(const Values& evaluation) {
  if (progress_.step < judging_.from) return false;
  if (!evaluation.contains(judging_.part)) {
    std::string known;
    for (const auto& [name, value] : evaluation) known += (known.empty() ? "" : ", ") + name;
    throw std::runtime_error("train.best names the part '" + judging_.part +
                             "', which this objective does not have; it has: " + known + ".");
  }
  const double value = judging_.value_of(evaluation);
  const double enough = spec_.early_stopping ? spec_.early_stopping->min_delta : 0;
  if (!(std::isfinite(value) && value < progress_.best - enough)) {
    ++progress_.evaluations_since_best;
    return false;
  }
  progress_.best = value;
  progress_.best_step = progress_.step;
  progress_.evaluations_since_best = 0;
  return true;
}

void Trainer::check_parameters() const {
  for (const auto& [name, tensor] : assembly_.state())
    if (tensor.is_floating_point() && !finite(tensor))
      throw NotFinite(
          fmt::format("at step {}, {} holds values that are not finite; the last good checkpoint is kept. "
                      "Lower the learning rate, or set train.clip_norm.",
                      progress_.step, name));
}

void Trainer::write_checkpoint(std::vector<std::filesystem::path> paths) {
  const Timed timed(spent_.checkpoints);
  check_parameters();
  if (!folder_.writes()) return;
  checkpoint::Snapshot snapshot;
  snapshot.attributes = attributes_;
  snapshot.tensors = assembly_.state();
  snapshot.tensors.merge(optimizer_.state());
  snapshot.tensors.merge(progress_.tensors());
  writer_.write(snapshot, std::move(paths),
                [this] { folder_.sync_metrics(); });  // before a checkpoint records their length
}

Outcome Trainer::run(int64_t stop_at, const std::function<bool()>& interrupted) {
  Outcome outcome;
  spent_ = {};
  const OwnStream stream(assembly_.spec().options.device());
  assembly_.set_training(true);
  cut_into_shards();
  if (progress_.step == 0 && !restored_) write_checkpoint({folder_.last()});
  const int64_t end = std::min(stop_at, horizon_);
  const auto started = std::chrono::steady_clock::now();
  const int64_t first = progress_.step;
  const plugins::AmbientState ambient = plugins::AmbientState::now();
  const auto stopped_early = [this] {
    return spec_.early_stopping && progress_.evaluations_since_best >= spec_.early_stopping->patience;
  };
  // It was killed between its last checkpoint and its end, or resumed although it had ended.
  const bool all_done = progress_.step >= horizon_ || stopped_early();
  while (progress_.step < end && !all_done) {
    const Values logged = train_step();
    observer_.stepped(progress_.step, horizon_, logged);
    const bool last = progress_.step == end, stop = interrupted();
    const bool best = (due(spec_.evaluate_every) || (last && end == horizon_)) && evaluate_now(outcome);
    const bool early = stopped_early(), save = due(spec_.checkpoint_every) || last || stop || early;
    const std::int64_t done = progress_.step - first;
    if (done <= kFirstSteps || done % kLookEvery == 0 || best || save) tell_changes(ambient);
    writer_.check();
    std::vector<std::filesystem::path> files;
    if (best) files.push_back(folder_.best());
    if (save) files.push_back(folder_.last());
    if (!files.empty()) write_checkpoint(std::move(files));
    if (save) {
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
      folder_.append_timing(
          {{"step", progress_.step}, {"steps", progress_.step - first}, {"seconds", seconds}});
    }
    if (stop && !(last && end == horizon_)) outcome.ending = Ending::kInterrupted;
    else if (early) outcome.ending = Ending::kStoppedEarly;
    else continue;
    const Ending ending = outcome.ending;
    return ended(std::move(outcome), ending);
  }
  if (all_done && outcome.evaluation.empty() && batches_.evaluation_size() > 0) {
    assembly_.set_step(std::max<int64_t>(progress_.step - 1, 0));  // schedules as at the last evaluation
    evaluate_into(outcome);
  }
  const Ending ending = progress_.step >= horizon_ ? Ending::kFinished
                        : stopped_early()          ? Ending::kStoppedEarly
                                                   : Ending::kStopAt;
  return ended(std::move(outcome), ending);
}

// Reports and restores state of the process that components have changed.
void Trainer::tell_changes(const plugins::AmbientState& ambient) {
  for (const std::string& sentence : take_changed_modes()) log_.warning(sentence);
  const std::string changes =
      plugins::changed_text("a component, up to step " + std::to_string(progress_.step), ambient.restore());
  if (!changes.empty() && told_.insert(changes.substr(changes.find(", changed"))).second)
    log_.warning(changes);
}

Outcome Trainer::ended(Outcome outcome, Ending ending) {
  {
    const Timed timed(spent_.checkpoints);
    writer_.finish();
  }
  log_.debug("train", [&] { return "time of the training: " + spent_.text(); });
  outcome.ending = ending;
  outcome.step = progress_.step;
  outcome.best_step = progress_.best_step;
  outcome.best = progress_.best;
  return outcome;
}

namespace {

// Lists what an encoder with the stock networks' parameters offers for data of many magnitudes and does not use yet:
// " model.encoder.input=log1p" and the like.
std::string offers_for_large_data(const config::ComponentSpec& encoder) {
  std::string offers;
  const auto offer = [&](const char* name, const std::string& unused, const char* value) {
    const auto found = encoder.parameters.find(name);
    const auto* text = found == encoder.parameters.end() ? nullptr : std::get_if<std::string>(&found->second);
    if (!text || *text != unused) return;
    offers += std::string(offers.empty() ? "" : " or ") + "model.encoder." + name + "=" + value;
  };
  offer(nn::kInput.name, nn::kInput.text_default, "log1p");
  offer(nn::kNormalisation.name, nn::kNormalisation.text_default, "layer");
  return offers;
}

// Returns advice against values that are not finite. Before the first update the learning rate cannot be the cause.
std::string advice(int64_t step, const Tensor& x, const config::ComponentSpec& encoder, bool uses_curvature) {
  constexpr double kLarge = 1000;
  const double largest = x.isfinite().all().item<bool>() ? x.abs().max().item<double>() : 0;
  if (largest > kLarge) {
    const std::string offers = offers_for_large_data(encoder);
    return fmt::format(
        "The data of this batch reach {:.6g}, too much for a network to take as they are: {}.", largest,
        offers.empty() ? "scale them (data.scale=standardise for real values)" : "try " + offers);
  }
  std::string text = step == 0
                         ? "Use precision = \"float64\", or another scale of the data."
                         : "Lower the learning rate, set train.clip_norm, or use precision = \"float64\".";
  if (uses_curvature)
    text +=
        " Where the likelihood's second derivative is negative the objective has no lower bound: use its Fisher "
        "information if the objective offers it (variform describe).";
  return text;
}

}  // namespace

void Trainer::fail_not_finite(const Terms& terms, const Batch& batch) {
  at::NoGradGuard no_grad;
  std::string term = "loss";
  for (const auto& [name, part] : terms.parts)
    if (!finite(part)) {
      term = name;
      break;
    }
  // The first tensor between data and loss that is not finite belongs to the culprit.
  assembly_.set_step(progress_.step);
  Model& model = assembly_.model();
  std::string culprit = std::string("objective ") + model.label(Kind::kObjective);
  try {
    const auto blame = [&](Kind kind) { culprit = std::string(to_string(kind)) + " " + model.label(kind); };
    const Tensor parameters = model.encoder().encode(batch.x, batch.context);
    if (!finite(batch.x)) culprit = "the data";
    else if (!finite(parameters)) blame(Kind::kEncoder);
    else {
      const auto posterior = model.posterior(batch.x, batch.context);
      const Draw draw = posterior->rsample(1, model.rng);
      const Tensor g = model.decode(draw.z, batch.context);
      if (!finite(posterior->location()) || !finite(draw.z)) blame(Kind::kFamily);
      else if (!finite(g)) blame(Kind::kDecoder);
      else if (!finite(model.nll(batch.x, g, batch.context))) blame(Kind::kLikelihood);
      else if (!finite(model.log_prior(draw.z, batch.context))) blame(Kind::kPrior);
    }
  } catch (const std::exception&) {  // the search for the culprit must not hide the finding
  }
  throw NotFinite(
      fmt::format("at step {}, the term '{}' of the loss is not finite; the first value that is not "
                  "finite comes from {}. The last good checkpoint is kept. {}",
                  progress_.step, term, culprit,
                  advice(progress_.step, batch.x, assembly_.spec().slots.at(Kind::kEncoder),
                         model.objective().uses_tangents())));
}

}  // namespace variform::train
