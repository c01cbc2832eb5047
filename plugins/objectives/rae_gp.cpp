// RAE with a gradient penalty: a deterministic autoencoder whose decoder's Jacobian is kept small.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// ℓ(x, g(h)) + (norm/2)‖h‖² + penalty ‖J‖²_F, J the decoder's Jacobian at h (Ghosh et al. 2020, equations 8 and 11):
/// the sum over all its elements, not of gradients of summed outputs. Exact by d columns, or with `probes` = k > 0 the
/// mean over k directions of random signs, E‖Jv‖² = ‖J‖²_F. A penalty that is always 0 costs nothing: this gives RAE-L2
/// if the decoder has a weight decay, or with norm = 0 a plain autoencoder.
class RaeGp final : public variform::With<variform::Objective, variform::UsesTangents> {
 public:
  explicit RaeGp(const variform::Build& build)
      : norm_(build.schedule("norm")),
        penalty_(build.schedule("penalty")),
        probes_(build.integer("probes")),
        with_jacobian_(build.final_value("penalty") > 0 || penalty_.item<double>() > 0) {}

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    const Tensor h = model.posterior(batch.x, batch.context)->location();
    const Tensor norm = 0.5 * norm_ * h.square().sum(-1);
    if (!with_jacobian_) {
      const Tensor nll = model.nll(batch.x, model.decode(h, batch.context), batch.context);
      return {nll + norm, {{"nll", nll}, {"norm", norm}}};
    }
    const variform::Pushed pushed = model.pushforward(h, directions(model, h.size(0)), batch.context);
    const Tensor squares = pushed.jv.to(at::kDouble).square().flatten(2).sum(-1);  // [T, B]
    const Tensor jacobian = probes_ > 0 ? squares.mean(0) : squares.sum(0);
    const Tensor nll = model.nll(batch.x, pushed.g, batch.context);
    const Tensor penalty = penalty_ * jacobian;
    return {nll + norm + penalty, {{"nll", nll}, {"norm", norm}, {"penalty", penalty}}};
  }
  bool uses_tangents() const override { return with_jacobian_; }

 private:
  Tensor directions(variform::Model& model, int64_t batch) const {
    if (probes_ == 0) return model.unit_tangents(batch);
    return 2 * at::randint(2, {probes_, batch, model.latent}, model.rng, model.options) - 1;
  }

  Tensor norm_, penalty_;
  int64_t probes_;
  bool with_jacobian_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<RaeGp>(
    "rae-gp", "Regularized autoencoder with the squared norm of the decoder's Jacobian as its penalty.",
    "Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020; theory §6",
    {variform::number("norm", 1e-2).at_least(0).schedulable().doc("Weight of ½‖h‖²."),
     variform::number("penalty", 1e-2).at_least(0).schedulable().doc("Weight of ‖J‖²_F."),
     variform::integer("probes", 0)
         .at_least(0)
         .in("directions per example")
         .doc("Random directions by which ‖J‖²_F is estimated without bias; 0: exact, from all columns.")}))
