// The best linear β-VAE on the same data, which is known in closed form (theory §4, end): a reference for every other
// decoder, and the exact optimum of a linear one.

#include <variform/model.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace variform::metrics {
namespace {

// With λ the eigenvalues of the data's covariance and β_eff = βσ²:
// σ² L* = ½ Σ_{i>k} λ_i + (β_eff/2) Σ_{i≤k} [1 + log(λ_i/β_eff)], k = min(d, #{λ_i > β_eff}).
class Linear final : public With<Metric, Finishes, OnRequest> {
 public:
  explicit Linear(const Build& build) : size_(build.data_size()) {}

  bool on_request() const override { return true; }
  std::optional<Shorthand> shorthand() const override { return Shorthand{"linear", ""}; }

  std::vector<Quantity> quantities() const override {
    return {
        {"linear_loss", "nats per example",
         "L*, the optimal loss at β of a linear β-VAE on these data (§4), nats per example"},
        {"linear_loss_no_constant", "nats per example", "the same without the likelihood's constant"},
        {"linear_active", "latents", "latents that the optimal linear β-VAE uses: λ_i > β_eff"},
        {"above_linear", "nats per example", "loss_beta − L*, nats per example"},
        {"above_linear_percent", "%", "the same in per cent of L* without the constant"},
        {"principal_columns", "",
         "largest |cosine| of a decoder's column with one of the k principal directions of the data, mean over "
         "columns weighted by their squared lengths; 1 where every column is one of them (a diagonal family), "
         "less where they are rotated (a full one)"},
        {"principal_subspace", "",
         "smallest cosine of the principal angles between the k leading left singular vectors of the decoder's "
         "Jacobian and the k principal directions; 1 where they span the same space"}};
  }

  void measure(Measured& at, Findings& /*findings*/) override {
    if (!squares_.defined()) require_closed_form(at);
    const Tensor x = at.batch().x.flatten(1).to(at::kDouble);  // [B, P]
    const auto posterior = at.posterior();
    add(squares_, x.t().mm(x));
    add(sum_, x.sum(0));
    add(codes_, posterior->location().to(at::kDouble).sum(0));
    if (const auto covariance = posterior->covariance())
      add(covariances_, covariance->dense().to(at::kDouble).expand({x.size(0), -1, -1}).sum(0));
    add_loss(at);
  }

  void finish(Measured& at, Findings& findings) override {
    const auto n = static_cast<double>(at.size());
    const Tensor mean = sum_ / n;
    const auto [values, directions] = at::linalg_eigh(squares_ / n - at::outer(mean, mean));
    spectrum_ = values.flip(0).clamp_min(0);
    directions_ = directions.flip(1);
    const int64_t k = add_optimum(at, findings);
    add_directions(at, findings, k);
    if (covariances_.defined()) add_variances(findings, at::linalg_eigvalsh(covariances_ / n));
  }

 private:
  static constexpr int64_t kLargest = 4096;  // values per example: the covariance has the square of that

  static void add(Tensor& total, const Tensor& part) {
    if (total.defined()) total.add_(part);
    else total = part;
  }

  void require_closed_form(Measured& at) {
    if (at.batch().context.mask.defined())
      throw Unsupported("the closed form is for data that lack no values");
    const Likelihood& likelihood = at.model().likelihood();
    const std::optional<Tensor> variance = likelihood.noise_variance();
    const std::optional<double> beta = at.beta();
    if (!variance || !beta || *beta <= 0)
      throw Unsupported("there is no β above 0 against a Gaussian likelihood");
    if (likelihood.domain() != Domain::kReal || likelihood.outputs() != 1)
      throw Unsupported("the closed form is for a Gaussian likelihood with one variance");
    for (Kind kind : {Kind::kEncoder, Kind::kDecoder, Kind::kPrior})
      if (is_conditioned(*at.model().component(kind)))
        throw Unsupported("the closed form is for a model without a condition");
    if (size_ > kLargest)
      throw Unsupported("the data have " + std::to_string(size_) + " values, more than the " +
                        std::to_string(kLargest) + " whose covariance is taken");
    const double value = variance->to(at::kDouble).mean().item<double>();
    beta_ = *beta;
    effective_ = beta_ * value;
    constant_ = 0.5 * static_cast<double>(size_) * std::log(2 * std::numbers::pi * value);
  }

