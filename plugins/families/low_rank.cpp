// Gaussian posterior whose covariance is of low rank plus a multiple of the identity, or plus a diagonal matrix.

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include "coupling.h"

namespace {

using variform::Tensor;

/// q(z|x) = N(m, s²I + F Fᵀ) with F [d, r]; with `diagonal`, N(m, diag(s²) + F Fᵀ), for which §4 has no closed
/// optimum. The encoder outputs the mean m, log(s/deviation)² (one number, or d), and numbers n_ij row by row: F_ij =
/// s_i c n_ij, c = coupling / √(d r). An encoder that outputs zeros gives N(0, deviation² I). At F = 0 the gradient
/// through F Fᵀ is zero. Networks leave this point since they start with small random outputs.
class LowRank final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit LowRank(const variform::Build& build)
      : deviation_(build.number("deviation")),
        rank_(build.integer("rank")),
        diagonal_(build.flag("diagonal")),
        coupling_(variform::register_coupling(*this, build, build.latent * rank_)) {
    if (rank_ >= build.latent)
      throw variform::Error("'rank' must be below the latent dimension " + std::to_string(build.latent) +
                            "; found " + std::to_string(rank_) + "; use family 'full' for all of it");
  }
  int64_t parameter_count(int64_t d) const override { return d + scales(d) + d * rank_; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean", d},
            {"log(variance / deviation²) without the factor", scales(d)},
            {"factor, row by row", d * rank_}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const int64_t batch = params.size(0),
                  d = (params.size(1) - (diagonal_ ? 0 : 1)) / (rank_ + (diagonal_ ? 2 : 1));
    const std::vector<Tensor> parts = params.split_with_sizes({d, scales(d), d * rank_}, 1);
    const Tensor variances = parts[1].exp().expand({batch, d});
    const Tensor factor = coupling_ * parts[2].reshape({batch, d, rank_}) * variances.sqrt().unsqueeze(2);
    const Tensor around = variances.diag_embed();
    // Computed in units of `deviation`, so that its size does not matter.
    const Tensor root = std::get<0>(at::linalg_cholesky_ex(factor.matmul(factor.transpose(1, 2)) + around));
    const variform::Structure structure =
        diagonal_ ? variform::Structure::full(d) : variform::Structure::low_rank(d, rank_);
    return std::make_unique<variform::GaussianPosterior>(
        parts[0], variform::Covariance::cholesky({deviation_ * root}, structure));
  }

 private:
  int64_t scales(int64_t d) const { return diagonal_ ? d : 1; }

  double deviation_;
  int64_t rank_;
  bool diagonal_;
  Tensor coupling_;  // c
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<LowRank>(
    "low-rank", "Gaussian posterior whose covariance is of low rank plus s²I.",
    "Rezende, Mohamed and Wierstra, Stochastic Backpropagation, ICML 2014, section 4.3; theory §4",
    {variform::integer("rank", 2).at_least(1).doc("Rank r of the part that correlates latents, below d."),
     variform::flag("diagonal", false)
         .doc("A separate variance for every latent instead of s²I; §4 then has no closed optimum."),
     variform::number("deviation", 1.0)
         .above(0)
         .in("latent units")
         .doc("Standard deviation s of every latent for an encoder output of zero."),
     variform::coupling_parameter()}))
