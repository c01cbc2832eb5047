// Metrics of somebody else's plugin in an evaluation: which of them are computed, with which rows and parameters, and what
// happens when one fails.

#include <nlohmann/json.hpp>
#include <set>

#include "measure/evaluate.h"
#include "measure/models.h"
#include "base/caught_output.h"
#include "plugins/plugin_log.h"

namespace variform::measure {
namespace {

using nlohmann::json;
using testing::ContainsSubstring;

const plugins::Registry& odd_registry() {
  static const plugins::Registry registry = [] {
    plugins::Search search;
    search.places.push_back({plugins::Origin::kBuildTree, testing::environment("VARIFORM_PLUGINS"), {}});
    search.places.push_back(
        {plugins::Origin::kBuildTree, testing::environment("VARIFORM_TEST_PLUGINS") + "/measure", {}});
    return plugins::Registry(search);
  }();
  return registry;
}

config::ComponentSpec metric(const std::string& text) {
  config::Diagnostics diagnostics;
  const auto given = config::parse_component(text, "test", Kind::kMetric, odd_registry(), diagnostics);
  REQUIRE(diagnostics.empty());
  return given.component;
}

EvaluateOptions brief() {
  EvaluateOptions options;
  options.registry = &odd_registry();
  options.importance_samples = 0;
  options.samples = 2;
  options.batch = 16;
  return options;
}

TEST_CASE("a metric that fails is named, and loses nothing") {
  const auto session = test::open(test::Setup{});
  const json result = evaluate(*session, brief());
  REQUIRE(result.at("warnings").size() == 2);  // the other one is that it prints
  CHECK(result.at("warnings").at(1) ==
        "metric failing (org.variform.test.odd-metrics 1.0.0) failed: the moon is full");
  CHECK(result.at("failing").at("seen").at("value") == 32);  // reported before
  CHECK(result.at("failing").at("never").at("undefined") ==
        "not defined: the metric failed: the moon is full.");
  CHECK(result.at("values").at("elbo").contains("mean"));
  CHECK(result.at("information").at("latent_kl").contains("value"));
  CHECK(result.at("metrics") ==
        json({"covariance", "disentanglement", "failing", "few", "geometry", "information", "needy"}));
  CHECK(result.at("needy").at("factors_seen").at("undefined") ==
        "not defined: these data have no known factors.");
}

TEST_CASE("a metric that prints to stdout is named once, and what it prints stays out of there") {
  const auto session = test::open(test::Setup{});
  json result;
  {
    const base::CaughtOutput output;
    result = evaluate(*session, brief());
    CHECK_FALSE(output.any());
  }
  CHECK(
      result.at("warnings").at(0) ==
      "metric failing (org.variform.test.odd-metrics 1.0.0) prints to stdout, in measure, which belongs to the "
      "command's result: \"seen 16 rows\\n\". It was kept out of there; a metric may use variform::log, or throw an "
      "error.");
}

TEST_CASE("a metric's losses stand among the others in `values`") {
  const auto session = test::open(test::Setup{});
  const json result = evaluate(*session, brief()), own = result.at("values").at("own_loss");
  CHECK(own.at("mean") ==
        testing::Approx(2 * result.at("values").at("nll_at_mean").at("mean").get<double>()));
  CHECK(own.at("what") == "a loss of its own");
  CHECK_FALSE(result.contains("among"));
  CHECK_THAT(text_of_section(result, "values", 0), ContainsSubstring("own_loss"));
}

TEST_CASE("a metric that wants few rows gets as many, drawn by the seed, whatever the batches") {
  const auto session = test::open(test::Setup{});
  test::KeptLog log;
  const plugins::PluginLog plugin_log(log);
  EvaluateOptions options = brief();
  const json result = evaluate(*session, options), rows = result.at("few_arrays").at("rows");
  CHECK_THAT(log.said, ContainsSubstring("note: metric few (org.variform.test.odd-metrics 1.0.0): saw few"));
  CHECK(rows.size() == 10);
  CHECK(std::is_sorted(rows.begin(), rows.end()));
  CHECK(std::set<double>(rows.begin(), rows.end()).size() == 10);
  CHECK(result.at("few").at("few_rows").at("what") == "rows that it saw of 100");
  CHECK(result.at("few").at("few_rows").at("unit") == "rows");
  options.batch = 3;
  options.metrics = {metric("few")};
  CHECK(evaluate_metrics(*session, options).at("few_arrays").at("rows") == rows);
  options.limit = 7;  // fewer than it wants: all of them
  CHECK(evaluate_metrics(*session, options).at("few_arrays").at("rows") == json({0, 1, 2, 3, 4, 5, 6}));
}

TEST_CASE("a metric on request is computed when it is asked for, with the parameters that are given") {
  const auto session = test::open(test::Setup{});
  EvaluateOptions options = brief();
  options.metrics = {metric("{ type = \"asked\", factor = 5 }")};
  const json result = evaluate(*session, options);
  CHECK(result.at("asked").at("asked_value").at("value") == 5);
  CHECK(result.contains("geometry"));
  const json alone = evaluate_metrics(*session, options);
  CHECK(alone.at("metrics") == json({"asked"}));
  CHECK_FALSE(alone.contains("geometry"));
  options.metrics.push_back(metric("asked"));
  CHECK_THROWS_WITH(evaluate(*session, options),
                    "metric 'asked' was asked for twice; an evaluation has it once");
}

}  // namespace
}  // namespace variform::measure