  // Keeps loss_beta of each row; its own reason where there is none.
  void add_loss(Measured& at) {
    if (!no_loss_.empty()) return;
    try {
      losses_.push_back((at.nll().mean(0) + beta_ * at.kl()).to(at::kCPU));
    } catch (const Unsupported& lacks) {
      no_loss_ = lacks.what();
    }
  }

  // Returns k.
  int64_t add_optimum(Measured& at, Findings& findings) const {
    const double variance = effective_ / beta_;
    const Tensor above = spectrum_.narrow(0, 0, std::min<int64_t>(at.model().latent, spectrum_.size(0)));
    const int64_t k = (above > effective_).sum().item<int64_t>();
    const Tensor active = above.narrow(0, 0, k), rest = spectrum_.narrow(0, k, spectrum_.size(0) - k);
    const double loss = (0.5 * rest.sum().item<double>() +
                         0.5 * effective_ * (1 + (active / effective_).log()).sum().item<double>()) /
                        variance;
    findings.number("linear_loss", loss + constant_);
    findings.number("linear_loss_no_constant", loss);
    findings.number("linear_active", static_cast<double>(k));
    if (!no_loss_.empty()) {
      for (const char* each : {"above_linear", "above_linear_percent"}) findings.undefined(each, no_loss_);
    } else {
      const double excess = at::cat(losses_).mean().item<double>() - constant_ - loss;
      findings.number("above_linear", excess);
      findings.number("above_linear_percent", 100 * excess / std::abs(loss));
    }
    return k;
  }

  // Compares the decoder's Jacobian J at the mean code with the k principal directions.
  void add_directions(Measured& at, Findings& findings, int64_t k) const {
    Model& model = at.model();
    if (!model.decoder().rows_independent() || k == 0) {
      for (const char* each : {"principal_columns", "principal_subspace"})
        findings.undefined(each, "no active latents, or rows are mixed");
      return;
    }
    const Tensor z = (codes_ / static_cast<double>(at.size())).to(model.options).unsqueeze(0);
    const Tensor j =
        model.pushforward(z, model.unit_tangents(1), {}).jv.flatten(1).to(at::kDouble).t();  // [P, d]
    const Tensor principal = directions_.narrow(1, 0, k);
    const Tensor lengths = j.norm(2, 0);
    const Tensor cosines = std::get<0>(principal.t().mm(j / lengths.clamp_min(1e-300)).abs().max(0));
    const Tensor weights = lengths.square() / lengths.square().sum().clamp_min(1e-300);
    const Tensor leading = std::get<0>(at::linalg_svd(j, /*full_matrices=*/false)).narrow(1, 0, k);
    findings.number("principal_columns", (weights * cosines).sum().item<double>());
    findings.number("principal_subspace", at::linalg_svdvals(principal.t().mm(leading)).min().item<double>());
  }

  // Adds the optimal posterior's variances: β/λ_i along the k active directions, and 1 along the others; beside them the
  // eigenvalues of the posterior's mean covariance.
  void add_variances(Findings& findings, const Tensor& learned) const {
    const Tensor expected = at::ones({learned.size(0)}, at::kDouble);
    const int64_t known = std::min(learned.size(0), spectrum_.size(0));
    expected.narrow(0, 0, known).copy_((effective_ / spectrum_.narrow(0, 0, known)).clamp_max(1));
    findings.array("optimal_variances", expected);
    findings.array("learned_variances", learned);
  }

  const int64_t size_;
  double beta_ = 0, effective_ = 0, constant_ = 0;  // β, β_eff, and the likelihood's constant
  Tensor squares_, sum_, codes_, covariances_;      // sums over the rows
  std::vector<Tensor> losses_;
  std::string no_loss_;
  Tensor spectrum_, directions_;  // λ decreasing [P], columns [P, P]
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Linear>(
    "linear", "The closed form of the best linear β-VAE on the same data, beside what was learned.",
    "theory §4"))
