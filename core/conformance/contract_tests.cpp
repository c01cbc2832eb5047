// Tests of what the headers say beside the mathematics: empty batches, two threads in one family, conditions.

#include <ATen/core/grad_mode.h>

#include <variform/random.h>

#include <functional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "conformance/exercise.h"

namespace variform::conformance {
namespace {

void empty_batch(const Case& test) {
  Rig rig(test);
  const at::NoGradGuard no_grad;
  try {
    for (const Observation& o : exercise(rig, 0, test.seed))
      if (o.value.defined() && o.value.sizes() != at::IntArrayRef(o.expected))
        fail(o.name + " of a batch without rows has shape " + to_text(o.value.sizes()) + "; expected " +
             to_text(o.expected));
  } catch (const Verdict&) {
    throw;
  } catch (...) {
    fail("a batch without rows makes it fail: " + message_of_exception() +
         "; a loop over rows, a maximum or a mean needs a case for none");
  }
}

// What one thread sees of posteriors of its own batch.
struct Seen {
  Tensor location, z, log_prob;
};

Seen look(VariationalFamily& family, const Tensor& params, const Tensor& x, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const std::unique_ptr<Posterior> q =
      family.posterior(params, x, context_for(family, x.size(0), x.options()));
  Generator rng = testing::generator(seed);
  const Draw draw = q->rsample(3, rng);
  Seen seen{q->location(), draw.z, {}};
  try {
    seen.log_prob = q->log_prob(draw);
  } catch (const Unsupported&) {  // a family without a density
    seen.log_prob = at::zeros({});
  }
  return seen;
}

bool same(const Seen& a, const Seen& b) {
  return at::equal(a.location, b.location) && at::equal(a.z, b.z) && at::equal(a.log_prob, b.log_prob);
}

void threads(const Case& test) {
  constexpr int kTimes = 20;
  Rig rig(test);
  rig.component().eval();
  VariationalFamily& family = rig.as<VariationalFamily>();
  Tensor params[2], x[2];
  Seen alone[2];
  for (std::uint64_t i : {0, 1}) {
    const std::vector<Input> inputs = make_inputs(rig, 4, hash(test.seed, "thread", i));
    for (const Input& input : inputs) {
      if (input.name == "params") params[i] = input.value;
      if (input.name == "x") x[i] = input.value;
    }
    alone[i] = look(family, params[i], x[i], test.seed);
  }
  std::string wrong[2];
  const auto work = [&](int i) {
    for (int time = 0; time < kTimes && wrong[i].empty(); ++time) try {
        if (!same(look(family, params[i], x[i], test.seed), alone[i])) wrong[i] = "other numbers";
      } catch (const std::exception& error) {
        wrong[i] = error.what();
      }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  for (const std::string& what : wrong)
    if (!what.empty())
      fail("posterior() of two threads at once gives " + what +
           "; keep nothing of a call in the family: what a posterior needs belongs to the posterior");
}

// A function of rows that a conditioned component is given beside them.
using OfRows = std::function<Tensor(const Tensor& rows, const Context& context)>;

// Returns the input and the function of an encoder, a decoder or a prior.
std::pair<Tensor, OfRows> function_of_rows(Rig& rig, Kind kind, int64_t rows, std::uint64_t seed) {
  if (kind == Kind::kEncoder)
    return {rig.data(rows, seed),
            [&rig](const Tensor& x, const Context& context) { return rig.as<Encoder>().encode(x, context); }};
  const Tensor z = rig.normal({rows, rig.model().latent}, seed);
  if (kind == Kind::kDecoder)
    return {z, [&rig](const Tensor& some, const Context& context) {
              return rig.as<Decoder>().decode(some, context);
            }};
  return {z, [&rig](const Tensor& some, const Context& context) {
            return rig.as<Prior>().log_prob(some, context);
          }};
}

// Moves the parameters a little, since a layer that starts at 0 hides what the condition does.
void leave_the_start(Rig& rig, std::uint64_t seed) {
  for (auto& [name, parameter] : rig.parameters())
    parameter.add_(rig.normal(parameter.sizes(), hash(seed, name)), 0.1);
}

// Whoever calls a conditioned component without a condition must hear of it.
void expect_refusal(const std::string& function, const std::function<void()>& call) {
  try {
    call();
  } catch (const Error&) {
    return;
  } catch (...) {
    fail("it says that it is conditioned, and without a condition " + function + " fails with " +
         message_of_exception() +
         "; throw variform::Error where context.condition is undefined (condition_in() does)");
  }
  fail("it says that it is conditioned, and " + function +
       " computes without a condition; throw variform::Error where context.condition is undefined "
       "(condition_in() does), or say that it is not conditioned");
}

void expect_use(const OfRows& call, const Tensor& input, const Tensor& values, const Context& another) {
  if (at::equal(call(input, another), values))
    fail(
        "it says that it is conditioned, and has the same values under another condition; use the condition that "
        "condition_in() returns, or say that it is not conditioned");
}

void expect_own_rows(const OfRows& call, const Tensor& input, const Tensor& values, const Context& context) {
  for (int64_t row = 0; row < input.size(0); ++row) {
    const Tensor alone = call(input.narrow(0, row, 1), context.rows(row, 1));
    if (!at::allclose(alone, values.narrow(0, row, 1), 1e-9, 1e-12))
      fail("row " + std::to_string(row) +
           " of a batch has other values than by itself with its own condition; each row has its own");
  }
}

void condition(const Case& test) {
  constexpr int64_t kRows = 4;
  Rig rig(test);
  rig.component().eval();
  if (!is_conditioned(rig.component())) skip("it is not conditioned");
  const at::NoGradGuard no_grad;
  leave_the_start(rig, test.seed);
  const Kind kind = test.info->kind();
  const auto [input, call] = function_of_rows(rig, kind, kRows, test.seed);
  expect_refusal(kind == Kind::kEncoder   ? "encode"
                 : kind == Kind::kDecoder ? "decode"
                                          : "log_prob",
                 [&] { call(input, {}); });
  if (kind == Kind::kPrior)
    expect_refusal("sample", [&] { rig.as<Prior>().sample(kRows, rig.model().rng, {}); });
  const auto some = [&](const char* name) {
    return Context{.condition = rig.normal({kRows, kConditionSize}, hash(test.seed, name))};
  };
  const Context context = some("condition");
  const Tensor values = call(input, context);
  expect_use(call, input, values, some("another condition"));
  expect_own_rows(call, input, values, context);
}

}  // namespace

std::vector<Test> contract_tests() {
  const std::vector<Kind> families{Kind::kFamily},
      rows{Kind::kEncoder, Kind::kDecoder, Kind::kFamily, Kind::kPrior, Kind::kLikelihood};
  return {
      {"empty-batch",
       "component",
       "A batch without rows gives results without rows.",
       rows,
       {"shapes", "no-grad"},
       empty_batch},
      {"threads",
       "component",
       "Two threads may make posteriors at once.",
       families,
       {"determinism", "global-rng", "repeats"},
       threads},
      {"condition",
       "component",
       "It asks for the condition that it uses, and uses each row's own.",
       {Kind::kEncoder, Kind::kDecoder, Kind::kPrior},
       {"shapes"},
       condition},
  };
}

}  // namespace variform::conformance
