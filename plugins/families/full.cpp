// Gaussian posterior with a full covariance: the family that leaves the decoder's curvature free (§4, §7).

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

class FullPosterior final : public variform::Posterior {
 public:
  FullPosterior(Tensor mean, const Tensor& factor, Tensor log_det)
      : mean_(std::move(mean)),
        log_det_(std::move(log_det)),
        covariance_(variform::Covariance::cholesky({factor})) {}

  Tensor location() const override { return mean_; }
  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    const Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    return {mean_ + covariance_.scale(noise), noise};
  }
  Tensor log_prob(const variform::Draw& draw) const override {
    const Tensor noise = draw.noise.defined() ? draw.noise : covariance_.whiten(draw.z - mean_);
    return -0.5 * (noise.square().sum(-1) + log_det_ + static_cast<double>(mean_.size(1)) * kLogTwoPi);
  }
  std::optional<Tensor> entropy() const override {
    return 0.5 * (log_det_ + static_cast<double>(mean_.size(1)) * (kLogTwoPi + 1));
  }
  std::optional<variform::Covariance> covariance() const override { return covariance_; }

 private:
  Tensor mean_, log_det_;  // [B, d], [B]
  variform::Covariance covariance_;
};

/// q(z|x) = N(m, L Lᵀ), L lower triangular with a positive diagonal. The encoder outputs d + d(d+1)/2 numbers: the
/// mean m, the d logarithms of 2 log(L_ii / deviation), and the d(d−1)/2 numbers L_ij / deviation below the diagonal,
/// row by row. An encoder that outputs zeros thus gives N(0, deviation² I).
class Full final : public variform::VariationalFamily {
 public:
  explicit Full(const variform::Build& build) : deviation_(build.number("deviation")) {
    // Where each entry of L stands in [diagonal, below the diagonal, one zero].
    const int64_t d = build.latent;
    std::vector<int64_t> places(static_cast<size_t>(d * d), d + d * (d - 1) / 2);
    int64_t below = d;
    for (int64_t row = 0; row < d; ++row) {
      for (int64_t column = 0; column < row; ++column)
        places[static_cast<size_t>(row * d + column)] = below++;
      places[static_cast<size_t>(row * d + row)] = row;
    }
    places_ = at::tensor(places, at::kLong).to(build.options.device());
    zero_ = at::zeros({1, 1}, build.options);
  }
  int64_t parameter_count(int64_t d) const override { return d + d * (d + 1) / 2; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&) override {
    const int64_t batch = params.size(0), n = places_.size(0),
                  d = static_cast<int64_t>(std::llround(std::sqrt(n)));
    const std::vector<Tensor> parts = params.split_with_sizes({d, d, d * (d - 1) / 2}, -1);
    const Tensor entries = at::cat({deviation_ * (0.5 * parts[1]).exp(), deviation_ * parts[2],
                                    zero_.to(params.options()).expand({batch, 1})},
                                   1);
    const Tensor factor = entries.index_select(1, places_).reshape({batch, d, d});
    const Tensor log_det = parts[1].sum(-1) + 2 * static_cast<double>(d) * std::log(deviation_);
    return std::make_unique<FullPosterior>(parts[0], factor, log_det);
  }

 private:
  double deviation_;
  Tensor places_, zero_;  // constants, not state
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Full>(
    "full", "Gaussian posterior with a full covariance, by its Cholesky factor.",
    "Kingma and Welling, An Introduction to Variational Autoencoders, 2019, section 2.5.1; theory §4",
    {variform::number("deviation", 1.0)
         .above(0)
         .in("latent units")
         .doc("Standard deviation of every latent for an encoder output of zero, which is about where "
              "training starts.")}))
