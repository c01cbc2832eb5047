// See preflight.h.

#include "model/preflight.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <set>

#include <fmt/format.h>

#include "model/fallbacks.h"
#include "model/side_effects.h"

namespace variform::model {
namespace {

// Whether a likelihood for domain `likelihood` is defined for data of domain `data`.
bool admits(Domain likelihood, Domain data) {
  if (likelihood == data || likelihood == Domain::kReal) return true;
  return data == Domain::kBinary && (likelihood == Domain::kUnitInterval || likelihood == Domain::kCount);
}

std::string interval(const Support& support) {
  const auto text = [](double value) {
    if (std::isinf(value)) return std::string(value < 0 ? "-infinity" : "infinity");
    return fmt::format("{:g}", value);
  };
  return "(" + text(support.low) + ", " + text(support.high) + ")";
}

// Computes the loss and its parts, with the same random draws every time.
Terms terms_of(Assembly& assembly, const Batch& rows) {
  assembly.set_step(0);
  assembly.model().set_step(-1);  // messages: this is before the training
  return assembly.model().evaluate(rows);
}
Tensor mean_loss(Assembly& assembly, const Batch& rows) { return terms_of(assembly, rows).loss.mean(); }

std::vector<Tensor> trained(const Assembly& assembly, bool of_objective) {
  std::vector<Tensor> parameters;
  for (Kind kind : assembly.kinds())
    if ((kind == Kind::kObjective) == of_objective)
      for (const Tensor& parameter : assembly.model().component(kind)->parameters())
        if (parameter.requires_grad()) parameters.push_back(parameter);
  return parameters;
}

// Returns the gradient of a mean as one vector, with zeros where it does not depend on a parameter.
Tensor gradient_of(const Tensor& term, const std::vector<Tensor>& parameters) {
  std::vector<Tensor> all;
  const auto found = torch::autograd::grad({term.mean()}, parameters, {}, /*retain_graph=*/true, false, true);
  for (size_t i = 0; i < parameters.size(); ++i)
    all.push_back((found[i].defined() ? found[i] : at::zeros_like(parameters[i])).flatten());
  return at::cat(all);
}

// Lists the parts of the loss that train the objective's own parameters and nothing of the model: another player's
// losses, which do not tell how good the model is. Only where they are summands of the loss.
std::vector<std::string> adversaries_in(const Assembly& assembly, const Terms& terms) {
  const std::vector<Tensor> own = trained(assembly, true), models = trained(assembly, false);
  if (own.empty() || models.empty() || !terms.loss.requires_grad()) return {};
  std::vector<std::string> names;
  Tensor theirs = at::zeros_like(gradient_of(terms.loss, own));
  for (const auto& [name, part] : terms.parts) {
    if (!part.requires_grad()) continue;
    const Tensor of_own = gradient_of(part, own);
    if (!of_own.any().item<bool>() || gradient_of(part, models).any().item<bool>()) continue;
    names.push_back(name);
    theirs = theirs + of_own;
  }
  if (names.empty() || !at::allclose(gradient_of(terms.loss, own), theirs, 1e-3, 1e-6)) return {};
  return names;
}

// Returns the relative difference between the gradient along one random direction and central differences.
double tangent_gradient_error(Assembly& twin, const Batch& rows) {
  std::vector<Tensor> parameters;
  for (const ParameterGroup& group : twin.parameter_groups({}))
    for (const NamedParameter& parameter : group.parameters) parameters.push_back(parameter.tensor);
  Generator generator = make_generator(twin.spec().options.device(), 7);
  std::vector<Tensor> direction;
  for (const Tensor& parameter : parameters)
    direction.push_back(at::randn(parameter.sizes(), generator, parameter.options().requires_grad(false)));

  const std::vector<Tensor> gradients =
      torch::autograd::grad({mean_loss(twin, rows)}, parameters, {}, {}, false, true);
  double along = 0, scale = 0;
  for (size_t i = 0; i < parameters.size(); ++i)
    if (gradients[i].defined()) {
      along += (gradients[i] * direction[i]).sum().item<double>();
      scale += gradients[i].square().sum().item<double>();
    }

  at::NoGradGuard no_grad;
  const auto shifted = [&](double step) {
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i].add_(direction[i], step);
    const double value = mean_loss(twin, rows).item<double>();
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i].add_(direction[i], -step);
    return value;
  };
  // The least error over several step sizes counts: a kink of the network within one step is not a wrong gradient.
  double best = std::numeric_limits<double>::infinity();
  for (double step : {1e-6, 1e-7, 1e-5}) {
    const double differences = (shifted(step) - shifted(-step)) / (2 * step);
    const double size = std::max({std::abs(along), std::abs(differences), 1e-3 * std::sqrt(scale), 1e-12});
    best = std::min(best, std::abs(differences - along) / size);
    if (best < 1e-6) break;
  }
  return best;
}

}  // namespace

