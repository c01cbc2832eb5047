// Mixture of discretised logistics: a distribution with several peaks over the grey values of each pixel.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include "grid.h"

namespace {

using variform::Tensor;
using variform::likelihoods::Grid;

/// Data in [0, 1] on `levels` equally spaced values; every value is independent given g, without the conditioning of
/// colour channels on each other. Of K components, π = softmax of the first K outputs of a value, μ_k the next K, and
/// s_k = scale · exp(λ_k) with the last K as λ: an output of zeros leaves the discretised logistic at 0. With f_k =
/// log π_k + log P_k(x), P_k the probability of x's bin under component k, ℓ = −Σ log Σ_k exp f_k. A probability is at
/// most 1, so that ℓ ≥ 0 and the scales need no floor.
/// Exact H_ℓ (§3): a dense block of 3K×3K for each value, with r = softmax(f)
///   tᵀ∇²ℓ t = Var_π(t_π) − Σ_k r_k D²log P_k(t, t) − Var_r(Df(t)),
/// **indefinite** (as for every mixture, and every learned scale): the loss may be unbounded below (§4).
/// Fisher information: Σ_x p(x) ∇ℓ∇ℓᵀ over all levels, exact and never negative. It takes `levels` times the memory of
/// the exact form, too much for larger images.
class DiscretisedLogisticMixture final
    : public variform::With<variform::Likelihood, variform::CurvatureForm, variform::MissingValues,
                            variform::NamesOutputs> {
 public:
  explicit DiscretisedLogisticMixture(const variform::Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        components_(build.integer("components")),
        scale_(build.number("scale")),
        grid_(build.integer("levels")) {}

  bool admits_missing() const override { return true; }
  int64_t outputs() const override { return 3 * components_; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override {
    return {{"logits of the weights", components_},
            {"locations", components_},
            {"log(scale of the component / scale)", components_}};
  }
  variform::Domain domain() const override { return variform::Domain::kUnitInterval; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    const Parts parts = parts_of(g);
    const Tensor f =
        parts.log_weight + log_probability(grid_.bin(x.unsqueeze(1), parts.mean, parts.scale), parts);
    return -variform::sum_data(f.logsumexp(-dimensions_ - 1, /*keepdim=*/true), dimensions_, context);
  }
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, variform::Curvature curvature,
                        const variform::Context&) override {
    const Parts parts = parts_of(g.to(t.scalar_type()));  // [B, K, data…] each
    return curvature == variform::Curvature::kFisher ? fisher(parts, t)
                                                     : hessian(x.unsqueeze(1).to(t.scalar_type()), parts, t);
  }
  Tensor mean(const Tensor& g) override {
    const Parts parts = parts_of(g);
    return (parts.log_weight.exp() * grid_.mean(parts.mean, parts.scale)).sum(-dimensions_ - 1);
  }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Parts parts = parts_of(g);
    const int64_t axis = g.dim() - dimensions_ - 1;
    const Tensor gumbel =
        -at::empty(parts.mean.sizes(), g.options().requires_grad(false)).exponential_(1, rng).log();
    const Tensor chosen = (parts.log_weight + gumbel).argmax(axis, /*keepdim=*/true);
    const auto of_chosen = [&](const Tensor& all) { return all.gather(axis, chosen).squeeze(axis); };
    return grid_.sample(of_chosen(parts.mean), of_chosen(parts.scale), rng);
  }

 private:
  struct Parts {
    Tensor log_weight, mean, scale;  // [..., K, data…]
  };
  Parts parts_of(const Tensor& g) const {
    const int64_t axis = g.dim() - dimensions_ - 1;
    const std::vector<Tensor> thirds = g.chunk(3, axis);
    return {thirds[0].log_softmax(axis), thirds[1], scale_ * thirds[2].exp()};
  }
  Tensor log_probability(const Grid::Bin& bin, const Parts& parts) const {
    return Grid::log_probability(bin, (-(-grid_.width() / parts.scale).expm1()).log());
  }

  // Computes the first two derivatives of log P_k in μ_k and λ_k.
  struct Slopes {
    Tensor mean, log_scale, mean_mean, mean_log_scale, log_scale_log_scale;
  };
  Slopes slopes_of(const Grid::Bin& bin, const Parts& parts) const {
    const Tensor none = at::zeros({}, bin.a.options());
    const Tensor above = at::where(bin.last, none,
                                   (-bin.a).sigmoid()),  // of log S(a), none where the end is open
        below = at::where(bin.first, none, (-bin.b).sigmoid());
    const Tensor bend_above = above * bin.a.sigmoid(), bend_below = below * bin.b.sigmoid();
    const Tensor w = grid_.width() / parts.scale, rest = -(-w).expm1();  // 1 − e^{−w}
    const Tensor inside = at::where(bin.first.logical_or(bin.last), none, w * (-w).exp() / rest);
    const Tensor mean = (below - above) / parts.scale;
    return {mean, -(bin.a * above + bin.b * below + inside),
            -(bend_above + bend_below) / parts.scale.square(),
            (bin.b * bend_below - bin.a * bend_above) / parts.scale - mean,
            bin.a * above + bin.b * below - bin.a.square() * bend_above - bin.b.square() * bend_below +
                inside * (1 - w / rest)};
  }

  Tensor hessian(const Tensor& x, const Parts& parts, const Tensor& t) const {
    const Grid::Bin bin = grid_.bin(x, parts.mean, parts.scale);
    const Slopes slopes = slopes_of(bin, parts);
    const Tensor weight = parts.log_weight.exp(),
                 r = (parts.log_weight + log_probability(bin, parts)).softmax(1);
    const std::vector<Tensor> thirds = t.chunk(3, 2);  // [T, B, K, data…]
    const Tensor &in_mean = thirds[1], &in_scale = thirds[2];
    const Tensor in_weight = thirds[0] - (weight * thirds[0]).sum(2, true);                // D log π
    const Tensor along = in_weight + slopes.mean * in_mean + slopes.log_scale * in_scale;  // Df
    const Tensor centred = along - (r * along).sum(2, true);
    const Tensor mixed = r * slopes.mean_log_scale;
    return variform::diagonal_curvature_form(in_weight, weight) -
           variform::diagonal_curvature_form(centred, r) -
           variform::diagonal_curvature_form(in_mean, r * slopes.mean_mean - mixed) -
           variform::diagonal_curvature_form(in_scale, r * slopes.log_scale_log_scale - mixed) -
           variform::diagonal_curvature_form(in_mean + in_scale, mixed);
  }

  Tensor fisher(const Parts& parts, const Tensor& t) const {
    variform::Shape shape(static_cast<size_t>(dimensions_ + 3), 1);
    shape[0] = -1;
    const Tensor x = grid_.values(t.options()).reshape(shape);  // [levels, 1, 1, 1…]
    const Grid::Bin bin = grid_.bin(x, parts.mean, parts.scale);
    const Slopes slopes = slopes_of(bin, parts);
    const Tensor f = parts.log_weight + log_probability(bin, parts);  // [levels, B, K, data…]
    const Tensor r = f.softmax(2), p = f.exp().sum(2, true);
    const Tensor score = at::cat({r - parts.log_weight.exp(), r * slopes.mean, r * slopes.log_scale}, 2);
    const auto last = [](const Tensor& y) {  // [levels, B, m, data…] -> [B, P, m, levels]
      return y.flatten(3).permute({1, 3, 2, 0});
    };
    const Tensor information = last(p * score).matmul(last(score).transpose(2, 3));  // [B, P, 3K, 3K]
    const Tensor tangents = t.flatten(3).permute({1, 3, 2, 0});                      // [B, P, 3K, T]
    return tangents.transpose(2, 3).matmul(information.matmul(tangents)).sum(1);
  }

  int64_t dimensions_;  // of an example
  int64_t components_;
  double scale_;
  Grid grid_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<DiscretisedLogisticMixture>(
    "discretised-logistic-mixture",
    "Probability of a grey value's bin under a mixture of logistic distributions, one for each data value.",
    "Salimans et al., PixelCNN++, ICLR 2017, section 2.1, without dependence between channels; theory §3",
    {variform::integer("components", 5)
         .at_least(1)
         .doc("Number K of components; the decoder outputs 3K numbers per data value: logits, means, "
              "log-scales."),
     variform::number("scale", 0.1)
         .above(0)
         .in("data units")
         .doc("Scale of every component for a decoder output of zero."),
     variform::integer("levels", 256)
         .at_least(2)
         .doc("Number of values that the data take between 0 and 1, ends included.")}))
