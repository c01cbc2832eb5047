// Every error that an encoder, a decoder or an objective of faulty_networks.cpp can make is caught by one test of
// `variform check`, the one that is named here, and by no other; without an error everything passes.

#include "faults.h"

namespace variform::conformance {
namespace {

constexpr const char* kPlugin = "faulty-networks.so";

void check_faults(const std::string& component, const std::vector<Fault>& faults) {
  for (const Fault& fault : faults) check_fault(kPlugin, component, fault);
}

TEST_CASE("A right encoder, decoder and objective pass everything") {
  for (const char* component : {"encoder:faulty", "decoder:faulty", "objective:faulty"})
    check_twin(kPlugin, component);
}

TEST_CASE("What is unusual in a network or an objective, and right, passes everything") {
  for (const char* component : {"encoder:faulty", "decoder:faulty", "objective:faulty"})
    check_twin(kPlugin, component, "moving state");
  check_twin(kPlugin, "encoder:faulty", "conditioned");
  check_twin(kPlugin, "decoder:faulty", "batch statistics");
  check_twin(kPlugin, "objective:faulty", "parameter of its own");
  check_twin(kPlugin, "objective:faulty", "refuses one row");
}

TEST_CASE("Errors of a descriptor") {
  check_fault(kPlugin, "encoder:undocumented", {"", "descriptor", "'rate' has no doc()"});
  check_fault(kPlugin, "encoder:bad-default", {"", "descriptor", "default 2"});
  check_fault(kPlugin, "encoder:no-source", {"", "descriptor", "names no source"});
}

TEST_CASE("Errors of an encoder") {
  check_faults("encoder:faulty",
               {{"throws in create", "create", "no room left on the moon"},
                {"crashes in create", "create", "signal 11", Outcome::kCrash},
                {"throws int", "runs", "does not derive from std::exception"},
                {"exits", "runs", "exit status 0", Outcome::kCrash},
                {"aborts", "runs", "signal 6", Outcome::kCrash},
                {"changes inputs", "inputs", "encode changes its input 'x'"},
                {"wrong shape", "shapes", "expected [1, 6]"},
                {"rejects a bound", "parameters", "width = 16"},
                {"wrong dtype", "dtypes", "expected Double"},
                {"single precision", "dtypes", "encoder/b is Float"},
                {"not finite", "finite", "not finite"},
                {"global generator", "global-rng", "a call draws from the global generator"},
                {"counts constructions", "determinism", "same seed"},
                {"not contiguous", "strides", "not contiguous, encode differs"},
                {"needs recording", "no-grad", "grad"},
                {"rows interact", "rows", "rows must not interact"},
                {"unregistered state", "state", "loaded into a new one"},
                {"lazy buffer", "state", "register all of them in the constructor"},
                {"outlived", "lifetime", "the component is gone"},
                {"gradient not finite", "gradients-finite", "is not finite"},
                {"detached parameter", "gradients", "there is no gradient at all"},
                {"power iteration", "gradients", "In evaluation mode", Outcome::kWarning},
                {"unused parameter", "trained", "unused", Outcome::kWarning},
                {"fixed outputs", "outputs", "expected [2, 10]"},
                {"half inside", "rounding", "is something rounded", Outcome::kWarning},
                {"counts calls", "repeats", "keep something between calls"},
                {"loses digits", "precision", "loses digits"},
                {"no bfloat16", "autocast", "expected the weights' own type", Outcome::kWarning},
                {"draws in evaluation", "evaluation", "depends on random numbers"}});
}

TEST_CASE("Errors of an encoder with a condition") {
  check_faults("encoder:faulty",
               {{"asks for no condition", "condition", "encode computes without a condition"},
                {"fails without a condition", "condition", "throw variform::Error where context.condition"},
                {"ignores its condition", "condition", "the same values under another condition"},
                {"condition of the batch", "condition", "with its own condition; each row has its own"}});
}

TEST_CASE("Errors of a decoder") {
  check_faults(
      "decoder:faulty",
      {{"throws int", "runs", "does not derive from std::exception"},
       {"wrong shape", "shapes", "expected [1, 1, 8, 8]"},
       {"rows interact", "rows", "rows must not interact"},
       {"fixed outputs", "outputs", "expected [2, 2, 8, 8]"},
       {"needlessly not rows_independent", "rows_independent", "rows do not interact", Outcome::kWarning},
       {"non-linear pushforward", "pushforward-linear", "a pushforward is linear"},
       {"tangents interact", "pushforward-linear", "tangents must not interact"},
       {"wrong derivative", "pushforward-value", "Jv differs from central differences"},
       {"wrong g", "pushforward-value", "differs from decode(z)"},
       {"rounded constant", "pushforward-adjoint", "LibTorch's gradient of decode"},
       {"once differentiable", "pushforward-tiers", "double backward of decode", Outcome::kWarning},
       {"detached tangent", "pushforward-gradient", "is Jv detached?"},
       {"half detached", "pushforward-gradient", "central differences say"},
       {"fused layer norm", "pushforward-gradient", "forward-mode automatic differentiation"},
       {"claims to be piecewise linear", "piecewise-linear", "says true"},
       {"is linear", "piecewise-linear", "says false", Outcome::kWarning}});
}

TEST_CASE("Errors of an objective") {
  check_faults("objective:faulty",
               {{"throws int", "runs", "does not derive from std::exception"},
                {"column of losses", "shapes", "loss is [1, 1]"},
                {"freezes the decoder", "others", "wants a gradient"},
                {"part not finite", "finite", "part 'kl' is not finite"},
                {"global generator", "global-rng", "a call draws"},
                {"needs recording", "no-grad", "grad"},
                {"reads its schedule once", "schedules", "moving the schedule of 'beta'"},
                {"sign of the KL", "part-values", "is the sign right?"},
                {"takes the KL away", "part-values", "expected nll + β·kl"},
                {"generator of its own", "repeats", "Pass model.rng on"},
                {"trains itself alone", "gradients", "there is no gradient at all"},
                {"surrogate", "gradients", "right in the mean", Outcome::kWarning},
                {"KL is a mean over latents", "part-values", "a mean over latents", Outcome::kWarning},
                {"reads its loss", "host-reads", "loss", Outcome::kWarning},
                {"parts of one name", "parts", "the part 'nll'"},
                {"part named step", "parts", "the part 'step'"},
                {"needs labels", "plain-batch", "variform::Error"},
                {"loss of the batch", "loss-per-example", "with the other data in the batch"},
                {"negative beta", "beta", "at least 0"},
                {"another final beta", "beta", "must be the same"},
                {"undeclared tangents", "tangents", "uses_tangents() says false"},
                {"needless tangents", "tangents", "says true", Outcome::kWarning}});
}

TEST_CASE("What is found before a first training, of networks and objectives") {
  check_quickly(kPlugin, "encoder:faulty", {"draws in evaluation", "evaluation", ""});
  check_quickly(kPlugin, "objective:faulty", {"reads its schedule once", "schedules", ""});
  check_quickly(kPlugin, "objective:faulty", {"takes the KL away", "part-values", ""});
}

TEST_CASE("What never ends is killed") {
  for (const auto& [fault, test] :
       {std::pair{"endless create", "create"}, std::pair{"endless call", "runs"}}) {
    const Results results = check_component(kPlugin, "encoder:faulty", fault, 1);
    CAPTURE(text_of(results, false));
    CHECK(found_in(results) == std::set<std::string>{std::string(test) + ": fail"});
    for (const Result& result : results.results)
      if (result.test == test)
        CHECK_THAT(result.detail, testing::ContainsSubstring("did not end within 1 s"));
  }
}

}  // namespace
}  // namespace variform::conformance