void check_composition(Model& model, Domain domain, bool has_missing) {
  const auto name = [&](Kind kind) { return std::string(to_string(kind)) + " " + model.label(kind); };
  if (!admits(model.likelihood().domain(), domain))
    throw Error(name(Kind::kLikelihood) + " is defined for " + to_string(model.likelihood().domain()) +
                " data, and this data set is " + to_string(domain) +
                ". Choose another likelihood, or another scaling or binarisation in [data].");
  if (has_missing && !model.likelihood().admits_missing())
    throw Error(
        name(Kind::kLikelihood) +
        " is for data without missing values, and this data set has some (data.missing). Choose another "
        "likelihood, or fill the values in; authors: the ability MissingValues.");
  const Support family = model.family().support(), prior = model.prior().support();
  if (family.low < prior.low || family.high > prior.high)
    throw Error(name(Kind::kFamily) + " has draws in " + interval(family) + ", where " + name(Kind::kPrior) +
                " with support " + interval(prior) +
                " has no density, so that KL(q || p) is infinite. Choose a bounded family or another prior.");
  if (model.family().finite_moments() < model.prior().moments_needed())
    throw Error(
        fmt::format("{} has finite moments up to order {} only, and {} needs order {}, so that KL(q || p) is "
                    "infinite. Choose lighter tails, or a prior with heavier ones.",
                    name(Kind::kFamily), model.family().finite_moments(), name(Kind::kPrior),
                    model.prior().moments_needed()));
}

namespace {

// Throws when the loss is not finite, since it then has no gradient to compare, and names the part. The commonest
// reason is a negative second derivative, which leaves no optimal covariance (theory §4).
void check_finite(Model& model, const Batch& rows) {
  at::NoGradGuard no_grad;
  const Terms terms = model.evaluate(rows);
  if (terms.loss.isfinite().all().item<bool>()) return;
  std::string term = "loss";
  for (const auto& [name, part] : terms.parts)
    if (!part.isfinite().all().item<bool>()) {
      term = name;
      break;
    }
  throw Error(fmt::format(
      "before the first step the term '{}' of the loss of objective {} is not finite on {} rows. Where "
      "likelihood {} has a negative second derivative the objective has no lower bound: use its Fisher "
      "information if the objective offers it, a larger beta, or another likelihood or prior.",
      term, model.label(Kind::kObjective), rows.x.size(0), model.label(Kind::kLikelihood)));
}

// Returns notes on tangents by double backward where there is a cheaper way.
std::vector<std::string> costs_of_tangents(const Model& model, PushforwardTier tier,
                                           const std::set<std::string>& layers) {
  const std::string decoder = std::string("decoder ") + model.label(Kind::kDecoder);
  const std::string cost =
      " by double backward, which is correct, but costs about three more passes for every tangent and the "
      "memory of all of them; ";
  std::vector<std::string> notes;
  for (const std::string& layer : layers)
    notes.push_back(decoder + " has a layer without a push() of its own, " + layer +
                    ": its tangents are computed" + cost +
                    "override push() there, with the functions of variform/nn/dual.h");
  if (tier == PushforwardTier::kDoubleBackward)
    notes.push_back(decoder + " computes its pushforward" + cost +
                    "one made of variform/nn layers pushes tangents beside one pass");
  return notes;
}

}  // namespace

Preflight run_preflight(Assembly& assembly, const Batch& rows,
                        const std::function<std::unique_ptr<Assembly>()>& twin) {
  Preflight result;
  Model& model = assembly.model();
  assembly.set_training(true);
  result.findings = what_components_do(assembly, rows);
  const NoticedFallbacks fallbacks;
  const Terms terms = terms_of(assembly, rows);
  for (const auto& [name, part] : terms.parts) result.parts.push_back(name);
  result.adversaries = adversaries_in(assembly, terms);
  terms.loss.mean().backward();
  for (const ParameterGroup& group : assembly.parameter_groups({}))
    for (const NamedParameter& parameter : group.parameters)
      Tensor(parameter.tensor).mutable_grad() = Tensor();
  {
    at::NoGradGuard no_grad;
    result.closed_kl = model.has_closed_kl(*model.posterior(rows.x, rows.context), rows.context);
  }
  result.piecewise_linear = model.decoder().piecewise_linear();
  if (!model.objective().uses_tangents()) return result;

  result.tier = model.decoder().pushforward_tier();
  result.notes = costs_of_tangents(model, result.tier, fallbacks.layers());
  const std::unique_ptr<Assembly> reference = twin();
  reference->load(assembly.state(), assembly.kinds());
  reference->set_training(true);
  Batch precise = rows;
  precise.x = rows.x.to(at::kDouble);
  check_finite(reference->model(), precise);
  result.tangent_error = tangent_gradient_error(*reference, precise);
  if (!(result.tangent_error <= 1e-4))
    throw Error(fmt::format(
        "the gradient of objective {} through decoder {} (pushforward: {}) differs from central differences "
        "by {:.2g} of its size. LibTorch differentiates some fused layers wrongly (layer_norm, batch_norm in "
        "training mode, instance_norm): make the decoder of variform/nn layers or of elementary operations.",
        model.label(Kind::kObjective), model.label(Kind::kDecoder), to_string(result.tier),
        result.tangent_error));
  return result;
}

}  // namespace variform::model
