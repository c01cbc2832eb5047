// See fitted_prior.h.

#include "train/fitted_prior.h"

#include <ATen/ATen.h>

#include <utility>

namespace variform::train {
namespace {

// diag(factor) Σ diag(factor), factor [d].
Covariance scaled(const Covariance& covariance, const Tensor& factor) {
  const Tensor by = factor.to(covariance.dtype());
  if (covariance.is_diagonal()) return Covariance::diagonal(covariance.variances().sqrt() * by);
  return Covariance::cholesky({at::linalg_cholesky(covariance.dense() * by.unsqueeze(-1) * by)});
}

// The distribution of u = (z − m)/s when z has the given one.
class Standardised final : public With<Posterior, LogMarginals, ClosedEntropy, Moments> {
 public:
  Standardised(const Posterior& of, Tensor location, Tensor log_scale)
      : of_(of), location_(std::move(location)), log_scale_(std::move(log_scale)) {}

  const void* ability(std::string_view id) const override {
    if (id == ClosedEntropy::kId && !of_.ability(id)) return nullptr;
    return With::ability(id);
  }
  Tensor location() const override { return to_u(of_.location()); }
  Draw rsample(int64_t K, Generator& rng) const override { return {to_u(of_.rsample(K, rng).z), {}}; }
  Tensor log_prob(const Draw& draw) const override {
    return of_.log_prob({to_z(draw.z), {}}) + log_scale_.sum();
  }
  Tensor log_marginals(const Draw& draw) const override {
    return of_.log_marginals({to_z(draw.z), {}}) + log_scale_;
  }
  Tensor entropy() const override {
    const Tensor entropy = *of_.entropy();
    return entropy - log_scale_.sum().to(entropy.scalar_type());
  }
  std::optional<Covariance> covariance() const override {
    const std::optional<Covariance> covariance = of_.covariance();
    if (!covariance) return {};
    return scaled(*covariance, (-log_scale_).exp());
  }

 private:
  Tensor to_u(const Tensor& z) const { return (z - location_) * (-log_scale_).exp(); }
  Tensor to_z(const Tensor& u) const { return location_ + u * log_scale_.exp(); }

  const Posterior& of_;
  Tensor location_, log_scale_;  // [d]
};

}  // namespace

FittedPrior::FittedPrior(std::shared_ptr<Prior> inner, const Tensor& location, const Tensor& scale,
                         bool trained)
    : inner_(register_module("prior", std::move(inner))) {
  const auto keep = [&](const char* name, const Tensor& value) {
    return trained ? register_parameter(name, value) : register_buffer(name, value);
  };
  location_ = keep("location", location);
  log_scale_ = keep("log_scale", scale.log());
}

Tensor FittedPrior::log_prob(const Tensor& z, const Context& context) {
  return inner_->log_prob((z - location_) * (-log_scale_).exp(), context) - log_scale_.sum();
}

Tensor FittedPrior::sample(int64_t n, Generator& rng, const Context& context) {
  return location_ + inner_->sample(n, rng, context) * log_scale_.exp();
}

std::optional<Tensor> FittedPrior::cross_entropy(const Posterior& posterior, const Context& context) {
  std::optional<Tensor> nats = inner_->cross_entropy(Standardised(posterior, location_, log_scale_), context);
  if (nats) nats = *nats + log_scale_.sum();
  return nats;
}

std::optional<Gaussian> FittedPrior::gaussian(const Context& context) {
  const std::optional<Gaussian> inner = inner_->gaussian(context);
  if (!inner) return {};
  return Gaussian{location_ + inner->mean * log_scale_.exp(), scaled(inner->covariance, log_scale_.exp())};
}

}  // namespace variform::train
