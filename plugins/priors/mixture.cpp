// Mixture of Gaussians as a prior, over the latent space or for every latent separately; fixed or learned.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

#include "log_two_pi.h"

namespace {

using variform::Tensor;

// Returns a list of `count` numbers, from as many or from one for all.
Tensor listed(const variform::Build& build, const char* key, int64_t count) {
  const std::vector<double> values = build.numbers(key);
  if (values.size() != 1 && static_cast<int64_t>(values.size()) != count)
    throw variform::Error("'" + std::string(key) + "' needs one number or " + std::to_string(count) +
                          "; found " + std::to_string(values.size()));
  return at::tensor(values, at::kDouble).expand({count}).contiguous();
}

/// p(z) = Σ_k w_k N(z; m_k, Σ_k), or with `factorized` ∏_i Σ_k w_ki N(z_i; m_ki, s_ki²). Σ_k = diag s_k², or when full
/// (I + B_k)⁻¹ diag s_k² (I + B_k)⁻ᵀ with B_k lower triangular: s_ki then is the deviation of z_i given z_1 … z_{i−1}.
/// State (parameters when learned, buffers when not): `logits` [K, 1] ([K, d] when factorized), `means` [K, d],
/// `log_deviations` [K, d], and `below` [K, d, d], of which the part below the diagonal is B_k, when full.
class Mixture final : public variform::With<variform::Prior, variform::MomentsNeeded> {
 public:
  explicit Mixture(const variform::Build& build)
      : factorized_(build.flag("factorized")), full_(build.text("covariance") == "full") {
    if (factorized_ && full_)
      throw variform::Error(
          "a mixture for every latent separately has no full covariance; set factorized = false or "
          "covariance = \"diagonal\"");
    const int64_t d = build.latent;
    int64_t K = build.integer("components");
    Tensor means;
    if (const std::vector<double> given = build.numbers("means"); !given.empty()) {
      const int64_t each = factorized_ ? 1 : d, found = static_cast<int64_t>(given.size());
      if (found % each != 0)
        throw variform::Error("'means' needs d = " + std::to_string(d) + " numbers per component; found " +
                              std::to_string(found));
      K = found / each;
      means = at::tensor(given, at::kDouble).reshape({K, each}).expand({K, d}).contiguous().to(build.options);
    } else {
      variform::Generator rng = build.rng;
      means = build.number("spread") * at::randn({K, d}, rng, build.options);
    }
    const Tensor deviations = listed(build, "deviation", K).unsqueeze(1).expand({K, d}).contiguous();
    const Tensor weights =
        listed(build, "weights", K).unsqueeze(1).expand({K, factorized_ ? d : 1}).contiguous();
    const bool learned = build.flag("learned");
    const auto keep = [&](const char* name, const Tensor& tensor) {
      return learned ? register_parameter(name, tensor) : register_buffer(name, tensor);
    };
    logits_ = keep("logits", weights.log().to(build.options));
    means_ = keep("means", means);
    log_deviations_ = keep("log_deviations", deviations.log().to(build.options));
    if (full_) below_ = keep("below", at::zeros({K, d, d}, build.options));
  }

  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    Tensor off = z.unsqueeze(-2) - means_;  // [..., K, d]
    if (full_) off = off + at::einsum("kij,...kj->...ki", {below_.tril(-1), off});
    const Tensor e = off * (-log_deviations_).exp();
    const Tensor parts = -0.5 * (e.square() + kLogTwoPi) - log_deviations_;  // [..., K, d]
    const Tensor log_weights = logits_.log_softmax(0);
    if (factorized_) return (parts + log_weights).logsumexp(-2).sum(-1);
    return (parts.sum(-1) + log_weights.squeeze(-1)).logsumexp(-1);
  }
  Tensor sample(int64_t n, variform::Generator& rng, const variform::Context&) override {
    // The largest of the logits with Gumbel noise: a draw of the component.
    const int64_t K = means_.size(0), d = means_.size(1);
    const Tensor noise =
        -at::empty({n, K, logits_.size(1)}, means_.options().requires_grad(false)).exponential_(1, rng).log();
    const Tensor chosen = (logits_ + noise).argmax(1, true).expand({n, 1, d});
    const auto of = [&](const Tensor& all) { return all.expand({n, K, d}).gather(1, chosen).squeeze(1); };
    const Tensor normal = at::randn({n, d}, rng, means_.options().requires_grad(false));
    Tensor off = of(log_deviations_).exp() * normal;
    if (full_) {  // (I + B_k)⁻¹ of each draw's own k
      const Tensor solve = at::linalg_solve_triangular(
          below_.tril(-1), at::eye(d, normal.options()).expand({K, d, d}), /*upper=*/false, /*left=*/true,
          /*unitriangular=*/true);
      off = at::matmul(solve.index_select(0, chosen.select(2, 0).squeeze(1)), off.unsqueeze(-1)).squeeze(-1);
    }
    return of(means_) + off;
  }
  int moments_needed() const override { return 2; }

 private:
  bool factorized_, full_;
  Tensor logits_, means_, log_deviations_, below_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Mixture>(
    "mixture", "Mixture of Gaussians, over all latents together or for every latent separately.",
    "Dilokthanakul et al., Deep Unsupervised Clustering with Gaussian Mixture VAEs, 2016; theory §7",
    {variform::integer("components", 10).at_least(1).doc("Number K of Gaussians, unless `means` gives them."),
     variform::numbers("means", {})
         .in("latent units")
         .doc("Means, d numbers per component (factorized: one, the same for every latent); left out, they "
              "are drawn from N(0, spread²)."),
     variform::number("spread", 0.1)
         .above(0)
         .in("latent units")
         .doc("Standard deviation of the means that are drawn. Small, so that training starts beside N(0, "
              "I), as it does with the other learned priors."),
     variform::numbers("deviation", {1.0})
         .above(0)
         .in("latent units")
         .doc("Standard deviation of the components: one number for all, or one each."),
     variform::numbers("weights", {1.0})
         .above(0)
         .doc("Weights of the components, up to a factor: one number for all, or one each."),
     variform::text("covariance", "diagonal")
         .one_of({"diagonal", "full"})
         .doc("Covariance of the components: independent latents, or any matrix (which starts as the "
              "diagonal one)."),
     variform::flag("factorized", false).doc("A separate mixture for every latent, instead of one over all."),
     variform::flag("learned", true).doc("Whether weights, means and deviations are trained.")}))
