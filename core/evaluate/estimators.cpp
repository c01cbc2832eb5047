// See estimators.h.

#include "evaluate/estimators.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace variform::evaluate {
namespace {

const double kLogTwoPi = std::log(2 * std::numbers::pi);

class GaussianPosterior final : public Posterior {
 public:
  GaussianPosterior(Tensor mean, Covariance covariance)
      : mean_(std::move(mean)), covariance_(std::move(covariance)) {}

  Tensor location() const override { return mean_; }
  Draw rsample(int64_t K, Generator& rng) const override {
    const Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options()).to(at::kDouble);
    return {mean_ + covariance_.scale(noise).to(mean_.scalar_type()), noise};
  }
  Tensor log_prob(const Draw& draw) const override {
    const Tensor noise =
        draw.noise.defined() ? draw.noise : covariance_.whiten((draw.z - mean_).to(at::kDouble));
    return -0.5 *
           (noise.square().sum(-1) + covariance_.log_det() + static_cast<double>(mean_.size(1)) * kLogTwoPi);
  }
  std::optional<Tensor> entropy() const override {
    return 0.5 * (covariance_.log_det() + static_cast<double>(mean_.size(1)) * (kLogTwoPi + 1));
  }
  std::optional<Covariance> covariance() const override { return covariance_; }

 private:
  Tensor mean_;
  Covariance covariance_;
};

bool all_zero(const Tensor& tensor) { return tensor.numel() == 0 || (tensor == 0).all().item<bool>(); }

}  // namespace

std::unique_ptr<Posterior> gaussian_posterior(const Tensor& mean, const Covariance& covariance) {
  return std::make_unique<GaussianPosterior>(mean, covariance);
}

Structure structure_of(const Covariance& covariance) {
  const Tensor dense = covariance.dense(), variances = covariance.variances();
  const int64_t d = dense.size(-1);
  Structure blocks;
  int64_t start = 0;
  for (int64_t end = 1; end <= d; ++end) {
    if (end < d && !all_zero(dense.narrow(1, 0, end).narrow(2, end, d - end))) continue;
    blocks.blocks.push_back(end - start);
    start = end;
  }
  const bool diagonal = static_cast<int64_t>(blocks.blocks.size()) == d;
  if (diagonal && d > 1 && all_zero(variances - variances.narrow(1, 0, 1))) return Structure::isotropic(d);
  return blocks;
}

Tensor off_diagonal_share(const Tensor& hessian) {
  const Tensor scale = hessian.diagonal(0, 1, 2).abs();                                   // [B, d]
  const Tensor inverse = at::where(scale > 0, 1 / scale, 0.0);                            // of live latents
  const Tensor squares = hessian.square() * inverse.unsqueeze(1) * inverse.unsqueeze(2);  // [B, d, d]
  const Tensor all = squares.sum({1, 2});
  return at::where(all > 0, 1 - squares.diagonal(0, 1, 2).sum(1) / all, 0.0);
}

Tensor nll_of_draws(Model& model, const Tensor& x, const Tensor& z) {
  constexpr int64_t kNumbers = int64_t{1}
                               << 24;  // decoded at a time, about what hidden layers then need as well
  const int64_t width =
      std::max<int64_t>(512, x.numel() / std::max<int64_t>(1, x.size(0)) * model.likelihood().outputs());
  const int64_t chunk = std::max<int64_t>(1, kNumbers / std::max<int64_t>(1, x.size(0) * width));
  std::vector<Tensor> parts;
  for (const Tensor& some : z.split(chunk)) parts.push_back(model.nll(x, model.decode(some)).to(at::kDouble));
  return at::cat(parts);
}

Importance importance_weighted(Model& model, const Posterior& posterior, const Tensor& x, int64_t K) {
  const Draw draw = posterior.rsample(K, model.rng);
  const Tensor log_q = posterior.log_prob(draw).to(at::kDouble);
  const Tensor log_w =
      model.log_prior(draw.z).to(at::kDouble) - nll_of_draws(model, x, draw.z) - log_q;  // [K, B]
  const Tensor total = log_w.logsumexp(0);
  return {std::log(static_cast<double>(K)) - total, (2 * total - (2 * log_w).logsumexp(0)).exp(), draw.z};
}

}  // namespace variform::evaluate
