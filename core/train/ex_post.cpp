// See ex_post.h.

#include "train/ex_post.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/random.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include <fmt/format.h>

#include "base/file.h"
#include "base/json_file.h"
#include "base/sha256.h"
#include "checkpoint/snapshot.h"
#include "config/load.h"
#include "model/preflight.h"
#include "model/rows.h"
#include "model/session.h"
#include "train/fitted_prior.h"
#include "train/optimizer.h"

namespace variform::train {
namespace {

namespace fs = std::filesystem;

// The protocol of a fit, which is part of a kept fit's key.
constexpr int64_t kSteps = 3000, kBatch = 500, kMostFitted = 60000, kMostDraws = 16, kRowsAtATime = 250;
constexpr double kFirstRate = 2e-2, kLastRate = 1e-4;
constexpr int kFitProtocol = 1;

std::string with_thousands(int64_t number) {
  std::string text = std::to_string(number);
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string nats(double value) { return fmt::format("{:.2f}", value); }

// ------------------------------------------------------------------------------------------------- the latents

// Returns draws of q(z|x) for at most `most` rows evenly spread over a split, [K, N, d].
Tensor latents_of(model::Session& session, const std::string& split, int64_t most, int64_t draws) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  Model& model = session.assembly->model();
  model::Rows rows(session, split);
  const int64_t count = std::min(most, rows.size());
  const Tensor chosen = at::arange(count).mul(rows.size()).div(count, "floor").to(at::kLong);
  std::vector<Tensor> parts;
  for (const Tensor& some : chosen.split(kRowsAtATime)) {
    const Batch batch = rows.at(some);
    model.rng.set_current_seed(hash(session.assembly->spec().seed, "ex post", rows.split(),
                                    static_cast<uint64_t>(some[0].item<int64_t>())));
    parts.push_back(model.posterior(batch.x, batch.context)->rsample(draws, model.rng).z);
  }
  return at::cat(parts, 1);
}

// The same for data that are drawn afresh: for those of the training's first steps.
Tensor fresh_latents(model::Session& session, int64_t most, int64_t draws) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  Model& model = session.assembly->model();
  std::vector<Tensor> parts;
  int64_t count = 0;
  for (int64_t step = 0; count < std::min(most, session.batches->size()); ++step) {
    const Batch batch = session.batches->training(step);
    model.rng.set_current_seed(
        hash(session.assembly->spec().seed, "ex post", "fresh", static_cast<uint64_t>(step)));
    parts.push_back(model.posterior(batch.x, batch.context)->rsample(draws, model.rng).z);
    count += batch.x.size(0);
  }
  return at::cat(parts, 1);
}

Tensor training_latents(model::Session& session) {
  constexpr int64_t kNumbers = int64_t{1} << 26;
  const bool is_fresh = session.splits.train.size() == 0;
  const int64_t rows =
      std::min(kMostFitted, is_fresh ? session.batches->size() : session.splits.train.size());
  const int64_t draws =
      std::clamp<int64_t>(kNumbers / (std::max<int64_t>(1, rows) * session.experiment.latent), 1, kMostDraws);
  return is_fresh ? fresh_latents(session, kMostFitted, draws)
                  : latents_of(session, "train", kMostFitted, draws);
}

// Returns the test split, or the rows held out of the training's; empty: neither exists.
std::string held_out_split(const model::Session& session) {
  if (session.splits.test.size() > 0) return "test";
  if (session.splits.validation.size() > 0) return "validation";
  return session.batches->evaluation_size() > 0 ? session.batches->evaluation_split() : "";
}

// ------------------------------------------------------------------------------------------------- the fit

// Returns the mean of −log p over latents [N, d], in nats.
double mean_nll(Prior& prior, const Tensor& z) {
  const at::NoGradGuard no_grad;
  double sum = 0;
  for (const Tensor& some : z.split(4096))
    sum -= prior.log_prob(some, {}).to(at::kDouble).sum().item<double>();
  return sum / static_cast<double>(z.size(0));
}

struct Standard {
  Tensor location, scale;  // [d]
  int64_t constant = 0;    // latents that do not vary
};

// Computes mean and deviation of each latent over all draws [K, N, d]; one that does not vary gets a small scale.
Standard standard_of(const Tensor& z) {
  const Tensor all = z.flatten(0, 1).to(at::kDouble);
  const Tensor deviation = all.std(0, /*unbiased=*/false), least = 1e-4 * deviation.max().clamp_min(1e-8);
  return {all.mean(0).to(z.scalar_type()), at::maximum(deviation, least).to(z.scalar_type()),
          (deviation < least).sum().item<int64_t>()};
}

// Chooses where to start by likelihood: in standardised latents, or in the latents as they are. The latter suits a
// prior that is made of the model's own posteriors.
std::shared_ptr<FittedPrior> start_of(const std::shared_ptr<Prior>& inner, const Standard& standard,
                                      const Tensor& z) {
  bool has_parameters = false;
  for (const Tensor& parameter : inner->parameters()) has_parameters |= parameter.requires_grad();
  const auto at = [&](const Tensor& location, const Tensor& scale) {
    return std::make_shared<FittedPrior>(inner, location.clone(), scale.clone(), !has_parameters);
  };
  const auto moved = at(standard.location, standard.scale);
  if (!has_parameters) return moved;
  const auto plain = at(at::zeros_like(standard.location), at::ones_like(standard.scale));
  const Tensor some = z[0].narrow(0, 0, std::min<int64_t>(2000, z.size(1)));
  return mean_nll(*plain, some) < mean_nll(*moved, some) ? plain : moved;
}

// Maximises the likelihood on z [K, N, d]. Each pass over the rows takes another of the K draws.
void fit(FittedPrior& prior, const Tensor& z, uint64_t seed, const base::Watch& watch) {
  model::ParameterGroup group;
  group.spec.lr.shape = config::Schedule::Shape::kCosine;
  group.spec.lr.from = kFirstRate;
  group.spec.lr.to = kLastRate;
  for (const auto& item : prior.named_parameters())
    if (item.value().requires_grad()) group.parameters.push_back({item.key(), item.value()});
  train::Optimizer optimizer({group});
  Generator generator = model::make_generator(at::kCPU, 0);
  const int64_t rows = z.size(1), batch = std::min(kBatch, rows);
  const at::AutoGradMode with_gradients(true);
  Tensor order, last;
  for (int64_t step = 0, pass = 0, at = rows; step < kSteps; ++step, at += batch) {
    base::tell(watch, "prior", step, kSteps);
    if (at + batch > rows) {  // the next pass, in another order
      generator.set_current_seed(hash(seed, "ex post", "order", static_cast<uint64_t>(pass++)));
      order = at::randperm(rows, generator, at::TensorOptions().dtype(at::kLong)).to(z.device());
      at = 0;
    }
    const Tensor some = z[(pass - 1) % z.size(0)].index_select(0, order.narrow(0, at, batch));
    last = -prior.log_prob(some, {}).mean();
    last.backward();
    optimizer.set_rates(step, kSteps);
    optimizer.update();
    optimizer.zero_grad();
  }
  if (!std::isfinite(last.item<double>()))
    throw std::runtime_error(
        fmt::format("the fit of the prior to the latents diverged (−log p is not finite after {} steps); "
                    "give it other starting values.",
                    kSteps));
}

// ------------------------------------------------------------------------------------------------- what is kept

std::string checksum_of_state(const std::map<std::string, Tensor>& state) {
  base::Sha256 sum;
  for (const auto& [name, tensor] : state) {
    const Tensor plain = tensor.detach().to(at::kCPU).contiguous();
    sum.update(name + to_text(plain.sizes()));
    sum.update(std::as_bytes(std::span(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes())));
  }
  return sum.hex();
}

constexpr const char* kPrefix = "model/prior/";

checkpoint::Snapshot snapshot_of(const ExPostFit& found, const std::string& key, FittedPrior& prior) {
  checkpoint::Snapshot snapshot;
  snapshot.attributes = {{"prior", found.table}, {"key", key}, {"fit", found.json().dump()}};
  for (const auto& item : prior.named_parameters())
    snapshot.tensors[std::string(kPrefix) + "parameters/" + item.key()] = item.value().detach();
  for (const auto& item : prior.named_buffers())
    snapshot.tensors[std::string(kPrefix) + "buffers/" + item.key()] = item.value();
  return snapshot;
}

// Writes the fit. Failing to is only a note, since the fit itself is at hand.
void keep_fit(ExPostFit& found, const std::string& key, FittedPrior& prior) {
  try {
    base::make_folder_inside(found.file.parent_path().parent_path(), found.file.parent_path());
    checkpoint::write(snapshot_of(found, key, prior), found.file);
  } catch (const std::exception& error) {
    found.notes.push_back(std::string(error.what()) + " The fit was not kept.");
  }
}

// Reads a kept fit into the prior; throws when the file is not that fit.
void read_fit(ExPostFit& found, const std::string& key, FittedPrior& prior) {
  const checkpoint::Snapshot kept = checkpoint::read(found.file);
  const checkpoint::Snapshot expected = snapshot_of(found, key, prior);
  std::map<std::string, checkpoint::Expected> shapes;
  for (const auto& [name, tensor] : expected.tensors)
    shapes[name] = {tensor.sizes().vec(), tensor.scalar_type()};
  if (!kept.attributes.contains("fit") || !kept.attributes.contains("key") ||
      kept.attributes.at("key") != key)
    throw std::runtime_error(found.file.string() + " is not a fit of this prior to this model.");
  if (const std::string difference = checkpoint::compare(shapes, kept, ""); !difference.empty())
    throw std::runtime_error(found.file.string() + " does not fit this prior: " + difference);
  const base::JsonFile file(kept.attributes.at("fit"), found.file.string() + ", attribute fit");
  const base::JsonValue fit = file.root();
  found.data = fit.at("data").integer(0);
  found.draws = fit.at("draws").integer(0);
  if (const auto held_out = fit.find("held_out")) {
    found.held_out = held_out->text();
    found.latents_before = fit.at("latents_before").number();
    found.latents_after = fit.at("latents_after").number();
  }
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : expected.tensors) Tensor(tensor).copy_(kept.tensors.at(name));
  found.was_kept = true;
}

}  // namespace

