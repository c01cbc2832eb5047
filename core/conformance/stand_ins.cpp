// See stand_ins.h.

#include "conformance/stand_ins.h"

#include <ATen/ATen.h>

#include <cmath>

#include "conformance/test.h"

namespace variform::conformance {
namespace {

// Returns a matrix whose products with standard normal rows have elements of about `size`.
Tensor matrix(const Build& build, int64_t rows, int64_t columns, double size) {
  Generator rng = build.rng;
  return at::randn({rows, columns}, rng, build.options) * (size / std::sqrt(static_cast<double>(rows)));
}

class StandInEncoder final : public Encoder {
 public:
  explicit StandInEncoder(const Build& build)
      : a_(register_parameter("a", matrix(build, build.data_size(), 5, 1))),
        b_(register_parameter("b", matrix(build, 5, build.outputs, 0.5))) {}
  Tensor encode(const Tensor& x, const Context&) override { return x.flatten(1).mm(a_).tanh().mm(b_); }

 private:
  Tensor a_, b_;
};

class StandInDecoder final : public Decoder {
 public:
  explicit StandInDecoder(const Build& build)
      : shape_(build.data),
        a_(register_parameter("a", matrix(build, build.latent, 6, 1))),
        a0_(register_parameter("a0", matrix(build, 1, 6, 0.3))),
        b_(register_parameter("b", matrix(build, 6, build.outputs * build.data_size(), 1))),
        b0_(register_parameter("b0", matrix(build, 1, build.outputs * build.data_size(), 0.3))) {
    shape_[0] *= build.outputs;
    shape_.insert(shape_.begin(), -1);
  }
  Tensor decode(const Tensor& z, const Context&) override {
    return ((z.mm(a_) + a0_).tanh().mm(b_) + b0_).reshape(shape_);
  }

 private:
  Shape shape_;
  Tensor a_, a0_, b_, b0_;
};

class StandInPosterior final : public With<IndependentPosterior, ClosedEntropy, Moments> {
 public:
  StandInPosterior(const Tensor& params, std::shared_ptr<std::vector<Generator>> generators)
      : generators_(std::move(generators)) {
    const auto halves = params.chunk(2, 1);
    mean_ = halves[0];
    deviation_ = (0.5 * halves[1]).exp();
  }
  Tensor location() const override { return mean_; }
  Draw rsample(int64_t K, Generator& rng) const override {
    if (generators_->empty() || generators_->back() != rng) generators_->push_back(rng);
    const Tensor e = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    return {mean_ + deviation_ * e, e};
  }
  Tensor log_marginals(const Draw& draw) const override {
    return -0.5 * (((draw.z - mean_) / deviation_).square() + kLogTwoPi) - deviation_.log();
  }
  Tensor entropy() const override { return (deviation_.log() + 0.5 * (1 + kLogTwoPi)).sum(1); }
  std::optional<Covariance> covariance() const override { return Covariance::diagonal(deviation_); }

 private:
  Tensor mean_, deviation_;
  std::shared_ptr<std::vector<Generator>> generators_;
};

class StandInPrior final : public With<Prior, ClosedCrossEntropy, GaussianForm, MomentsNeeded> {
 public:
  explicit StandInPrior(const Build& build) : latent_(build.latent), options_(build.options) {}
  Tensor log_prob(const Tensor& z, const Context&) override {
    return -0.5 * (z.square() + kLogTwoPi).sum(-1);
  }
  Tensor sample(int64_t n, Generator& rng, const Context&) override {
    return at::randn({n, latent_}, rng, options_);
  }
  std::optional<Tensor> cross_entropy(const Posterior& posterior, const Context&) override {
    const auto covariance = posterior.covariance();
    if (!covariance) return {};
    return 0.5 * (posterior.location().square() + covariance->variances() + kLogTwoPi).sum(1);
  }
  std::optional<Gaussian> gaussian(const Context&) override {
    return Gaussian{at::zeros({1, latent_}, options_),
                    Covariance::diagonal(at::ones({1, latent_}, options_))};
  }
  int moments_needed() const override { return 2; }

 private:
  int64_t latent_;
  at::TensorOptions options_;
};

class StandInLikelihood final : public With<Likelihood, CurvatureForm, NoiseVariance> {
 public:
  StandInLikelihood(const Build& build, int64_t outputs)
      : outputs_(outputs), sides_(static_cast<int64_t>(build.data.size())) {}
  int64_t outputs() const override { return outputs_; }
  Domain domain() const override { return Domain::kReal; }
  std::optional<Tensor> noise_variance() const override { return at::ones({}, at::kDouble); }
  Tensor nll(const Tensor& x, const Tensor& g, const Context&) override {
    const Tensor square = (x.unsqueeze(1) - g).square() + kLogTwoPi;
    return 0.5 * square.flatten(g.dim() - x.dim()).sum(-1);
  }
  Tensor curvature_form(const Tensor&, const Tensor& g, const Tensor& t, Curvature, const Context&) override {
    return diagonal_curvature_form(t, at::ones_like(g).to(t.scalar_type()));
  }
  Tensor mean(const Tensor& g) override { return output(g); }
  Tensor sample(const Tensor& g, Generator& rng) override {
    const Tensor mean = output(g);
    return mean + at::randn(mean.sizes(), rng, mean.options());
  }

 private:
  // Returns the first of the numbers that belong to a data value.
  Tensor output(const Tensor& g) const { return g.select(g.dim() - 1 - sides_, 0); }
  int64_t outputs_, sides_;
};

class StandInObjective final : public With<Objective, Weighted> {
 public:
  Terms evaluate(Model& model, const Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const Draw draw = posterior->rsample(2, model.rng);
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, batch.context), batch.context).mean(0),
                 kl = model.kl(*posterior, draw, batch.context);
    return {nll + 0.7 * kl, {{"nll", nll}, {"kl", kl}}};
  }
  Tensor beta() const override { return at::full({}, 0.7, at::kDouble); }
  double final_beta() const override { return 0.7; }
};

}  // namespace

std::unique_ptr<Posterior> StandInFamily::posterior(const Tensor& params, const Tensor&, const Context&) {
  return std::make_unique<StandInPosterior>(params, generators_);
}

std::shared_ptr<Component> stand_in(Kind kind, const Build& build, int64_t outputs) {
  switch (kind) {
    case Kind::kEncoder: return std::make_shared<StandInEncoder>(build);
    case Kind::kDecoder: return std::make_shared<StandInDecoder>(build);
    case Kind::kFamily: return std::make_shared<StandInFamily>();
    case Kind::kPrior: return std::make_shared<StandInPrior>(build);
    case Kind::kLikelihood: return std::make_shared<StandInLikelihood>(build, outputs);
    case Kind::kObjective: return std::make_shared<StandInObjective>();
    case Kind::kMetric:
    case Kind::kReader:
    case Kind::kUnknown: break;  // no model has one
  }
  throw Error("a component of an unknown kind was requested");
}

}  // namespace variform::conformance
