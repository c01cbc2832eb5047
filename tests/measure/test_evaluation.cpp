// An evaluation with all its sections as a library function: what is asked for is there, and a stop keeps what is complete.

#include "measure/evaluate.h"

#include "measure/models.h"
#include "measure/pass.h"

#include <nlohmann/json.hpp>

namespace variform::measure {
namespace {

using nlohmann::json;
using testing::ContainsSubstring;

EvaluateOptions with_metrics() { return {.registry = &test::registry()}; }

EvaluateOptions with_all() {
  EvaluateOptions options = with_metrics();
  options.asked = {{"linear", ""}, {"gradient-draws", "2"}};
  return options;
}

TEST_CASE("an evaluation holds the sections that were asked for, and no others") {
  const auto session = test::open(test::Setup{});
  const json result = evaluate(*session, with_all());
  for (const char* section : {"values", "information", "geometry", "linear", "gradient"}) {
    INFO(section);
    CHECK(result.contains(section));
  }
  CHECK_FALSE(result.contains("quality"));
  const std::string text = text_of(result, 100);
  for (const char* heading : {"\ninformation\n", "\nlinear\n", "\ngradient\n"})
    CHECK_THAT(text, ContainsSubstring(heading));
  const json values = evaluate(*session, with_metrics());
  CHECK(values.at("values") == result.at("values"));
  CHECK_FALSE(values.contains("linear"));
}

TEST_CASE("a stop after the values leaves them, and names what is missing") {
  const auto session = test::open(test::Setup{});
  EvaluateOptions options = with_all();
  options.watch = [](const char* part, std::int64_t, std::int64_t) {
    return std::string(part) != "gradient";
  };
  const json result = evaluate(*session, options);
  CHECK(result.contains("information"));
  CHECK_FALSE(result.contains("gradient"));
  CHECK(result.at("interrupted").at("missing") == json{"gradient", "linear"});
  options.watch = [](const char*, std::int64_t, std::int64_t) { return false; };
  CHECK_THROWS_AS(evaluate(*session, options), base::Interrupted);
}

TEST_CASE("an option asks for a metric, with the value of the option") {
  const auto session = test::open(test::Setup{});
  EvaluateOptions options = with_metrics();
  options.importance_samples = 0;
  options.asked = {{"gradient-draws", "3"}};
  const json result = evaluate(*session, options);
  CHECK_FALSE(result.contains("linear"));
  config::Diagnostics diagnostics;
  const auto given = config::parse_component("{ type = \"gradient\", draws = 3 }", "test", Kind::kMetric,
                                             test::registry(), diagnostics);
  options.asked.clear();
  options.metrics = {given.component};
  CHECK(evaluate(*session, options) == result);
  options.asked = {{"gradient-draws", "5"}};  // --metric says more
  CHECK(evaluate(*session, options) == result);
  options.asked = {{"no-such-option", "5"}};
  CHECK_THROWS_WITH(evaluate(*session, options),
                    ContainsSubstring("--no-such-option asks for a metric that none of the plugins has"));
}

// The likelihood's variance is a buffer that follows the training.
TEST_CASE("gradients of the training leave the model as it was") {
  std::string config = test::config_of(test::Setup{});
  const std::string fixed = "{ type = \"gaussian\", variance = 0.3 }";
  config.replace(config.find(fixed), fixed.size(), "{ type = \"gaussian\", variance = 0.3, optimal = true }");
  const auto session = test::open(config);
  const at::Tensor variance = test::state(*session, "model/likelihood/buffers/log_variance");
  const at::Tensor before = variance.clone();
  Pass pass(*session, with_metrics());
  const model::EvaluationMode mode(*session->assembly);
  const Tensor gradient = pass.training_gradient(0, 0);
  CHECK(gradient.dim() == 1);
  CHECK_FALSE(at::equal(pass.training_gradient(0, 1), gradient));
  CHECK_FALSE(at::equal(pass.training_gradient(1, 0), gradient));
  CHECK(at::equal(pass.training_gradient(0, 0), gradient));
  CHECK(at::equal(variance, before));
  CHECK_FALSE(session->assembly->model().decoder().is_training());
  CHECK(session->assembly->model().step() == -1);
  session->assembly->set_training(true);
  session->assembly->model().evaluate(session->batches->training(0));
  CHECK_FALSE(at::equal(variance, before));  // a training step by itself changes it
}

}  // namespace
}  // namespace variform::measure
