// Inverse autoregressive flow: Gaussian draws sent through autoregressive networks that see a context of x.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <memory>
#include <vector>

#include "coupling.h"
#include "flow.h"

namespace {

using variform::Tensor;

// One step: z -> σ ⊙ z + μ, (μ, log σ) c times a network of one hidden layer whose i-th outputs see z_1 … z_{i−1}.
struct Step {
  Tensor in, context, bias, out, out_bias;  // [H, d], [H, C], [H], [2d, H], [2d]
  Tensor in_mask, out_mask;
  Tensor scale;  // c

  struct Result {
    Tensor z, log_det;  // [..., B, d], [..., B]
  };
  Result operator()(const Tensor& z, const Tensor& c) const {
    const Tensor hidden = at::elu(z.matmul((in * in_mask).t()) + c.matmul(context.t()) + bias);
    const std::vector<Tensor> parts = (scale * (hidden.matmul((out * out_mask).t()) + out_bias)).chunk(2, -1);
    return {parts[1].exp() * z + parts[0], parts[1].sum(-1)};
  }
};

/// log q(z_T|x) = log N(z_0; m, s²) − Σ_t Σ_i log σ_ti; the inverse is sequential.
class IafPosterior final : public variform::flows::FlowPosterior {
 public:
  IafPosterior(Tensor mean, Tensor log_variance, Tensor context, std::vector<Step> steps)
      : FlowPosterior(std::move(mean), std::move(log_variance), "an inverse autoregressive flow"),
        context_(std::move(context)),
        steps_(std::move(steps)) {}

 private:
  Flowed flow(Tensor z) const override {
    Tensor log_det = no_change(z);
    for (const Step& step : steps_) {
      const Step::Result next = step(z.flip(-1), context_);  // every step reverses the order
      z = next.z;
      log_det = log_det + next.log_det;
    }
    return {z, log_det};
  }

  Tensor context_;  // [B, C]
  std::vector<Step> steps_;
};

/// The encoder outputs m [d], log s² [d] and a context [C] that every step sees. State of step t: `in`, `context`,
/// `bias`, `out`, `out_bias` with t appended. The paper's gate σ ⊙ z + (1 − σ) ⊙ μ with σ = S(·) is the identity for no
/// finite numbers. Its first form, exp(c a) ⊙ z + c μ, is the identity at zero, where networks start.
/// c = coupling / √(2 d T).
class Iaf final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Iaf(const variform::Build& build)
      : context_(build.integer("context")),
        coupling_(variform::register_coupling(*this, build, 2 * build.latent * build.integer("steps"))) {
    for (int64_t t = 0; t < build.integer("steps"); ++t)
      steps_.push_back(make_step(build, std::to_string(t)));
  }
  int64_t parameter_count(int64_t d) const override { return 2 * d + context_; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {
        {"mean before the flow", d}, {"log-variance before the flow", d}, {"context of the flow", context_}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const int64_t d = (params.size(1) - context_) / 2;
    const std::vector<Tensor> parts = params.split_with_sizes({d, d, context_}, 1);
    return std::make_unique<IafPosterior>(parts[0], parts[1], parts[2], steps_);
  }

 private:
  Step make_step(const variform::Build& build, const std::string& t) {
    const int64_t d = build.latent, hidden = build.integer("hidden");
    variform::Generator rng = build.rng;
    const auto random = [&](const char* name, int64_t rows, int64_t columns) {
      const double bound = 1 / std::sqrt(static_cast<double>(columns));
      return register_parameter(name + t,
                                at::empty({rows, columns}, build.options).uniform_(-bound, bound, rng));
    };
    Step step;
    step.in = random("in", hidden, d);
    step.context = random("context", hidden, context_);
    step.bias = register_parameter("bias" + t, at::zeros({hidden}, build.options));
    step.out = random("out", 2 * d, hidden);
    step.out_bias = register_parameter("out_bias" + t, at::zeros({2 * d}, build.options));
    step.scale = coupling_;
    // A unit of degree k sees z_1 … z_k; an output of degree i sees units of degree below i (Germain et al. 2015).
    const Tensor units = d == 1 ? at::zeros({hidden}, build.options)
                                : at::arange(hidden, build.options).remainder(static_cast<double>(d - 1)) + 1;
    const Tensor numbers = at::arange(1, d + 1, build.options);
    step.in_mask = (units.unsqueeze(1) >= numbers).to(build.options);
    step.out_mask = (numbers.repeat({2}).unsqueeze(1) > units).to(build.options);
    return step;
  }

  int64_t context_;
  Tensor coupling_;  // c
  std::vector<Step> steps_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Iaf>(
    "iaf", "Inverse autoregressive flow: Gaussian draws sent through autoregressive networks.",
    "Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow, NeurIPS 2016",
    {variform::integer("steps", 2)
         .at_least(1)
         .doc("Number T of autoregressive networks, one after the other."),
     variform::integer("hidden", 64).at_least(1).doc("Width of their hidden layers."),
     variform::integer("context", 16)
         .at_least(1)
         .doc("Numbers, beside mean and variance, that the encoder gives to every network."),
     variform::coupling_parameter()}))
