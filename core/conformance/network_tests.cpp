// Tests encoders and decoders: other sizes, precisions and modes; and a decoder's pushforward, on which every objective
// with the decoder's curvature relies. LibTorch differentiates some layers wrongly in silence, so gradients of tangents
// are compared with differences of their values: two agreeing ways of automatic differentiation prove nothing.

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>

#include <variform/model.h>
#include <variform/random.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "conformance/exercise.h"

namespace variform::conformance {
namespace {

// Returns the largest difference, relative to the largest value.
double difference(const Tensor& found, const Tensor& expected) {
  if (found.numel() == 0) return 0;
  const Tensor x = found.detach().to(at::kDouble), y = expected.detach().to(at::kDouble);
  return ((x - y).abs().max() / at::clamp_min(y.abs().max(), 1e-12)).item<double>();
}

// A decoder that has a Jacobian for each sample, a point z [N, d], and tangents v [T, N, d].
class Tangents {
 public:
  explicit Tangents(const Case& test, std::uint64_t point = 0, int64_t N = 4, int64_t T = 3)
      : rig_(test), seed_(hash(test.seed, "draws")) {
    const int64_t d = rig_.model().latent;
    z = normal({N, d}, hash(test.seed, "z", point));
    v = normal({T, N, d}, hash(test.seed, "v", point));
    // Moving buffers have no gradient, but differences of parameters see them.
    if (!decoder().rows_independent() || draws() || rig_.have_buffers_moved()) rig_.component().train(false);
    if (!decoder().rows_independent() || draws())
      skip(
          "the decoder mixes the rows of a batch, or draws random numbers, so that no sample has its own "
          "Jacobian");
  }

  Decoder& decoder() { return rig_.as<Decoder>(); }
  // Starts draws and buffers from the same state in every call.
  void start(std::uint64_t seed) {
    rig_.restore_buffers();
    rig_.model().rng.set_current_seed(seed);
  }
  Tensor decode(const Tensor& at) {
    start(seed_);
    return decoder().decode(at, rig_.context(at.size(0)));
  }
  Pushed push(const Tensor& at, const Tensor& along) {
    start(seed_);
    return decoder().pushforward(at, along, rig_.context(at.size(0)));
  }
  Pushed push_by(Pushed (*compute)(Decoder&, const Tensor&, const Tensor&, const Context&)) {
    start(seed_);
    return compute(decoder(), z, v, rig_.context(z.size(0)));
  }
  Tensor normal(at::IntArrayRef shape, std::uint64_t seed) const { return rig_.normal(shape, seed); }
  std::vector<std::pair<std::string, Tensor>> parameters() const { return rig_.parameters(); }

  // Returns the tier after a call, for messages.
  std::string tier() { return to_string(decoder().pushforward_tier()); }

  Tensor z, v;

 private:
  bool draws() {
    const at::NoGradGuard no_grad;
    const Tensor first = decode(z);
    start(seed_ + 1);
    return !at::equal(decoder().decode(z, rig_.context(z.size(0))), first);
  }

