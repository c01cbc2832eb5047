// See pass.h.

#include "measure/pass.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/accumulate.h>

#include <variform/ext/levels.h>
#include <variform/ext/prior.h>
#include <variform/random.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "base/watch.h"
#include "model/session.h"

namespace variform::measure {

struct Pass::AtHand {
  Batch batch;
  Tensor index;  // row numbers in the data set, int64 on the CPU
  std::shared_ptr<const Posterior> posterior;
  Once<Tensor> codes, nll, nll_at_codes, kl, factors;
  Once<Draw> draws;
  Once<LocalDerivatives> local;
  Once<Covariance> covariance;
  std::map<double, Covariance> optimal;     // by β
  std::map<std::string, Tensor> penalties;  // by the structure's name
};

Pass::Pass(model::Session& session, const EvaluateOptions& options, Tensor chosen)
    : session_(session),
      options_(options),
      model_(session.assembly->model()),
      rows_(session, options.split),
      chosen_(std::move(chosen)),
      available_(options.limit > 0 ? std::min(options.limit, rows_.size()) : rows_.size()),
      beta_(options.beta ? options.beta : model_.objective().final_beta()) {
  size_ = chosen_.defined() ? chosen_.size(0) : available_;
  if (beta_ && !(*beta_ >= 0)) throw std::invalid_argument("β must not be negative.");
  if (const auto gaussian = common_gaussian(model_.prior()))
    precision_ = optimum_precision_ = gaussian->covariance.to(at::kDouble).precision()[0];
  else if (session.trained)
    if (const auto former = common_gaussian(session.trained->model().prior()))
      optimum_precision_ = former->covariance.to(at::kDouble).precision()[0];
  if (options.block > 0) blocks_ = Structure::named("block", model_.latent, options.block).blocks;
}
Pass::~Pass() = default;

std::int64_t Pass::rows_at_a_time(std::int64_t most) const {
  // The largest tensors are a batch's tangents: d·P numbers per row in float64, and hidden layers.
  constexpr std::int64_t kNumbers = std::int64_t{1} << 25;
  const std::int64_t each = model_.latent * std::max<std::int64_t>(1024, c10::multiply_integers(model_.data) *
                                                                             model_.likelihood().outputs());
  return std::clamp<std::int64_t>(kNumbers / each, 1, most);
}

void Pass::begin(std::int64_t first, std::int64_t count) {
  at_hand_ = std::make_unique<AtHand>();
  first_ = first;
  if (chosen_.defined()) {
    at_hand_->index = chosen_.slice(0, first, first + count);
    at_hand_->batch = rows_.at(at_hand_->index);
  } else {
    at_hand_->index = at::arange(first, first + count, at::kLong);
    at_hand_->batch = rows_.range(first, count);
  }
  const Tensor& mask = at_hand_->batch.context.mask;
  rows_seen_ += count;
  values_seen_ +=
      mask.defined() ? mask.sum().item<std::int64_t>() : count * c10::multiply_integers(model_.data);
}

void Pass::end(const std::string& part) {
  at_hand_.reset();
  features_.reset();  // a model and its data
  first_ = 0;
  part_ = part;
}

Pass::AtHand& Pass::at_hand() {
  if (!at_hand_) throw Error("there is no batch at hand: the rows are given in measure() only");
  return *at_hand_;
}

// ------------------------------------------------------------------------------------------------ the evaluation

std::uint64_t Pass::seed(std::string_view purpose) const {
  return hash(session_.assembly->spec().seed, "evaluate", rows_.split(), purpose);
}

Generator& Pass::random(std::string_view purpose) {
  model_.rng.set_current_seed(hash(session_.assembly->spec().seed, "evaluate", rows_.split(), purpose,
                                   static_cast<std::uint64_t>(first_)));
  return model_.rng;
}

Generator& Pass::random_at(std::string_view purpose, std::uint64_t index) {
  model_.rng.set_current_seed(hash(session_.assembly->spec().seed, "evaluate", purpose, index));
  return model_.rng;
}

Features& Pass::features() {
  if (features_) return *features_;
  if (!options_.network) throw Unsupported("this evaluation has no classifier for features");
  const at::AutoGradMode on(true);  // it may have to be trained first
  return features_.emplace(session_, options_.network(), split());
}

void Pass::progress(std::int64_t done, std::int64_t all) {
  if (!at_hand_) base::tell(options_.watch, part_.c_str(), done, all);
  else if (between_) between_(static_cast<double>(done) / static_cast<double>(all));
}

std::optional<Tensor> Pass::noisy_bytes() const {
  if (!session_.experiment.data.dequantise || !rows_.dataset()) return {};
  const Tensor& sd = rows_.dataset()->sd();
  return sd.defined() ? sd.to(at::kCPU, at::kDouble) : at::ones({}, at::kDouble);
}

std::int64_t Pass::training_rows() const { return session_.experiment.train.batch; }

Tensor Pass::training_gradient(std::int64_t batch, std::int64_t draw) {
  if (!training_gradient_) training_gradient_.emplace(session_);
  return training_gradient_->at(batch, draw);
}

std::vector<std::int64_t> Pass::blocks() {
  if (!blocks_.empty()) return blocks_;
  if (!structure_ && !levels_ && at_hand_) try {
      if (const auto* known = variform::ability<PosteriorLevels>(*posterior())) levels_ = known->levels();
      else covariance();
    } catch (const Unsupported&) {  // then it has no blocks
    }
  const auto several = [&](const std::vector<std::int64_t>& sizes) {
    return sizes.size() > 1 && static_cast<std::int64_t>(sizes.size()) < model_.latent;
  };
  if (levels_) return several(*levels_) ? *levels_ : std::vector<std::int64_t>{};
  if (structure_ && structure_->rank < 0 && !structure_->tied && several(structure_->blocks))
    return structure_->blocks;
  return {};
}

std::string Pass::no_beta() const {
  return "objective " + model_.label(Kind::kObjective) + " has no β; `evaluate --beta` gives one";
}
std::string Pass::no_optimum() const {
  const std::string prior = "prior " + model_.label(Kind::kPrior);
  return is_conditioned(model_.prior())
             ? "§4's optimum is computed for one Gaussian prior, but " + prior + " differs from row to row"
             : "§4's optimum needs a Gaussian prior, but " + prior + " is not Gaussian";
}

// ------------------------------------------------------------------------------------------------ the batch

const Batch& Pass::batch() { return at_hand().batch; }

std::shared_ptr<const Posterior> Pass::posterior() {
  AtHand& here = at_hand();
  if (!here.posterior) here.posterior = model_.posterior(here.batch.x, here.batch.context);
  return here.posterior;
}

Tensor Pass::codes() {
  return at_hand().codes([&] { return posterior()->location(); });
}

const Draw& Pass::draws() {
  return at_hand().draws([&] { return posterior()->rsample(options_.samples, random("draws")); });
}

Tensor Pass::nll() {
  return at_hand().nll([&] { return nll_of(draws().z); });
}

Tensor Pass::nll_of(const Tensor& z) { return nll_of_draws(model_, batch(), z, between_); }

Tensor Pass::nll_at_codes() {
  return at_hand().nll_at_codes([&] {
    return model_.nll(batch().x, model_.decode(codes(), batch().context), batch().context).to(at::kDouble);
  });
}

Tensor Pass::kl() {
  return at_hand().kl([&] { return model_.kl(*posterior(), draws(), batch().context).to(at::kDouble); });
}

const LocalDerivatives& Pass::local_derivatives() {
  return at_hand().local([&] {
    if (!short_jacobian_) short_jacobian_.emplace(model_, size_);
    return measure::local_derivatives(model_, *short_jacobian_, batch(), codes(), options_.curvature);
  });
}

Tensor Pass::pullback_metric() { return local_derivatives().metric; }

Tensor Pass::hessian() {
  const LocalDerivatives& local = local_derivatives();
  if (!local.hessian.defined()) throw Unsupported(local.why);
  return local.hessian;
}

Covariance Pass::covariance() {
  return at_hand().covariance([&] {
    const std::optional<Covariance> own = posterior()->covariance();
    if (!own)
      throw Unsupported("the posterior of family " + model_.label(Kind::kFamily) + " has no covariance");
    Covariance wide = own->to(at::kDouble);
    if (!structure_) structure_ = wide.structure();
    return wide;
  });
}

// Returns the structure of a deterministic model's covariance, which its family does not have: that of the objective's
// parameter `structure`, else full.
Structure Pass::structure_of_objective() {
  const std::optional<Structure> own = model_.objective().structure();
  structure_source_ = own ? "the objective's, since the family has no covariance"
                          : "full, since neither family nor objective has one";
  return own ? *own : Structure::full(model_.latent);
}

const Structure& Pass::structure_of_optimum() {
  if (optimum_) return *optimum_;
  if (!options_.structure.empty()) {
    structure_source_ = "as asked";
    return optimum_.emplace(Structure::named(options_.structure, model_.latent, options_.block));
  }
  try {
    covariance();
  } catch (const Unsupported&) {  // there is none, and no structure
  }
  return optimum_.emplace(structure_ ? *structure_ : structure_of_objective());
}

Covariance Pass::optimal_covariance_at(double beta) {
  if (!optimum_precision_.defined()) throw Unsupported(no_optimum());
  std::map<double, Covariance>& known = at_hand().optimal;
  if (const auto found = known.find(beta); found != known.end()) return found->second;
  const Tensor h = hessian();
  return known
      .emplace(beta, variform::optimal_covariance(structure_of_optimum(), h, at::full({}, beta, h.options()),
                                                  optimum_precision_))
      .first->second;
}

Covariance Pass::optimal_covariance() {
  if (!optimum_precision_.defined()) throw Unsupported(no_optimum());
  hessian();  // its absence is the first reason
  if (!beta_) throw Unsupported(no_beta());
  if (*beta_ == 0) throw Unsupported("β is 0, and the optimal covariance with it");
  return optimal_covariance_at(*beta_);
}

Tensor Pass::curvature_penalty(const Structure& structure) {
  if (!precision_.defined()) throw Unsupported(no_optimum());
  if (!beta_) throw Unsupported(no_beta());
  const Tensor h = hessian();
  const auto [found, is_new] = at_hand().penalties.try_emplace(structure.name());
  if (is_new)
    found->second = variform::curvature_penalty(structure, h, at::full({}, *beta_, h.options()), precision_);
  return found->second;
}

Tensor Pass::factors() {
  return at_hand().factors([&] {
    if (!rows_.dataset() || !rows_.dataset()->factors().defined())
      throw Unsupported("these data have no known factors");
    const Tensor own = rows_.dataset()->gather_column(rows_.dataset()->factors(), at_hand().index);
    return own.to(at::kCPU, at::kDouble).reshape({own.size(0), -1});
  });
}

std::vector<std::string> Pass::factor_names() const {
  return rows_.dataset() ? rows_.dataset()->factor_names : std::vector<std::string>{};
}

}  // namespace variform::measure
