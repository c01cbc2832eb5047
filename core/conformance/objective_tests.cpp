// Tests what objectives say about their loss, β and tangents, and that they need no more than a batch must have.

#include <ATen/core/grad_mode.h>

#include <variform/model.h>
#include <variform/random.h>

#include <atomic>
#include <cmath>
#include <set>

#include "conformance/causes.h"
#include "conformance/exercise.h"

namespace variform::conformance {
namespace {

Batch batch_of(const Tensor& x) {
  return {x, {.labels = at::zeros({x.size(0)}, at::kLong), .index = at::arange(x.size(0), at::kLong)}, 100};
}

Terms evaluate(Rig& rig, const Batch& batch, std::uint64_t seed) {
  rig.restore_buffers();
  rig.model().rng.set_current_seed(hash(seed, "draws"));
  return rig.as<Objective>().evaluate(rig.model(), batch);
}

void parts(const Case& test) {
  Rig rig(test);
  const Terms terms = evaluate(rig, batch_of(rig.data(3, test.seed)), test.seed);
  std::set<std::string> names{"step", "epoch",    "split", "loss",
                              "beta", "beta_eff", "lr"};  // of every log line
  for (const auto& [name, part] : terms.parts) {
    if (name.empty()) fail("one of the loss's parts has no name");
    if (!names.insert(name).second)
      fail("the part '" + name +
           "' has a name that another part has, or that every line of the log uses already; parts need "
           "different names");
  }
}

const Tensor* part_of(const Terms& terms, std::string_view name) {
  for (const auto& [its_name, part] : terms.parts)
    if (its_name == name) return &part;
  return nullptr;
}

// Checks that a loss of parts nll and kl is not nll − β·kl, which would draw posteriors away from the prior.
void check_sign_of_kl(Rig& rig, const Case& test) {
  const Terms terms = evaluate(rig, batch_of(rig.data(4, test.seed)), test.seed);
  const Tensor *const nll = part_of(terms, "nll"), *const kl = part_of(terms, "kl");
  const std::optional<Tensor> beta = rig.as<Objective>().beta();
  if (!nll || !kl || !beta || !(item(*beta) > 0)) return;
  const double weighted = item(*beta) * item(kl->mean()), loss = item(terms.loss.mean()),
               rounding = 1e-9 * (std::abs(item(nll->mean())) + std::abs(weighted));
  if (std::abs(weighted) > 4 * rounding && std::abs(loss - (item(nll->mean()) - weighted)) <= rounding)
    fail("its loss is nll − β·kl, " + text_of(loss) + " = " + text_of(item(nll->mean())) + " − " +
         text_of(weighted) + "; expected nll + β·kl: is the sign right?");
}

// Checks that a part called kl is the KL divergence, with the model of stand-ins, where it is closed. It averages over
// many calls, since an objective may estimate kl from draws.
void part_values(const Case& test) {
  constexpr int64_t kCalls = 200, kRows = 4;
  Rig rig(test);
  Model& model = rig.model();
  const at::NoGradGuard no_grad;
  check_sign_of_kl(rig, test);
  const Batch batch = batch_of(rig.data(kRows, test.seed));
  std::vector<Tensor> values;
  for (int64_t call = 0; call < kCalls; ++call)
    for (const auto& [name, part] : evaluate(rig, batch, hash(test.seed, call)).parts)
      if (name == "kl") values.push_back(part.mean().to(at::kDouble).reshape({1}));
  if (values.empty()) skip("no part of its loss is called kl");
  const auto posterior = model.posterior(batch.x, {});
  const Tensor expected =
      model.kl(*posterior, posterior->rsample(1, model.rng), {}).mean().to(at::kDouble).reshape({1});
  const Tensor all = at::stack(values), found = all.mean(0), error = all.std(0) / std::sqrt(double{kCalls});
  const double tolerance = 1e-6 * (1 + std::abs(item(expected))) + 5.5 * item(error);
  if (std::abs(item(found - expected)) <= tolerance) return;
  const std::string text = "its part 'kl' is " + text_of(item(found)) +
                           " nats per example; the KL divergence of the model's posterior and prior is " +
                           text_of(item(expected)) + "." + cause_of(found, expected, error, model.latent);
  if (std::abs(item(found + expected)) <= tolerance) fail(text);
  warn(text + " A part that is something else needs another name; Model::kl computes it for every pair");
}

// Checks that each row's loss is its own: with the same draws, other rows do not change it.
void loss_per_example(const Case& test) {
  Rig rig(test);
  if (!rig.parameters().empty())
    skip("the objective trains its own parameters, whose loss may compare the rows of a batch");
  const at::NoGradGuard no_grad;
  const Tensor x = rig.data(4, test.seed), other = rig.data(4, test.seed + 1);
  const Tensor whole = evaluate(rig, batch_of(x), test.seed).loss;
  if (whole.dim() == 0) skip("its loss is not one value per example");
  for (int64_t row = 0; row < 4; ++row) {
    const Tensor changed = other.clone();
    changed[row].copy_(x[row]);
    const double before = whole[row].item<double>(),
                 after = evaluate(rig, batch_of(changed), test.seed).loss[row].item<double>();
    if (!(std::abs(after - before) <= 1e-7 * std::max(1.0, std::abs(before))))
      fail("the loss of an example changes from " + text_of(before) + " to " + text_of(after) +
           " with the other data in the batch; a loss that is not one value per example is 0-dim");
  }
}

void beta(const Case& test) {
  Rig rig(test);
  Objective& objective = rig.as<Objective>();
  const std::optional<Tensor> now = objective.beta();
  const std::optional<double> last = objective.final_beta();
  if (!now && !last) skip("it has no β");
  if (!now || !last)
    fail(std::string("it has ") + (now ? "beta() but no final_beta()" : "final_beta() but no beta()") +
         "; both say what β is, now and at the end");
  if (!now->defined() || now->dim() != 0 || !now->is_floating_point())
    fail("beta() is " + (now->defined() ? to_text(now->sizes()) : std::string("undefined")) +
         "; expected a floating-point number, []");
  const double value = now->item<double>();
  if (!std::isfinite(value) || value < 0)
    fail("beta() is " + text_of(value) + "; expected a number of at least 0");
  if (!(std::abs(value - *last) <= 1e-6 * std::max(1.0, std::abs(value))))
    fail("without a schedule beta() is " + text_of(value) + " and final_beta() is " + text_of(*last) +
         "; they must be the same");
}

// A decoder that passes everything on and counts what an objective asks for.
class CountingDecoder final : public With<Decoder, Pushforward> {
 public:
  explicit CountingDecoder(std::shared_ptr<Decoder> inner)
      : inner_(register_module("inner", std::move(inner))) {}
  Tensor decode(const Tensor& z, const variform::Context& context) override {
    return inner_->decode(z, context);
  }
  Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context& context) override {
    ++pushed;
    return inner_->pushforward(z, v, context);
  }
  int pushed = 0;

