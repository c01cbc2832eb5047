// See exercise.h. One function per kind for the inputs and one for the calls.

#include "conformance/exercise.h"

#include <ATen/core/grad_mode.h>

#include <variform/calls.h>
#include <variform/model.h>
#include <variform/random.h>

#include "conformance/process_settings.h"
#include "plugins/host_reads.h"

namespace variform::conformance {
namespace {

constexpr int64_t kTangents = 2, kDraws = 3;

Shape joined(std::initializer_list<int64_t> leading, at::IntArrayRef rest) {
  Shape shape(leading);
  shape.insert(shape.end(), rest.begin(), rest.end());
  return shape;
}

// Returns the same values as every second element of a larger tensor.
Tensor strided_copy(const Tensor& tensor) {
  if (tensor.dim() == 0) return tensor.clone();
  const Tensor wide = at::stack({tensor, tensor + 1}, -1);
  return wide.select(-1, 0);
}

// Returns latents where the family or prior under test has density: draws with another seed than the observations.
Tensor family_latents(Rig& rig, const Tensor& params, const Tensor& x, int64_t n, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  Generator rng = testing::generator(hash(seed, "latents"));
  return rig.as<VariationalFamily>()
      .posterior(params, x, rig.context(x.size(0)))
      ->rsample(n, rng)
      .z.detach()
      .clone();
}

Tensor prior_latents(Rig& rig, int64_t n, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  Generator rng = testing::generator(hash(seed, "latents"));
  return rig.as<Prior>().sample(n, rng, rig.context(n)).detach().clone();
}

class Observer {
 public:
  Observer(Rig& rig, const std::vector<Input>& inputs, std::vector<Deed>* deeds)
      : rig_(rig), inputs_(inputs), deeds_(deeds) {
    for (const Input& input : inputs) copies_.push_back(input.value.detach().clone());
  }

  const Tensor& in(std::string_view name) const {
    for (const Input& input : inputs_)
      if (input.name == name) return input.value;
    throw Error("there is no input '" + std::string(name) + "'");
  }

  // Calls and records side effects. Restores modes in any case, as Model does: a call that switches them fails its own
  // test and no other.
  template <class Call>
  auto watched(const char* name, const Call& call) {
    const KeptModes kept;
    if (!deeds_) return call();
    const ProcessSettings before;
    const plugins::CountedHostReads reads;
    auto result = call();
    const std::int64_t count = reads.count();
    const ProcessSettings after;
    if (count > 0) deeds_->push_back({name, Deed::What::kReadOnHost, std::to_string(count)});
    if (after.has_drawn(before)) deeds_->push_back({name, Deed::What::kDrewGlobally, {}});
    if (const std::string changed = after.difference(before); !changed.empty())
      deeds_->push_back({name, Deed::What::kChangedSettings, changed});
    return result;
  }

  // Keeps the result of `call`, unless the component lacks the ability.
  template <class Call>
  void see(const char* name, Shape expected, const Call& call, int64_t rows = -1, bool differentiable = true,
           bool own_dtype = true) {
    try {
      seen.push_back({name, watched(name, call), std::move(expected), differentiable, rows, own_dtype});
    } catch (const Unsupported&) {
      return;
    }
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (!at::equal(inputs_[i].value.detach(), copies_[i]))
        fail(std::string(name) + " changes its input '" + inputs_[i].name +
             "'; operations in place must work on a copy");
  }

