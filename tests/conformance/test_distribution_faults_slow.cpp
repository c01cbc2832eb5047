// Broken families, priors and likelihoods: each is caught by the test that is named after what is wrong, and by no
// other.

#include "conformance/quick.h"
#include "faults.h"

namespace variform::conformance {
namespace {

constexpr const char* kFile = "faulty-distributions.so";

void check_all(const std::string& component, const std::vector<Fault>& faults) {
  for (const Fault& fault : faults) check_fault(kFile, component, fault);
}

TEST_CASE("Right distributions pass", "[conformance]") {
  for (const char* component : {"family:faulty", "prior:faulty", "likelihood:faulty"})
    check_twin(kFile, component);
}

TEST_CASE("What is unusual in a family, and right, passes everything") {
  for (const char* unusual : {"jumping draws", "even latents"}) check_twin(kFile, "family:faulty", unusual);
}

TEST_CASE("A prior with a condition passes everything, and one that draws without it does not") {
  check_twin(kFile, "prior:faulty", "conditioned");
  check_fault(kFile, "prior:faulty",
              {"draws without a condition", "condition", "sample computes without a condition"});
}

TEST_CASE("A family with a part detached") {
  for (const auto& [fault, says] :
       {std::pair{"detached draws", "is the draw detached?"}, std::pair{"detached density", "log_prob"}}) {
    const Results results = check_component(kFile, "family:faulty", fault);
    CAPTURE(fault, text_of(results, false));
    CHECK(found_in(results) == std::set<std::string>{"gradients: fail", "pathwise: fail"});
    for (const Result& result : results.results)
      if (result.test == "gradients") {
        CHECK_THAT(result.detail, testing::ContainsSubstring("params"));
        CHECK_THAT(result.detail, testing::ContainsSubstring(says));
      }
  }
}

TEST_CASE("Densities are looked at where draws tell something of them") {
  for (const char* filter : {"normalised", "sample-density", "entropy"})
    for (const auto& [fault, outcome] :
         {std::pair{"even latents", Outcome::kPass}, std::pair{"many latents", Outcome::kSkipped}}) {
      RunOptions options;
      options.components = {"family:faulty"};
      options.settings["family:faulty"]["fault"] = fault;
      options.wanted = {{6}, 48};
      options.filter = filter;
      const Results results = run(faulty_plugin(kFile), options);
      CAPTURE(filter, fault, text_of(results, true));
      REQUIRE(results.results.size() == 1);
      CHECK(results.results[0].outcome == outcome);
    }
}

TEST_CASE("What is found before a first training") {
  {  // Modes are put back, so that a switched one keeps nothing else from being looked at.
    RunOptions options;
    options.components = {"family:faulty"};
    options.settings["family:faulty"]["fault"] = "switches gradients off";
    options.quick = 60;
    const Results results = run(faulty_plugin(kFile), options);
    CAPTURE(text_of(results, false));
    CHECK(found_in(results) == std::set<std::string>{"call-settings: fail", "gradients: fail"});
  }
  check_quickly(kFile, "family:faulty", {"sum of marginals", "marginals", ""});
  check_quickly(kFile, "likelihood:faulty", {"hessian", "hessian", ""});
  CHECK(is_decisive("hessian"));
  for (const char* uncertain : {"call-settings", "dtypes", "evaluation"}) CHECK(!is_decisive(uncertain));
}

TEST_CASE("A family that does not even run", "[conformance]") {
  check_all("family:faulty", {
                                 {"throws an int", "runs", "std::exception"},
                                 {"throws", "runs", "there is no such table"},
                                 {"crash", "runs", "signal 11", Outcome::kCrash},
                                 {"undefined tensor", "shapes", "undefined tensor"},
                                 {"shape", "shapes", "log_prob"},
                                 {"named outputs", "shapes", "names 4 outputs; expected 6"},
                                 {"changes its input", "inputs", "changes its input 'params'"},
                                 {"dtype", "dtypes", "location is Float"},
                                 {"NaN", "finite", "entropy is not finite"},
                             });
}

TEST_CASE("A family that never ends", "[conformance]") {
  const Results results = check_component(kFile, "family:faulty", "endless loop", /*limit=*/3);
  CAPTURE(text_of(results, false));
  CHECK(found_in(results) == std::set<std::string>{"runs: fail"});
  for (const Result& result : results.results)
    if (result.test == "runs")
      CHECK_THAT(result.detail, testing::ContainsSubstring("did not end within 3 s"));
}

TEST_CASE("A family that is no function of its inputs", "[conformance]") {
  check_all("family:faulty", {
                                 {"global generator", "global-rng", "global generator"},
                                 {"counter", "determinism", "entropy differs"},
                                 {"strides", "strides", "not contiguous"},
                                 {"rows", "rows", "log_prob of an example changes"},
                                 {"state", "state", "differs"},
                                 {"gradient is NaN", "gradients-finite", "not finite"},
                                 {"empty batch", "empty-batch", "there is no first row"},
                                 {"keeps its batch", "threads", "two threads at once"},
                             });
}

TEST_CASE("A family that silently computes other numbers") {
  check_all("family:faulty",
            {
                {"generator of its own", "repeats", "std::mt19937"},
                {"seed of its own", "repeats", "the same draws whatever the seed"},
                {"rand()", "determinism", "rand()"},
                {"draws are floats", "rounding", "every value of rsample is a Float number"},
                {"decides on the host", "host-reads", "rsample", Outcome::kWarning},
                {"parameter without a name", "registered", "neither a registered parameter nor an input"},
                {"switches gradients off", "call-settings", "posterior (the recording of gradients)"},
                {"draws about the batch's mean", "rows", "rsample of an example has a gradient in 'params'"},
            });
}

TEST_CASE("What is likely to be wrong stands beside the numbers") {
  check_all("family:faulty", {
                                 {"sign of the entropy", "entropy", "is the sign right?"},
                                 {"entropy without its constant", "entropy", "½ log 2πe for each latent"},
                                 {"entropy is a mean", "entropy", "a mean over latents instead of their sum"},
                                 {"covariance", "moments", "is a variance taken for a deviation?"},
                                 {"normalisation", "normalised", "is a normalising constant missing?"},
                                 {"scale of draws", "sample-density", "1.2 times as wide"},
                                 {"biased draws", "sample-density", "lie beside it"},
                             });
  check_all("prior:faulty", {
                                {"sign of the cross-entropy", "cross-entropy", "is the sign right?"},
                                {"half a cross-entropy", "cross-entropy", "half of what it should be"},
                                {"normalisation", "normalised", "½ log 2π for each latent"},
                            });
  check_all("likelihood:faulty", {
                                     {"mean over data", "normalised", "the mean over an example's values"},
                                     {"mean over columns", "reduction", "3 times as much"},
                                 });
}

TEST_CASE("A mean that ignores its parameters") {
  const Results results = check_component(kFile, "likelihood:faulty", "mean ignores its parameters");
  CAPTURE(text_of(results, false));
  CHECK(found_in(results) == std::set<std::string>{"dependence: warning", "mean: fail"});
}

TEST_CASE("Sizes that are asked for are those that components are built with") {
  RunOptions options;
  options.components = {"family:faulty"};
  options.settings["family:faulty"]["fault"] = "shape";
  options.wanted = {{2, 5}, 7};
  const Results results = run(faulty_plugin(kFile), options);
  for (const Result& result : results.results)
    if (result.test == "shapes")
      CHECK_THAT(result.detail, testing::ContainsSubstring("(d = 7, data [2, 5])"));
}

TEST_CASE("A family with a wrong density or wrong draws", "[conformance]") {
  check_all("family:faulty", {
                                 {"support", "support", "[-1, 1]"},
                                 {"normalisation", "normalised", "expected 1"},
                                 {"density of draws", "draw-density", "without it"},
                                 {"biased draws", "sample-density", "do not follow"},
                                 {"scale of draws", "sample-density", "do not follow"},
                                 {"density at its own draws alone", "sample-density", "r(z)/exp(log_prob)"},
                                 {"shared noise", "independence", "two rows"},
                                 {"discontinuous draws", "pathwise", "through draws"},
                             });
}

TEST_CASE("A family that does not start beside the diagonal one") {
  for (const auto& [family, coupling] : std::vector<std::pair<std::string, std::string>>{
           {"full", "11"}, {"sylvester", "20"}, {"planar", "20"}}) {
    RunOptions options;
    options.components = {"family:" + family};
    options.filter = "diagonal-start";
    options.settings["family:" + family]["coupling"] = coupling;  // about 1 for each number, as it once was
    const Results results = run(testing::environment("VARIFORM_PLUGINS") + "/variform-families.so", options);
    CAPTURE(text_of(results, false));
    CHECK(found_in(results) == std::set<std::string>{"diagonal-start: warning"});
    for (const Result& result : results.results)
      if (result.test == "diagonal-start")
        CHECK_THAT(result.detail,
                   testing::ContainsSubstring("nats per latent away from the nearest diagonal Gaussian") &&
                       testing::ContainsSubstring("0.1 / √N"));
  }
}

TEST_CASE("A family whose closed forms are wrong", "[conformance]") {
  check_all("family:faulty", {
                                 {"marginals", "marginals", "another coordinate"},
                                 {"sum of marginals", "marginals", "add up"},
                                 {"covariance", "moments", "covariance()"},
                                 {"location", "moments", "location()"},
                                 {"finite moments", "moments", "finite_moments()"},
                                 {"sizes of levels", "levels", "positive and add up to"},
                                 {"density of levels", "levels", "level_moments() add up to"},
                                 {"entropy", "entropy", "mean of −log_prob"},
                                 {"wrong with its own prior", "kl", "own prior faulty"},
                             });
}

TEST_CASE("Broken priors", "[conformance]") {
  check_all("prior:faulty", {
                                {"shape", "shapes", "log_prob"},
                                {"dtype", "dtypes", "sample is"},
                                {"global generator", "global-rng", "global generator"},
                                {"detached", "gradients", "prior/mean"},
                                {"unused parameter", "trained", "prior/unused", Outcome::kWarning},
                                {"support", "support", "[0, inf]"},
                                {"normalisation", "normalised", "expected 1"},
                                {"draws of another distribution", "sample-density", "do not follow"},
                                {"cross-entropy", "cross-entropy", "mean of −log_prob"},
                                {"gaussian", "gaussian", "gaussian()"},
                            });
}

TEST_CASE("Broken likelihoods", "[conformance]") {
  check_all("likelihood:faulty", {
                                     {"changes its input", "inputs", "changes its input 'x'"},
                                     {"named outputs", "shapes", "names 1 outputs; expected 2"},
                                     {"rows", "rows", "nll"},
                                     {"domain", "domain", "nll is inf"},
                                     {"normalisation", "normalised", "1 value is"},
                                     {"mean over data", "normalised", "2 values is"},
                                     {"draws", "sample-density", "do not follow"},
                                     {"shared noise", "independence", "values of an example"},
                                     {"mean", "mean", "mean(g)"},
                                     {"asymmetric", "curvature-symmetric", "transpose"},
                                     {"hessian", "hessian", "curvature_form(hessian)"},
                                     {"fisher", "fisher", "outer product"},
                                     {"mask", "missing", "not 0 where no value was observed"},
                                     {"constant of what is missing", "missing", "with_constant()"},
                                 });
}

}  // namespace
}  // namespace variform::conformance
