// DIP-VAE I and II: the aggregate posterior's covariance pulled towards the identity.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// E_q ℓ + KL + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)² (Kumar et al. 2018, equations 6 and 7), C a covariance of the
/// latents over the batch: of the posteriors' means (I), or of their draws, Cov(mean) + E[Σ_x] (II).
class DipVae : public variform::Objective {
 public:
  DipVae(const variform::Build& build, bool with_posterior)
      : with_posterior_(with_posterior),
        off_diagonal_(build.schedule("off_diagonal")),
        diagonal_(build.schedule("diagonal")),
        eye_(at::eye(build.latent, build.options)) {}

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const variform::Draw draw = posterior->rsample(1, model.rng);
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, batch.context), batch.context)[0],
                 kl = model.kl(*posterior, draw, batch.context);
    const Tensor mean = posterior->location(), centred = mean - mean.mean(0, true);  // [B, d]
    Tensor c = centred.t().mm(centred) / static_cast<double>(mean.size(0));
    if (with_posterior_) c = c + mean_covariance(model, *posterior).to(c.scalar_type());
    const Tensor off = (c * (1 - eye_)).square().sum(), on = (c.diagonal() - 1).square().sum();
    const Tensor penalty = off_diagonal_ * off + diagonal_ * on;
    return {(nll + kl).mean() + penalty, {{"nll", nll}, {"kl", kl}, {"penalty", penalty}}};
  }

 private:
  static Tensor mean_covariance(const variform::Model& model, const variform::Posterior& posterior) {
    const std::optional<variform::Covariance> covariance = posterior.covariance();
    if (!covariance)
      throw variform::Unsupported("this objective needs the posterior's covariance, but family " +
                                  model.label(variform::Kind::kFamily) +
                                  " has none; use a Gaussian family, or objective 'dip-vae-i'");
    return covariance->dense().mean(0);
  }

  bool with_posterior_;
  Tensor off_diagonal_, diagonal_, eye_;
};

class DipVaeOne final : public DipVae {
 public:
  explicit DipVaeOne(const variform::Build& build) : DipVae(build, false) {}
};
class DipVaeTwo final : public DipVae {
 public:
  explicit DipVaeTwo(const variform::Build& build) : DipVae(build, true) {}
};

constexpr const char* kSource =
    "Kumar, Sattigeri and Balakrishnan, Variational Inference of Disentangled Latent Concepts, ICLR 2018";

constexpr variform::Parameter off_diagonal(double otherwise) {
  return variform::number("off_diagonal", otherwise)
      .at_least(0)
      .schedulable()
      .doc("Weight λ_od of the squared covariances between latents.");
}
constexpr variform::Parameter diagonal(double otherwise) {
  return variform::number("diagonal", otherwise)
      .at_least(0)
      .schedulable()
      .doc("Weight λ_d of the squared distance of the latents' variances from 1.");
}

}  // namespace

VARIFORM_COMPONENTS(variform::component<DipVaeOne>(
                        "dip-vae-i",
                        "DIP-VAE I: the posteriors' means uncorrelated over the batch, of unit variance.",
                        kSource, {off_diagonal(10), diagonal(100)}),
                    variform::component<DipVaeTwo>(
                        "dip-vae-ii",
                        "DIP-VAE II: the posteriors' draws uncorrelated over the batch, of unit variance.",
                        kSource, {off_diagonal(10), diagonal(10)}))
