// VampPrior: a prior that uses the model's own encoder and family, and is initialised from data.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// p(z) = (1/K) Σ_k q(z|u_k): the equal mixture of the model's own posteriors at K trained pseudo-inputs u_k, which
/// start at data (Tomczak and Welling 2018). Its gradient reaches encoder and family as well as the u_k.
/// The posterior must know its density at foreign points. For a family that does not (a flow without inverse), the step
/// before the training refuses the composition.
class VampPrior final : public variform::With<variform::Prior, variform::BoundedSupport> {
 public:
  explicit VampPrior(const variform::Build& build)
      : model_(*build.model),
        inputs_(register_parameter("pseudo_inputs",
                                   build.examples(build.integer("pseudo_inputs")).detach().clone())) {}

  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    const auto mixture = model_.posterior(inputs_, {});                   // K rows
    const Tensor parts = mixture->log_prob({z.unsqueeze(-2), Tensor()});  // [..., 1, d] against K: [..., K]
    return parts.logsumexp(-1) - std::log(static_cast<double>(inputs_.size(0)));
  }
  Tensor sample(int64_t n, variform::Generator& rng, const variform::Context&) override {
    const Tensor chosen = at::randint(inputs_.size(0), {n}, rng, inputs_.options().dtype(at::kLong));
    return model_.posterior(inputs_.index_select(0, chosen), {})->rsample(1, rng).z[0];
  }
  variform::Support support() const override {
    if (is_conditioned(model_.encoder()))
      throw variform::Unsupported(
          "prior 'vamp' asks the encoder about pseudo-inputs, which have no condition; leave condition = true out of "
          "the encoder, or use another prior, such as 'conditional'");
    const variform::Support support = model_.family().support();
    if (std::isfinite(support.low) || std::isfinite(support.high))
      throw variform::Unsupported(
          "prior 'vamp' mixes the model's own posteriors, but those of a family with bounded draws need not "
          "cover each other, so that KL(q || p) may be infinite; use an unbounded family or another prior");
    return support;
  }

 private:
  variform::Model& model_;
  Tensor inputs_;  // [K, data…]
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<VampPrior>(
    "vamp", "VampPrior: the mixture of the model's own posteriors at trained pseudo-inputs.",
    "Tomczak and Welling, VAE with a VampPrior, AISTATS 2018",
    {variform::integer("pseudo_inputs", 500)
         .at_least(1)
         .in("rows")
         .doc("Number K of pseudo-inputs, which start at the first K training rows; at most as many as "
              "those.")}))