  Rig rig_;
  std::uint64_t seed_;
};

void pushforward_linear(const Case& test) {
  Tangents t(test);
  const at::NoGradGuard no_grad;
  const Tensor w = t.normal(t.v.sizes(), hash(test.seed, "w"));
  const Tensor jv = t.push(t.z, t.v).jv, expected = 1.7 * jv - 0.6 * t.push(t.z, w).jv;
  if (const double error = difference(t.push(t.z, 1.7 * t.v - 0.6 * w).jv, expected); !(error <= 1e-9))
    fail("J(1.7 v − 0.6 w) differs from 1.7 Jv − 0.6 Jw by " + text_of(error) +
         " of its size; a pushforward is linear in its tangents");
  if (const double error = difference(t.push(t.z, t.v.narrow(0, 0, 1)).jv, jv.narrow(0, 0, 1));
      !(error <= 1e-9))
    fail("a tangent alone gives another Jv than among others (by " + text_of(error) +
         " of its size); tangents must not interact");
}

void pushforward_value(const Case& test) {
  Tangents t(test);
  const at::NoGradGuard no_grad;
  const Pushed pushed = t.push(t.z, t.v);
  if (const double error = difference(pushed.g, t.decode(t.z)); !(error <= 1e-9))
    fail("the g that pushforward returns differs from decode(z) by " + text_of(error) + " of its size");
  Tensor best;  // [T, N]: a kink of the network inside one step of one row is not an error
  for (double step : {1e-5, 1e-6, 1e-7, 1e-4}) {
    std::vector<Tensor> differences;
    for (const Tensor& v : t.v.unbind())
      differences.push_back((t.decode(t.z + step * v) - t.decode(t.z - step * v)) / (2 * step));
    const Tensor expected = at::stack(differences);
    const Tensor scale = at::maximum(expected.abs().max(), 1e-3 * pushed.g.abs().max());
    const Tensor error = (pushed.jv - expected).abs().flatten(2).amax(-1) / at::clamp_min(scale, 1e-12);
    best = best.defined() ? at::minimum(best, error) : error;
  }
  if (const double error = best.max().item<double>(); !(error <= 1e-5))
    fail("Jv differs from central differences of decode by " + text_of(error) +
         " of its size (pushforward: " + t.tier() + ")");
}

void pushforward_adjoint(const Case& test) {
  Tangents t(test);
  const Tensor z = t.z.detach().clone().requires_grad_(true), g = t.decode(z);
  const Tensor u = t.normal(g.sizes(), hash(test.seed, "u"));
  Tensor pulled;
  if (g.requires_grad()) pulled = torch::autograd::grad({g}, {z}, {u}, {}, false, true)[0];
  if (!pulled.defined()) pulled = at::zeros_like(z);
  const at::NoGradGuard no_grad;
  const Tensor jv = t.push(t.z, t.v).jv;
  const Tensor left = (u * jv).flatten(2).sum(-1), right = (pulled * t.v).sum(-1);  // [T, N]
  if (const double error = difference(left, right); !(error <= 1e-9))
    fail("⟨u, Jv⟩ and ⟨Jᵀu, v⟩ differ by " + text_of(error) +
         " of their size, where Jᵀu is LibTorch's gradient of decode (pushforward: " + t.tier() + ")");
}

void pushforward_tiers(const Case& test) {
  Tangents t(test);
  const Tensor own = t.push(t.z, t.v).jv;
  for (const auto& [tier, compute] :
       {std::pair{PushforwardTier::kForwardMode, &pushforward_forward_mode},
        std::pair{PushforwardTier::kDoubleBackward, &pushforward_double_backward}}) {
    Tensor jv;
    try {
      jv = t.push_by(compute).jv;
    } catch (const c10::Error&) {  // an operation without such a derivative
      continue;
    } catch (const Unsupported&) {
      continue;
    }
    if (const double error = difference(jv, own); !(error <= 1e-9))
      warn(std::string("its pushforward (") + t.tier() + ") agrees with decode, but " + to_string(tier) +
           " of decode differs from it by " + text_of(error) +
           " of its size; something in decode has a wrong derivative");
  }
}

// Returns what is wrong with the gradient of a loss on tangents at one point; empty: nothing.
std::string tangent_gradient_problem(const Case& test, std::uint64_t point) {
  Tangents t(test, point);
  std::vector<std::pair<std::string, Tensor>> tensors = t.parameters();
  t.z.requires_grad_(true);
  tensors.emplace_back("z", t.z);
  Tensor weights;
  const auto loss = [&] {
    const Tensor squares = t.push(t.z, t.v).jv.to(at::kDouble).square().flatten(2).sum(-1);  // [T, N]
    if (!weights.defined()) weights = t.normal(squares.sizes(), hash(test.seed, "weights"));
    return (weights * squares.log1p()).sum();
  };
  const Tensor value = loss();
  std::vector<Tensor> inputs, found(tensors.size());
  for (const auto& [name, tensor] : tensors) inputs.push_back(tensor);
  if (value.requires_grad()) found = torch::autograd::grad({value}, inputs, {}, {}, false, true);
  const double scale = std::max(1.0, std::abs(value.item<double>()));
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Tensor moved = inputs[i];
    const Tensor before = moved.clone(), direction = t.normal(moved.sizes(), hash(test.seed, "direction", i));
    const auto at_step = [&](double step) {
      moved.copy_(before).add_(direction, step);
      const double there = loss().item<double>();
      moved.copy_(before);
      return there;
    };
    const double along = found[i].defined() ? (found[i] * direction).sum().item<double>() : 0;
    const auto difference = [&](double step) { return (at_step(step) - at_step(-step)) / (2 * step); };
    const Agreement agreement = best_of_steps(difference, along, scale, {1e-5, 1e-6, 1e-7, 1e-8});
    if (!(agreement.error <= 1e-4))
      return "the gradient of a loss on Jv with respect to " + tensors[i].first + " is " + text_of(along) +
             " along a random direction, central differences say " + text_of(agreement.difference) +
             " (pushforward: " + t.tier() + "). " +
             (found[i].defined()
                  ? "LibTorch differentiates some fused layers wrongly (layer_norm, batch_norm in training "
                    "mode, instance_norm): make the decoder of variform/nn layers or of elementary operations"
                  : "There is no gradient at all: is Jv detached?");
  }
  return {};
}

void pushforward_gradient(const Case& test) {
  std::string problem;
  for (std::uint64_t point = 0; point < 3;
       ++point)  // a kink can spoil one point, a wrong gradient spoils all
    if (const std::string here = tangent_gradient_problem(test, point); here.empty()) return;
    else if (problem.empty()) problem = here;
  fail(problem);
}

// Returns the median over rows of the change of Jv along a step of v, relative to its size.
double change_of_jacobian(Tangents& t, double step) {
  const Tensor v = t.v.narrow(0, 0, 1), here = t.push(t.z, v).jv[0],
               there = t.push(t.z + step * v[0], v).jv[0];
  const Tensor size = at::clamp_min(here.flatten(1).norm(2, 1), 1e-12);
  return ((there - here).flatten(1).norm(2, 1) / size).median().item<double>();
}

void piecewise_linear(const Case& test) {
  Tangents t(test, 0, 15, 1);
  const at::NoGradGuard no_grad;
  if (t.decoder().piecewise_linear()) {
    if (const double change = change_of_jacobian(t, 1e-5); !(change <= 1e-9))
      fail("piecewise_linear() says true, but Jv changes by " + text_of(change) +
           " of its size along a step of 1e-5: the second derivative that is left out is not zero");
  } else if (const double change = change_of_jacobian(t, 1e-4); change <= 1e-10) {
    warn(
        "piecewise_linear() says false, but Jv does not change along a small step: if the decoder is "
        "piecewise linear, say so, and its second derivative is not computed");
  }
}

void rows_independent(const Case& test) {
  Rig rig(test);
  Decoder& decoder = rig.as<Decoder>();
  if (decoder.rows_independent()) return;  // test "rows" looks
  const at::NoGradGuard no_grad;
  const Tensor z = rig.normal({4, rig.model().latent}, test.seed);
  const Tensor other = at::cat({z.narrow(0, 0, 1), rig.normal({3, rig.model().latent}, test.seed + 1)});
  const auto first_row = [&](const Tensor& latents) {
    rig.restore_buffers();
    rig.model().rng.set_current_seed(test.seed);
    return decoder.decode(latents, rig.context(latents.size(0)))[0];
  };
  if (difference(first_row(z), first_row(other)) <= 1e-12)
    warn(
        "rows_independent() says false, but rows do not interact: objectives that need a Jacobian refuse this "
        "decoder without need");
}

void outputs(const Case& test) {
  std::vector<RigOptions> others{{.latent = 5}, {.latent = 1}};
  if (test.info->kind() == Kind::kDecoder) others.push_back({.outputs = 2});
  for (const RigOptions& options : others) {
    std::unique_ptr<Rig> rig;
    try {
      rig = std::make_unique<Rig>(test, options);
    } catch (const Error&) {  // which it may, with a sentence
      continue;
    }
    for (const Observation& o : exercise(*rig, 2, test.seed))
      if (o.value.sizes() != at::IntArrayRef(o.expected))
        fail(fmt::format("{} is {} for d = {}{}; expected {} (Build::outputs is the number wanted)", o.name,
                         to_text(o.value.sizes()), rig->model().latent,
                         test.info->kind() == Kind::kDecoder
                             ? fmt::format(" and a likelihood of {} outputs for each data value",
                                           rig->model().likelihood().outputs())
                             : fmt::format(" and a family of {} parameters",
                                           rig->model().family().parameter_count(rig->model().latent)),
                         to_text(o.expected)));
  }
}

void set_mode(Rig& rig, bool training) {
  for (Kind kind : kAllKinds) rig.model().component(kind)->train(training);
}

void precision(const Case& test) {
  Rig wide(test), narrow(test, {.dtype = at::kFloat});
  {
    const at::NoGradGuard no_grad;
    for (Kind kind : kAllKinds) {
      const auto from = wide.model().component(kind)->named_parameters();
      for (auto& item : narrow.model().component(kind)->named_parameters())
        item.value().copy_(from[item.key()]);
      const auto state = wide.model().component(kind)->named_buffers();
      for (auto& item : narrow.model().component(kind)->named_buffers())
        item.value().copy_(state[item.key()]);
    }
    narrow.keep_buffers();
  }
  set_mode(wide, false);  // draws differ with precision
  set_mode(narrow, false);
  std::vector<Input> inputs = make_inputs(wide, 3, test.seed);
  const auto expected = exercise(wide, inputs, test.seed);
  for (Input& input : inputs) input.value = input.value.to(at::kFloat);
  const auto found = exercise(narrow, inputs, test.seed);
  for (std::size_t i = 0; i < found.size() && i < expected.size(); ++i)
    if (const double error = difference(found[i].value, expected[i].value); !(error <= 1e-3))
      fail(found[i].name + " in float32 differs from float64 by " + text_of(error) +
           " of its size; something loses digits");
}

// Returns what a model of this network computes, in mixed precision or not.
Tensor in_mixed_precision(const Case& test, bool mixed) {
  Rig rig(test, {.dtype = at::kFloat});
  set_mode(rig, false);
  HostModel& model = rig.model();
  model.set_mixed_precision(mixed);
  const Tensor x = rig.data(4, test.seed), z = rig.normal({4, model.latent}, test.seed);
  Tensor result;
  if (test.info->kind() == Kind::kEncoder) result = model.posterior(x, rig.context(4))->location();
  else result = model.decode(z, rig.context(4));
  if (test.info->kind() == Kind::kDecoder && rig.as<Decoder>().rows_independent())
    result = at::cat({result.flatten(),
                      model.latent_hessian(x, z, model.unit_tangents(4), rig.context(4)).output.flatten()});
  if (result.requires_grad()) result.sum().backward();
  return result.detach();
}

void autocast(const Case& test) {
  double error = 0;
  try {
    error = difference(in_mixed_precision(test, true), in_mixed_precision(test, false));
  } catch (...) {
    warn("it cannot be trained with train.precision = \"bfloat16\": " + message_of_exception());
  }
  if (!(error <= 0.1))
    warn("with train.precision = \"bfloat16\" its output is wrong by " + text_of(error) + " of its size");
}

void evaluation(const Case& test) {
  Rig rig(test);
  set_mode(rig, false);
  const std::vector<Input> inputs = make_inputs(rig, 3, test.seed);
  const auto state = [&] {
    std::vector<Tensor> copies;
    for (const Tensor& buffer : rig.component().buffers()) copies.push_back(buffer.detach().clone());
    return copies;
  };
  const std::vector<Tensor> before = state();
  const auto first = exercise(rig, inputs, test.seed), again = exercise(rig, inputs, test.seed + 1);
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].value.sizes() != at::IntArrayRef(first[i].expected))
      fail("in evaluation mode " + first[i].name + " is " + to_text(first[i].value.sizes()) + "; expected " +
           to_text(first[i].expected));
    if (!at::equal(first[i].value, again[i].value))
      fail("in evaluation mode " + first[i].name +
           " still depends on random numbers; results of evaluations would not be those of one model");
  }
  const std::vector<Tensor> after = state();
  for (std::size_t i = 0; i < before.size(); ++i)
    if (!at::equal(before[i], after[i])) fail("in evaluation mode its buffers change");
}

}  // namespace

