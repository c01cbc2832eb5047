// Every error that a metric of faulty_metrics.cpp can make is caught by one test of `variform check`, the one that is
// named here, and by no other; without an error everything passes.

#include "faults.h"

namespace variform::conformance {
namespace {

constexpr const char* kPlugin = "faulty-metrics.so";

TEST_CASE("A right metric passes everything") {
  for (const char* component : {"metric:faulty", "metric:comparing"}) {
    const Results results = check_component(kPlugin, component, "");
    CAPTURE(text_of(results, false));
    CHECK(found_in(results).empty());
    CHECK(results.count(Outcome::kPass) >= 4);
  }
}

TEST_CASE("Errors of a metric") {
  const std::vector<Fault> faults{
      {"throws in create", "create", "no room left on the moon"},
      {"declares nothing", "quantities", "it declares nothing, neither in quantities() nor in comparisons()"},
      {"bad name", "quantities", "'Square norm' in quantities(): expected letters"},
      {"no meaning", "quantities", "has no meaning"},
      {"full stop", "quantities", "ends with a full stop"},
      {"declared twice", "quantities", "is declared twice"},
      {"throws", "reports", "the moon is full"},
      {"undeclared", "reports", "'secret' is not one of those that the metric declares"},
      {"wrong shape", "reports", "expected one number per row, [B]"},
      {"forgets", "reports", "'jitter' is neither reported nor said to be undefined"},
      {"not finite", "reports", "'square_norm' is not finite for an ordinary model"},
      {"draws unseeded", "metric-determinism", "'square_norm' is"},
      {"batch mean", "batches", "'square_norm' is"},
      {"last batch only", "batches", "'largest' is"},
      {"draws globally", "traces", "draws from the global random generator"},
      {"changes the model", "traces", "it changes decoder's"},
      {"switches mode", "traces", "it changes decoder's mode"},
  };
  for (const Fault& fault : faults) check_fault(kPlugin, "metric:faulty", fault);
}

TEST_CASE("Errors of a metric that compares") {
  check_fault(kPlugin, "metric:comparing",
              {"forgets", "comparisons", "neither reported nor said to be undefined"});
  check_fault(kPlugin, "metric:comparing",
              {"depends on order", "comparisons", "with the runs in another order 'mean_square' is"});
}

}  // namespace
}  // namespace variform::conformance