  Rig& rig_;
  const std::vector<Input>& inputs_;
  std::vector<Deed>* deeds_;
  std::vector<Tensor> copies_;
  std::vector<Observation> seen;
};

void see_encoder(Observer& o) {
  const Tensor& x = o.in("x");
  const int64_t B = x.size(0), count = o.rig_.model().family().parameter_count(o.rig_.model().latent);
  o.see(
      "encode", {B, count}, [&] { return o.rig_.as<Encoder>().encode(x, o.rig_.context(B)); }, 0);
}

void see_decoder(Observer& o) {
  Decoder& decoder = o.rig_.as<Decoder>();
  const Tensor &z = o.in("z"), &v = o.in("v");
  const int64_t N = z.size(0);
  Shape shape = joined({N}, o.rig_.model().data);
  shape[1] *= o.rig_.model().likelihood().outputs();
  o.see(
      "decode", shape, [&] { return decoder.decode(z, o.rig_.context(N)); },
      decoder.rows_independent() ? 0 : -1);
  if (!decoder.rows_independent()) return;
  Pushed pushed;
  o.see(
      "pushforward (g)", shape, [&] { return (pushed = decoder.pushforward(z, v, o.rig_.context(N))).g; }, 0);
  if (pushed.g.defined())
    o.see(
        "pushforward (jv)", joined({v.size(0)}, shape), [&] { return pushed.jv; }, 1);
}

void see_family(Observer& o) {
  Model& model = o.rig_.model();
  const Tensor &params = o.in("params"), &z = o.in("z");
  const int64_t B = params.size(0), d = model.latent;
  const std::unique_ptr<Posterior> q = o.watched("posterior", [&] {
    return o.rig_.as<VariationalFamily>().posterior(params, o.in("x"), o.rig_.context(B));
  });
  if (!q) fail("posterior returned nothing; it must return a Posterior");
  o.see(
      "location", {B, d}, [&] { return q->location(); }, 0);
  Draw draw;
  o.see(
      "rsample", {kDraws, B, d}, [&] { return (draw = q->rsample(kDraws, model.rng)).z; }, 1);
  if (draw.z.defined()) {
    o.see(
        "log_prob of a draw", {kDraws, B}, [&] { return q->log_prob(draw); }, 1);
    o.see(
        "log_marginals of a draw", {kDraws, B, d}, [&] { return q->log_marginals(draw); }, 1);
  }
  o.see(
      "log_prob", {z.size(0), B},
      [&] {
        return q->log_prob({z, {}});
      },
      1);
  if (B > 0)
    o.see("log_prob of one z for all data", {z.size(0), B}, [&] {
      return q->log_prob({z.narrow(1, 0, 1), {}});
    });
  // Where supports differ between rows, it has no density for some: −∞, and no gradient.
  if (o.seen.back().value.defined() && at::isneginf(o.seen.back().value).any().item<bool>())
    o.seen.back().differentiable = false;
  o.see(
      "log_marginals", {z.size(0), B, d},
      [&] {
        return q->log_marginals({z, {}});
      },
      1);
  std::optional<Tensor> entropy;
  std::optional<Covariance> covariance;
  const auto optional = [](const auto& call) {
    try {
      call();
    } catch (const Unsupported&) {  // not with this prior
    }
  };
  optional([&] { entropy = o.watched("entropy", [&] { return q->entropy(); }); });
  if (entropy)
    o.see(
        "entropy", {B}, [&] { return *entropy; }, 0);
  optional([&] { covariance = o.watched("covariance", [&] { return q->covariance(); }); });
  // The algebra of covariances may be float64 (family "optimal").
  if (covariance)
    o.see(
        "covariance", {B, d, d}, [&] { return covariance->dense(); },
        covariance->dense().size(0) == B ? 0 : -1, true, false);
}

void see_prior(Observer& o) {
  Prior& prior = o.rig_.as<Prior>();
  const Tensor& z = o.in("z");
  Model& model = o.rig_.model();
  const int64_t d = model.latent;
  const Context context = o.rig_.context(z.size(1));
  o.see(
      "log_prob", {z.size(0), z.size(1)}, [&] { return prior.log_prob(z, context); }, 1);
  if (z.size(1) > 0 && !is_conditioned(prior))
    o.see("log_prob of one", {}, [&] { return prior.log_prob(z[0][0], {}); });
  o.see(
      "sample", {z.size(1), d}, [&] { return prior.sample(z.size(1), model.rng, context); }, -1, false);
  const std::unique_ptr<Posterior> q = model.posterior(o.in("x"), {});
  if (const auto cross = o.watched(
          "cross_entropy", [&] { return prior.cross_entropy(*q, o.rig_.context(o.in("x").size(0))); }))
    o.see(
        "cross_entropy", {o.in("x").size(0)}, [&] { return *cross; }, 0);
  if (const auto gaussian = o.watched("gaussian", [&] { return prior.gaussian(context); }))
    o.see(
        "gaussian().mean", gaussian->mean.dim() == 2 ? Shape{gaussian->mean.size(0), d} : Shape{1, d},
        [&] { return gaussian->mean; }, -1, true, false);
}

void see_likelihood(Observer& o) {
  Likelihood& likelihood = o.rig_.as<Likelihood>();
  Model& model = o.rig_.model();
  const Tensor &x = o.in("x"), &g = o.in("g"), &t = o.in("t");
  const int64_t B = x.size(0), T = t.size(0);
  o.see(
      "nll", {g.size(0), B}, [&] { return likelihood.nll(x, g, o.rig_.context(B)); }, 1);
  o.see(
      "nll of one g each", {B}, [&] { return likelihood.nll(x, g[0], o.rig_.context(B)); }, 0);
  o.see(
      "curvature_form (Hessian)", {B, T, T},
      [&] { return likelihood.curvature_form(x, g[0], t, Curvature::kHessian, o.rig_.context(B)); }, 0, true,
      false);
  o.see(
      "curvature_form (Fisher)", {B, T, T},
      [&] { return likelihood.curvature_form(x, g[0], t, Curvature::kFisher, o.rig_.context(B)); }, 0, true,
      false);
  o.see(
      "mean", joined({g.size(0), B}, model.data), [&] { return likelihood.mean(g); }, 1);
  o.see(
      "sample", joined({g.size(0), B}, model.data), [&] { return likelihood.sample(g, model.rng); }, -1,
      false);
}

void see_objective(Observer& o) {
  Model& model = o.rig_.model();
  const Tensor& x = o.in("x");
  Batch batch{
      x, {.labels = at::zeros({x.size(0)}, at::kLong), .index = at::arange(x.size(0), at::kLong)}, 100};
  Terms terms;
  const auto shape_of = [&](const Tensor& term) {
    return term.defined() && term.dim() > 0 ? Shape{x.size(0)} : Shape{};
  };
  // Not own_dtype: penalties may be float64, whose accuracy they need.
  o.see(
      "loss", {}, [&] { return (terms = o.rig_.as<Objective>().evaluate(model, batch)).loss; }, -1, true,
      false);
  if (o.seen.empty()) return;
  o.seen.back().expected = shape_of(terms.loss);
  for (const auto& [name, part] : terms.parts)
    o.see(("part '" + name + "'").c_str(), shape_of(part), [&, &value = part] { return value; }, -1, false,
          false);
}

}  // namespace

std::vector<Input> make_inputs(Rig& rig, int64_t B, std::uint64_t seed, bool strided) {
  Model& model = rig.model();
  const int64_t d = model.latent, outputs = model.likelihood().outputs();
  const Tensor x = rig.data(B, hash(seed, "x"));
  std::vector<Input> inputs;
  const auto normal = [&](Shape shape, const char* name) { return rig.normal(shape, hash(seed, name)); };
  if (dynamic_cast<Decoder*>(&rig.component())) {
    inputs.push_back({"z", normal({B, d}, "z"), true});
    inputs.push_back({"v", normal({kTangents, B, d}, "v"), true});
  } else if (auto* family = dynamic_cast<VariationalFamily*>(&rig.component())) {
    const Tensor params = 0.5 * normal({B, family->parameter_count(d)}, "params");
    inputs.push_back({"params", params, true});
    inputs.push_back({"x", x, false});
    inputs.push_back({"z", family_latents(rig, params, x, kDraws, seed), true});
  } else if (dynamic_cast<Prior*>(&rig.component())) {
    inputs.push_back({"z", at::stack({prior_latents(rig, B, seed), prior_latents(rig, B, seed + 1)}), true});
    inputs.push_back({"x", x, false});
  } else if (dynamic_cast<Likelihood*>(&rig.component())) {
    inputs.push_back({"x", x, false});
    inputs.push_back({"g", normal(joined({2, B, outputs}, model.data), "g"), true});
    inputs.push_back({"t", normal(joined({kTangents, B, outputs}, model.data), "t").to(at::kDouble), true});
  } else {
    inputs.push_back({"x", x, false});
  }
  if (strided)
    for (Input& input : inputs) input.value = strided_copy(input.value);
  return inputs;
}

std::vector<Observation> exercise(Rig& rig, const std::vector<Input>& inputs, std::uint64_t seed,
                                  std::vector<Deed>* deeds) {
  rig.restore_buffers();
  rig.model().rng.set_current_seed(hash(seed, "draws"));
  Observer observer(rig, inputs, deeds);
  Component& component = rig.component();
  if (dynamic_cast<Encoder*>(&component)) see_encoder(observer);
  else if (dynamic_cast<Decoder*>(&component)) see_decoder(observer);
  else if (dynamic_cast<VariationalFamily*>(&component)) see_family(observer);
  else if (dynamic_cast<Prior*>(&component)) see_prior(observer);
  else if (dynamic_cast<Likelihood*>(&component)) see_likelihood(observer);
  else see_objective(observer);
  return std::move(observer.seen);
}

std::vector<Observation> exercise(Rig& rig, int64_t B, std::uint64_t seed) {
  const std::vector<Input> inputs = make_inputs(rig, B, seed);
  return exercise(rig, inputs, seed);
}

Tensor weighted_sum(const std::vector<Observation>& observations, std::uint64_t seed) {
  Tensor sum;
  for (const Observation& o : observations) {
    if (!o.differentiable || !o.value.defined()) continue;
    Generator rng = testing::generator(hash(seed, "weight", std::string_view(o.name)));
    const Tensor value = o.value.to(at::kDouble);
    const Tensor weight = at::randn(value.sizes(), rng, at::TensorOptions().dtype(at::kDouble));
    const Tensor term = (weight * value).sum();
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

}  // namespace variform::conformance