std::vector<Test> network_tests() {
  const char* group = "network";
  const std::vector<Kind> both{Kind::kEncoder, Kind::kDecoder}, decoder{Kind::kDecoder};
  return {
      {"outputs",
       group,
       "It makes as many numbers as family or likelihood ask for, for other d, too.",
       both,
       {"shapes"},
       outputs},
      {"evaluation",
       group,
       "In evaluation mode it neither draws random numbers nor changes its state.",
       both,
       {"shapes", "repeats"},
       evaluation},
      {"precision", group, "float32 agrees with float64.", both, {"state", "evaluation"}, precision},
      {"autocast", group, "It works in mixed precision (bfloat16).", both, {"precision"}, autocast},
      {"rows_independent",
       group,
       "It says that rows interact only if they do.",
       decoder,
       {"rows"},
       rows_independent},
      {"pushforward-linear",
       group,
       "Its pushforward is linear in the tangents.",
       decoder,
       {"rows", "gradients"},
       pushforward_linear},
      {"pushforward-value",
       group,
       "Its pushforward returns decode(z), and the derivative of decode along v.",
       decoder,
       {"pushforward-linear"},
       pushforward_value},
      {"pushforward-adjoint",
       group,
       "⟨u, Jv⟩ = ⟨Jᵀu, v⟩ to rounding.",
       decoder,
       {"pushforward-value"},
       pushforward_adjoint},
      {"pushforward-tiers",
       group,
       "Every way to compute its pushforward agrees to rounding.",
       decoder,
       {"pushforward-adjoint"},
       pushforward_tiers},
      {"pushforward-gradient",
       group,
       "Gradients of a loss on Jv agree with central differences, for every parameter and z.",
       decoder,
       {"pushforward-value"},
       pushforward_gradient},
      {"piecewise-linear",
       group,
       "What it says about being piecewise linear is true.",
       decoder,
       {"pushforward-value"},
       piecewise_linear},
  };
}

}  // namespace variform::conformance