 private:
  std::shared_ptr<Decoder> inner_;
};

void tangents(const Case& test) {
  Rig rig(test);
  const auto counting = std::make_shared<CountingDecoder>(
      std::static_pointer_cast<Decoder>(rig.model().component(Kind::kDecoder)));
  rig.model().set(Kind::kDecoder, counting, "stand-in");
  evaluate(rig, batch_of(rig.data(3, test.seed)), test.seed);
  const bool says = rig.as<Objective>().uses_tangents();
  if (counting->pushed > 0 && !says)
    fail(
        "it differentiates the decoder's pushforward, but uses_tangents() says false: the gradient would not "
        "be verified before the training, and LibTorch computes it wrongly for some layers");
  if (counting->pushed == 0 && says)
    warn("uses_tangents() says true, but it does not use the decoder's pushforward with these parameters");
}

void plain_batch(const Case& test) {
  Rig rig(test);
  const Tensor x = rig.data(3, test.seed);
  Batch plain = batch_of(x);
  plain.context = {};
  Terms terms;
  try {
    terms = evaluate(rig, plain, test.seed);
  } catch (const Error&) {
    skip("it needs labels or row numbers, and says so");
  } catch (...) {
    fail("for a batch without labels and row numbers it fails: " + message_of_exception() +
         ". If it needs them, it must say so with a variform::Error");
  }
  if (!terms.loss.defined() || !at::isfinite(terms.loss).all().item<bool>())
    fail("for a batch without labels and row numbers its loss is not finite");
}

}  // namespace

std::vector<Test> objective_tests() {
  const char* group = "objective";
  const std::vector<Kind> kinds{Kind::kObjective};
  return {
      {"parts", group, "The parts of its loss have names of their own.", kinds, {"shapes"}, parts},
      {"part-values",
       group,
       "A part that is called kl is the KL divergence, in nats per example, and the loss does not subtract "
       "it.",
       kinds,
       {"repeats", "parts", "no-grad"},
       part_values},
      {"plain-batch",
       group,
       "It works without labels and row numbers, or says that it needs them.",
       kinds,
       {"shapes", "finite"},
       plain_batch},
      {"loss-per-example",
       group,
       "The loss of an example does not depend on the other data in the batch.",
       kinds,
       {"determinism", "global-rng", "no-grad"},
       loss_per_example},
      {"beta",
       group,
       "beta() is a number of at least 0, and final_beta() is its value at the end.",
       kinds,
       {"create"},
       beta},
      {"tangents",
       group,
       "It says whether it differentiates the decoder's pushforward.",
       kinds,
       {"shapes"},
       tangents},
  };
}

}  // namespace variform::conformance