std::string ExPostFit::sentence() const {
  std::string text = was_kept ? "prior " + name + ", fitted before to " : "fitted prior " + name + " to ";
  text += with_thousands(data) + " latents of the training split";
  if (!held_out.empty())
    text += ": −log p " + nats(latents_before) + " → " + nats(latents_after) + " nats on held-out latents (" +
            held_out + ")";
  return text;
}

nlohmann::json ExPostFit::json() const {
  nlohmann::json result = {{"prior", table}, {"data", data}, {"draws", draws}};
  if (!held_out.empty()) {
    result["held_out"] = held_out;
    result["latents_before"] = latents_before;
    result["latents_after"] = latents_after;
  }
  return result;
}

namespace {

// Returns the model with another prior in its slot, and all other components shared. A family that looks at the prior
// keeps looking at the former one, so that q(z|x) stays as it was trained.
std::unique_ptr<model::Assembly> with_prior(model::Assembly& trained, const config::ComponentSpec& prior,
                                            const plugins::Registry& registry) {
  model::ModelSpec spec = trained.spec();
  spec.slots[Kind::kPrior] = prior;
  auto made = std::make_unique<model::Assembly>(spec, registry);
  HostModel& model = made->model();
  for (Kind kind : trained.kinds())
    if (kind != Kind::kPrior) model.set(kind, trained.model().component(kind), trained.model().label(kind));
  made->set_training(false);
  model.set_step(trained.model().step());
  if (is_conditioned(model.prior()))
    throw Error(
        "prior " + model.label(Kind::kPrior) +
        " is conditioned, and a prior is fitted afterwards to latents alone; train the model with it, or choose "
        "one without condition");
  const Support support = model.prior().support();
  if (std::isfinite(support.low) || std::isfinite(support.high))
    throw Error(
        "prior " + model.label(Kind::kPrior) +
        " has a bounded support, outside of which log p of a latent is −∞; choose one that is positive "
        "everywhere");
  if (model.family().finite_moments() < model.prior().moments_needed())
    throw Error(
        fmt::format("draws of family {} have finite moments up to order {} only, and prior {} needs "
                    "order {}; choose a prior with heavier tails",
                    model.label(Kind::kFamily), model.family().finite_moments(), model.label(Kind::kPrior),
                    model.prior().moments_needed()));
  return made;
}

// Fits the prior and measures −log p before and after.
std::shared_ptr<FittedPrior> fitted(ExPostFit& found, Model& model, model::Session& own,
                                    const base::Watch& watch) {
  const Tensor latents = training_latents(own);
  const Standard standard = standard_of(latents);
  found.data = latents.size(1);
  found.draws = latents.size(0);
  if (standard.constant > 0)
    found.notes.push_back(
        fmt::format("{} of {} latents hardly vary over the data; a density of them means little.",
                    standard.constant, latents.size(2)));
  auto prior = start_of(std::static_pointer_cast<Prior>(model.component(Kind::kPrior)), standard, latents);
  std::vector<std::unique_ptr<Frozen>> frozen;  // a prior may be made of the model's other components
  for (Kind kind : kAllKinds)
    if (kind != Kind::kPrior) frozen.push_back(std::make_unique<Frozen>(*model.component(kind)));
  fit(*prior, latents, own.assembly->spec().seed, watch);
  found.held_out = held_out_split(own);
  if (found.held_out.empty()) return prior;
  const Tensor others = latents_of(own, found.held_out, kMostFitted, 1)[0];
  found.latents_before = mean_nll(own.assembly->model().prior(), others);
  found.latents_after = mean_nll(*prior, others);
  return prior;
}

// Returns the kept fit if there is one and it is sound, else null.
std::shared_ptr<FittedPrior> kept(ExPostFit& found, const std::string& key, Model& model) {
  if (!fs::exists(found.file)) return nullptr;
  const auto inner = std::static_pointer_cast<Prior>(model.component(Kind::kPrior));
  bool has_parameters = false;
  for (const Tensor& parameter : inner->parameters()) has_parameters |= parameter.requires_grad();
  const Tensor ones = at::ones({model.latent}, model.options);
  auto prior = std::make_shared<FittedPrior>(inner, at::zeros_like(ones), ones, !has_parameters);
  try {
    read_fit(found, key, *prior);
  } catch (const std::exception& error) {
    found.notes.push_back(std::string(error.what()) + " It was fitted again.");
    return nullptr;
  }
  return prior;
}

}  // namespace

