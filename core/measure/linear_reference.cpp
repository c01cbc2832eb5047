// See linear_reference.h.

#include "measure/linear_reference.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "model/rows.h"
#include "model/session.h"

namespace variform::measure {
namespace {

using nlohmann::json;
constexpr int64_t kLargest = 4096;  // values per example: the covariance has the square of that

struct Spectrum {
  Tensor values, directions;  // λ decreasing [P], columns [P, P]
  Tensor mean_code;           // [d]
  Tensor variances;  // eigenvalues of the posterior's mean covariance, increasing [d]; may be undefined
};

Spectrum spectrum_of(model::Session& session, const EvaluateOptions& options) {
  model::Rows rows(session, options.split);
  Model& model = session.assembly->model();
  const int64_t count = options.limit > 0 ? std::min(options.limit, rows.size()) : rows.size();
  Tensor squares, sum, codes, covariances;
  const auto add = [](Tensor& total, const Tensor& part) { total = total.defined() ? total + part : part; };
  for (int64_t first = 0; first < count; first += options.batch) {
    base::tell(options.watch, "linear", first, count);
    const Batch batch = rows.range(first, std::min(options.batch, count - first));
    const Tensor x = batch.x.flatten(1).to(at::kDouble);  // [B, P]
    const auto posterior = model.posterior(batch.x);
    add(squares, x.t().mm(x));
    add(sum, x.sum(0));
    add(codes, posterior->location().to(at::kDouble).sum(0));
    if (const auto covariance = posterior->covariance())
      add(covariances, covariance->dense().to(at::kDouble).expand({x.size(0), -1, -1}).sum(0));
  }
  const auto n = static_cast<double>(count);
  const Tensor mean = sum / n;
  const auto [values, directions] = at::linalg_eigh(squares / n - at::outer(mean, mean));
  return {values.flip(0).clamp_min(0), directions.flip(1), codes / n,
          covariances.defined() ? at::linalg_eigvalsh(covariances / n) : Tensor()};
}

std::string why_not(model::Session& session, const json& result) {
  const Model& model = session.assembly->model();
  int64_t size = 1;
  for (const int64_t side : model.data) size *= side;
  if (!result.at("beta").is_number() || !result.at("beta_eff").is_number() ||
      result.at("beta").get<double>() <= 0)
    return "not defined: there is no β above 0 against a Gaussian likelihood.";
  if (!result.contains("constant") || model.likelihood().outputs() != 1)
    return "not defined: the closed form is for a Gaussian likelihood with one variance.";
  if (size > kLargest)
    return "not defined: the data have " + std::to_string(size) + " values, more than the " +
           std::to_string(kLargest) + " whose covariance is taken.";
  return {};
}

// Compares the decoder's Jacobian J at the mean code with the k principal directions.
void add_directions(Section& section, Model& model, const Spectrum& spectrum, int64_t k) {
  const char* const columns =
      "largest |cosine| of a decoder's column with one of the k principal directions of the data, mean over "
      "columns weighted by their squared lengths; 1 where every column is one of them (a diagonal family), "
      "less where they are rotated (a full one)";
  const char* const subspace =
      "smallest cosine of the principal angles between the k leading left singular vectors of the decoder's "
      "Jacobian and the k principal directions; 1 where they span the same space";
  if (!model.decoder().samplewise() || k == 0) {
    const char* const reason = "not defined: no active latents, or rows are mixed.";
    section.undefined("principal_columns", reason, columns);
    section.undefined("principal_subspace", reason, subspace);
    return;
  }
  const Tensor z = spectrum.mean_code.to(model.options).unsqueeze(0);
  const Tensor j = model.pushforward(z, model.unit_tangents(1)).jv.flatten(1).to(at::kDouble).t();  // [P, d]
  const Tensor principal = spectrum.directions.narrow(1, 0, k);
  const Tensor lengths = j.norm(2, 0);
  const Tensor cosines = std::get<0>(principal.t().mm(j / lengths.clamp_min(1e-300)).abs().max(0));
  const Tensor weights = lengths.square() / lengths.square().sum().clamp_min(1e-300);
  const Tensor leading = std::get<0>(at::linalg_svd(j, /*full_matrices=*/false)).narrow(1, 0, k);
  section.number("principal_columns", (weights * cosines).sum().item<double>(), columns);
  section.number("principal_subspace", at::linalg_svdvals(principal.t().mm(leading)).min().item<double>(),
                 subspace);
}

// Adds the optimal posterior's variances: β/λ_i along the k active directions, and 1 along the others.
void add_variances(Section& section, const Spectrum& spectrum, double effective, int64_t d) {
  if (!spectrum.variances.defined()) return;
  const Tensor expected = at::ones({d}, at::kDouble);
  const int64_t known = std::min(d, spectrum.values.size(0));
  expected.narrow(0, 0, known).copy_((effective / spectrum.values.narrow(0, 0, known)).clamp_max(1));
  section.array("optimal_variances", expected);
  section.array("learned_variances", spectrum.variances);
}

}  // namespace

Section linear_reference(model::Session& session, const EvaluateOptions& options, const json& result) {
  Section section;
  if (const std::string reason = why_not(session, result); !reason.empty()) {
    section.undefined("linear_loss", reason, "L*, the optimal loss of a linear β-VAE (§4)");
    return section;
  }
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  Model& model = session.assembly->model();
  const double beta = result.at("beta").get<double>(), effective = result.at("beta_eff").get<double>(),
               variance = effective / beta, constant = result.at("constant").get<double>();
  const Spectrum spectrum = spectrum_of(session, options);
  const Tensor above = spectrum.values.narrow(0, 0, std::min<int64_t>(model.latent, spectrum.values.size(0)));
  const int64_t k = (above > effective).sum().item<int64_t>();
  const Tensor active = above.narrow(0, 0, k);
  const double loss = (0.5 * spectrum.values.narrow(0, k, spectrum.values.size(0) - k).sum().item<double>() +
                       0.5 * effective * (1 + (active / effective).log()).sum().item<double>()) /
                      variance;
  section.number("linear_loss", loss + constant,
                 "L*, the optimal loss at β of a linear β-VAE on these data (§4), nats per example");
  section.number("linear_loss_no_constant", loss, "the same without the likelihood's constant");
  section.number("linear_active", static_cast<double>(k),
                 "latents that the optimal linear β-VAE uses: λ_i > β_eff");
  const json& trained = result.at("values").at("loss_beta");
  if (trained.contains("mean")) {
    const double excess = trained.at("mean").get<double>() - constant - loss;
    section.number("above_linear", excess, "loss_beta − L*, nats per example");
    section.number("above_linear_percent", 100 * excess / std::abs(loss),
                   "the same in per cent of L* without the constant");
  }
  for (const char* name : {"linear_loss", "linear_loss_no_constant", "above_linear"})
    if (section.entries().contains(name)) section.unit(name, "nats per example");
  section.unit("linear_active", "latents");
  if (section.entries().contains("above_linear_percent")) section.unit("above_linear_percent", "%");
  add_directions(section, model, spectrum, k);
  add_variances(section, spectrum, effective, model.latent);
  return section;
}

}  // namespace variform::measure
