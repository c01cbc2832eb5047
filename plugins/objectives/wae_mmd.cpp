// WAE-MMD and InfoVAE: the aggregate posterior compared with the prior by a kernel's maximum mean discrepancy.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

// Inverse multiquadratic kernels of several widths, C/(C + ‖a − b‖²): a [M, d], b [N, d] -> [M, N].
Tensor kernel(const Tensor& a, const Tensor& b, double variance) {
  const Tensor square = (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(-1);
  Tensor sum;
  for (double factor : {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0}) {
    const double c = 2 * static_cast<double>(a.size(1)) * variance * factor;
    const Tensor part = c / (c + square);
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

// Returns the unbiased estimate from two samples of n (Tolstikhin et al. 2018, algorithm 2); for n = 1, which has no
// pairs, the biased one.
Tensor discrepancy(const Tensor& p, const Tensor& q, double variance) {
  const double n = static_cast<double>(p.size(0));
  const auto within = [&](const Tensor& a) {
    const Tensor k = kernel(a, a, variance);
    if (a.size(0) == 1) return k.sum();
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1));
  };
  return within(p) + within(q) - 2 * kernel(p, q, variance).mean();
}

/// E_q ℓ + (1 − α) KL(q(z|x) ‖ p(z)) + (α + λ − 1) MMD(q(z), p(z)) (Zhao et al. 2019). WAE-MMD is α = 1: no KL, so that
/// family `point` will do. One draw of the posterior per row stands for q(z), as many draws of the prior for p(z).
class KernelVae : public variform::Objective {
 public:
  KernelVae(const variform::Build& build, bool with_kl)
      : with_kl_(with_kl), weight_(build.schedule("weight")), variance_(build.number("variance")) {
    if (with_kl) alpha_ = build.schedule("alpha");
  }

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const variform::Draw draw = posterior->rsample(1, model.rng);
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, batch.context), batch.context)[0];
    const Tensor mmd = discrepancy(model.sample_prior(batch.x.size(0), batch.context), draw.z[0], variance_);
    if (!with_kl_) return {nll.mean() + weight_ * mmd, {{"nll", nll}, {"mmd", mmd}}};
    const Tensor kl = model.kl(*posterior, draw, batch.context);
    return {(nll + (1 - alpha_) * kl).mean() + (alpha_ + weight_ - 1) * mmd,
            {{"nll", nll}, {"kl", kl}, {"mmd", mmd}}};
  }

 private:
  bool with_kl_;
  Tensor weight_, alpha_;
  double variance_;
};

class WaeMmd final : public KernelVae {
 public:
  explicit WaeMmd(const variform::Build& build) : KernelVae(build, false) {}
};
class InfoVae final : public KernelVae {
 public:
  explicit InfoVae(const variform::Build& build) : KernelVae(build, true) {}
};

constexpr variform::Parameter kVariance =
    variform::number("variance", 1.0)
        .above(0)
        .in("squared latent units")
        .doc("Variance of a latent under the prior, which sets the kernels' widths.");

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<WaeMmd>(
        "wae-mmd",
        "Wasserstein autoencoder: reconstruction plus the discrepancy between aggregate posterior and prior.",
        "Tolstikhin et al., Wasserstein Auto-Encoders, ICLR 2018; theory §6",
        {variform::number("weight", 10.0).at_least(0).schedulable().doc("Weight λ of the discrepancy."),
         kVariance}),
    variform::component<InfoVae>(
        "info-vae",
        "InfoVAE: KL divergence and discrepancy of the aggregate posterior, weighted against each other.",
        "Zhao, Song and Ermon, InfoVAE, AAAI 2019; theory §6",
        {variform::number("alpha", 0.0)
             .at_most(1)
             .schedulable()
             .doc("α: the KL divergence has the weight 1 − α."),
         variform::number("weight", 10.0)
             .at_least(0)
             .schedulable()
             .doc("λ: the discrepancy has the weight α + λ − 1."),
         kVariance}))
