// See introduce.h.

#include "train/introduce.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <fmt/format.h>

#include "data/range.h"
#include "train/trainer.h"

namespace variform::train {
namespace {

// Reports values that never vary: a likelihood that learns something per value learns its bound for them.
void tell_constant_values(base::Log& log, const model::Session& session) {
  const Model& model = session.assembly->model();
  const Component& likelihood = *model.component(Kind::kLikelihood);
  bool each = false;
  for (const Tensor& parameter : likelihood.parameters())
    each = each || (parameter.requires_grad() && parameter.sizes() == at::IntArrayRef(model.data));
  if (!each || session.splits.train.size() < 2) return;
  const int64_t constant = data::values_that_never_vary(session.splits.train);
  if (constant > 0)
    log.note(
        fmt::format("{} of the data's values never vary in the training rows; what likelihood {} learns "
                    "for them goes to its bound",
                    constant, model.label(Kind::kLikelihood)));
}

void tell_model(base::Log& log, const model::Session& session) {
  const Model& model = session.assembly->model();
  int64_t parameters = 0;
  for (const auto& group : session.assembly->parameter_groups({}))
    for (const auto& parameter : group.parameters) parameters += parameter.tensor.numel();
  std::string parts;
  for (Kind kind :
       {Kind::kEncoder, Kind::kFamily, Kind::kPrior, Kind::kDecoder, Kind::kLikelihood, Kind::kObjective})
    parts += std::string(parts.empty() ? "" : ", ") + to_string(kind) + " " +
             session.experiment.slots.at(kind).type;
  const int threads = at::get_num_threads();
  log.info(fmt::format("model: {}; d = {}, {} trained numbers, {} on {}, {}{}", parts, model.latent,
                       parameters, to_string(session.experiment.train.precision),
                       session.options.device().str(), threads, threads == 1 ? " thread" : " threads"));
}

// Returns why the decoder's pushforward is computed as it is.
const char* reason_of(PushforwardTier tier) {
  switch (tier) {
    case PushforwardTier::kUndecided: break;
    case PushforwardTier::kLayers:
      return "the decoder's network is made of layers that push tangents beside values";
    case PushforwardTier::kForwardMode:
      return "the decoder has none of its own, or --reference does without it, and its operations have forward mode";
    case PushforwardTier::kDoubleBackward:
      return "the decoder has none of its own, and one of its operations has no forward mode";
    case PushforwardTier::kOwn: return "the decoder computes it by itself";
  }
  return "";
}

void tell_pushforward(base::Log& log, const model::Preflight& preflight) {
  if (preflight.tier == PushforwardTier::kUndecided) return;
  log.debug("model", [&] {
    return fmt::format("the pushforward is by {}, since {}", to_string(preflight.tier),
                       reason_of(preflight.tier));
  });
  log.info(fmt::format(
      "decoder's pushforward: {}; the objective's gradient agrees with central differences to {:.1e}",
      to_string(preflight.tier), preflight.tangent_error));
  log.info(preflight.piecewise_linear
               ? "the decoder is piecewise linear: Gauss-Newton is all of the Hessian almost everywhere"
               : "the decoder is not piecewise linear: Gauss-Newton is an approximation of the Hessian");
}

std::string condition_text(const data::Condition& condition) {
  return condition.size == 0 ? "" : fmt::format(", condition: {} ({} numbers)", condition.on, condition.size);
}

}  // namespace

void introduce(base::Log& log, const model::Session& session, const model::Preflight& preflight) {
  Model& model = session.assembly->model();
  const model::Batches& batches = *session.batches;
  log.info(fmt::format(
      "data: {}, {} training rows of shape {} ({}), {}: {}{}",
      session.splits.name.empty() ? std::string("drawn afresh from a model") : session.splits.name,
      batches.size(), to_text(model.data), session.domain, batches.evaluation_split(),
      batches.evaluation_size(), condition_text(session.facts.condition)));
  for (const std::string& note : session.splits.notes) log.note(note);
  tell_constant_values(log, session);
  for (const std::string& finding : preflight.findings) log.warning(finding);
  for (const std::string& note : preflight.notes) log.note(note);
  tell_model(log, session);
  log.info(std::string("KL divergence: ") +
           (preflight.closed_kl ? "in closed form" : "by Monte Carlo, from the same draws"));
  tell_pushforward(log, preflight);
  if (const auto beta = effective_beta(model))
    log.info(fmt::format(
        "beta at the start: {:.6g}, beta_eff {:.6g} (against a unit-variance Gaussian summed over "
        "the data's values)",
        model.objective().beta()->item<double>(), *beta));
}

}  // namespace variform::train
