// Three objectives: sampled, by the decoder's curvature, and with an adversary of its own.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Batch;
using variform::Model;
using variform::Tensor;
using variform::Terms;
namespace nn = variform::nn;

/// Expected −log p(x|z) plus β KL, over several draws.
class Sampled final : public variform::With<variform::Objective, variform::Weighted> {
 public:
  explicit Sampled(const variform::Build& build)
      : beta_(build.schedule("beta")), final_beta_(build.final_value("beta")), draws_(build.integer("draws")), closed_(build.flag("closed")) {}
  Terms evaluate(Model& model, const Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const variform::Draw draw = posterior->rsample(draws_, model.rng);
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, batch.context), batch.context).mean(0);
    const Tensor kl = closed_ && model.has_closed_kl(*posterior, batch.context)
                          ? model.kl(*posterior, draw, batch.context)
                          : (posterior->log_prob(draw) - model.log_prior(draw.z, batch.context)).mean(0);
    return {nll + beta_ * kl, {{"nll", nll}, {"kl", kl}}};
  }
  Tensor beta() const override { return beta_; }
  double final_beta() const override { return final_beta_; }

 private:
  Tensor beta_;
  double final_beta_;
  int64_t draws_;
  bool closed_;
};

/// The deterministic approximation with a chosen structure.
class Curved final : public variform::With<variform::Objective, variform::Weighted, variform::UsesTangents> {
 public:
  explicit Curved(const variform::Build& build)
      : beta_(build.schedule("beta")),
        final_beta_(build.final_value("beta")),
        structure_(build.text("structure") == "diagonal" ? variform::Structure::diagonal(build.latent)
                                                         : variform::Structure::full(build.latent)) {}
  Terms evaluate(Model& model, const Batch& batch) override {
    const auto prior = model.prior().gaussian(batch.context);
    if (!prior) throw variform::Unsupported("this objective needs a Gaussian prior; use prior 'gaussian'");
    const variform::Covariance covariance = prior->covariance.to(at::kDouble);
    const Tensor h = model.posterior(batch.x, batch.context)->location();
    const variform::Linearization local = model.latent_hessian(batch.x, h, model.unit_tangents(h.size(0)), batch.context, variform::Curvature::kFisher);
    const Tensor nll = model.nll(batch.x, local.output, batch.context);
    const Tensor norm = 0.5 * beta_ * covariance.whiten((h - prior->mean).to(at::kDouble)).square().sum(-1);
    const Tensor penalty = variform::curvature_penalty(structure_, local.hessian, beta_, covariance.precision()[0]);
    return {nll + norm + penalty, {{"nll", nll}, {"norm", norm}, {"penalty", penalty}}};
  }
  Tensor beta() const override { return beta_; }
  double final_beta() const override { return final_beta_; }
  bool uses_tangents() const override { return true; }

 private:
  Tensor beta_;
  double final_beta_;
  variform::Structure structure_;
};

nn::LayerPtr critic_of(const variform::Build& build) {
  auto critic = std::make_shared<nn::Sequential>();
  const int64_t width = nn::append_hidden(*critic, build, {"leaky-relu", "none", 8}, build.latent, build.integers("critic"));
  critic->append(std::make_shared<nn::Linear>(build, width, 1));
  return critic;
}

/// A critic that tells the posterior's draws from the prior's, and the model that deceives it.
class Deceived final : public variform::Objective {
 public:
  explicit Deceived(const variform::Build& build) : weight_(build.number("weight")), critic_(critic_of(build)) {
    register_module("critic", critic_);
  }
  Terms evaluate(Model& model, const Batch& batch) override {
    const auto posterior = model.posterior(batch.x, batch.context);
    const variform::Draw draw = posterior->rsample(1, model.rng);
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, batch.context), batch.context)[0], z = draw.z[0];
    const Tensor other = model.sample_prior(z.size(0), batch.context).detach();
    Tensor odds;
    {
      const variform::Frozen frozen(*critic_);
      odds = critic_->forward(z).squeeze(-1);
    }
    const Tensor critic = at::softplus(-critic_->forward(z.detach()).squeeze(-1)) + at::softplus(critic_->forward(other).squeeze(-1));
    return {nll + weight_ * odds + critic, {{"nll", nll}, {"odds", odds}, {"critic", critic}}};
  }

 private:
  double weight_;
  nn::LayerPtr critic_;
};

constexpr variform::Parameter kBeta =
    variform::number("beta", 1.0).at_least(0).schedulable().doc("Weight of the divergence from the prior.");

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Sampled>("source-sampled", "Expected reconstruction plus the divergence from the prior.", "theory §2",
                                 {kBeta,
                                  variform::integer("draws", 2)
                                      .at_least(1)
                                      .in("draws per example")
                                      .doc("Draws for each example."),
                                  variform::flag("closed", true).doc("Whether a divergence in closed form is used where there is one.")}),
    variform::component<Curved>("source-curved", "The deterministic approximation by the decoder's curvature.", "theory §4",
                                {kBeta, variform::text("structure", "full").one_of({"full", "diagonal"}).doc("Structure of the covariance.")}),
    variform::component<Deceived>("source-deceived", "Reconstruction against a critic of the aggregate posterior.", "Makhzani et al. 2016",
                                  {variform::number("weight", 1.0).at_least(0).doc("Weight of the critic's odds."),
                                   variform::integers("critic", {8}).at_least(1).doc("Widths of the critic's hidden layers.")}))
