// Two families on the posteriors that the SDK has ready, and an objective on the decoder's tangents themselves.

#include <variform/gaussian_posterior.h>
#include <variform/location_scale.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Covariance;
using variform::Tensor;

/// One variance per example, by the SDK's Gaussian posterior.
class Tied final : public variform::VariationalFamily {
 public:
  explicit Tied(const variform::Build&) {}
  int64_t parameter_count(int64_t d) const override { return d + 1; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&, const variform::Context&) override {
    const int64_t d = params.size(1) - 1;
    const Covariance covariance = Covariance::isotropic((0.5 * params.select(1, d)).exp(), d);
    if (!covariance.is_diagonal() || covariance.structure().name() != "isotropic" || covariance.dtype() != params.scalar_type())
      throw variform::Error("the covariance is not what it was made as");
    return std::make_unique<variform::GaussianPosterior>(params.narrow(1, 0, d), covariance);
  }
};

/// Hyperbolic secant, ½ sech(πe/2), by the SDK's posterior of locations and scales.
class SecantPosterior final : public variform::LocationScalePosterior {
 public:
  using LocationScalePosterior::LocationScalePosterior;

 protected:
  Tensor standard_sample(at::IntArrayRef shape, const Tensor& like, variform::Generator& rng) const override {
    const Tensor u = at::rand(shape, rng, like.options().requires_grad(false)).clamp(1e-6, 1 - 1e-6);
    return (u * (std::numbers::pi / 2)).tan().log() * (2 / std::numbers::pi);
  }
  Tensor standard_log_density(const Tensor& e) const override {
    const Tensor x = (e * (std::numbers::pi / 2)).abs();
    return -x - (-2 * x).exp().log1p();
  }
  double standard_entropy() const override { return std::log(4.0); }
  std::optional<double> standard_variance() const override { return 1.0; }
};

class Secant final : public variform::VariationalFamily {
 public:
  explicit Secant(const variform::Build&) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&, const variform::Context&) override {
    const std::vector<Tensor> parts = params.chunk(2, -1);
    return std::make_unique<SecantPosterior>(parts[0], (0.5 * parts[1]).exp());
  }
};

/// Reconstruction plus the squared norm of the decoder's Jacobian.
class Stiff final : public variform::With<variform::Objective, variform::UsesTangents> {
 public:
  explicit Stiff(const variform::Build&) {}
  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const Tensor h = model.posterior(batch.x, batch.context)->location();
    const variform::Pushed pushed = model.pushforward(h, model.unit_tangents(h.size(0)), batch.context);
    const Tensor nll = model.nll(batch.x, pushed.g, batch.context), norm = pushed.jv.square().flatten(2).sum(-1).sum(0);
    return {nll + 0.01 * norm, {{"nll", nll}, {"jacobian", norm}}};
  }
  bool uses_tangents() const override { return true; }
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Tied>("source-tied", "Gaussian posterior of one variance.", "theory §4"),
                    variform::component<Secant>("source-secant", "Posterior of hyperbolic secants.", "Ding 2014"),
                    variform::component<Stiff>("source-stiff", "Reconstruction with a penalty on the decoder's Jacobian.", "theory §6"))