ExPostFit use_ex_post_prior(model::Session& session, model::Session& own, const config::GivenComponent& prior,
                            const plugins::Registry& registry, const fs::path& folder,
                            const base::Watch& watch) {
  ExPostFit found;
  found.name = prior.component.type;
  found.table = config::print_value(prior.resolved);
  try {
    std::unique_ptr<model::Assembly> made = with_prior(*session.assembly, prior.component, registry);
    HostModel& model = made->model();
    const std::string label = model.label(Kind::kPrior);
    const config::Node* data = own.experiment.resolved.find("data");
    const std::string key = base::sha256(fmt::format("protocol {}\n{}\n{}\n{}\n{}", kFitProtocol, label,
                                                     found.table, data ? config::print_value(*data) : "",
                                                     checksum_of_state(own.assembly->state())));
    found.id = found.name + "-" + base::sha256(found.table).substr(0, 8);
    found.file = folder / (found.id + "-" + key.substr(0, 8) + ".h5");

    std::shared_ptr<FittedPrior> result = kept(found, key, model);
    if (!result) {
      result = fitted(found, model, own, watch);
      keep_fit(found, key, *result);
    }
    result->eval();
    model.set(Kind::kPrior, result, label + ", fitted ex post");
    session.trained = std::move(session.assembly);
    session.assembly = std::move(made);
  } catch (const Error& error) {
    throw config::Error("prior " + found.table + " cannot be fitted to this model: " + error.what());
  }
  return found;
}

}  // namespace variform::train
