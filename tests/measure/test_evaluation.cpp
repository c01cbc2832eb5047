// An evaluation with all its sections as a library function: what is asked for is there, and a stop keeps what is complete.

#include "measure/evaluation.h"

#include "measure/models.h"

#include <nlohmann/json.hpp>

namespace variform::measure {
namespace {

using nlohmann::json;
using testing::ContainsSubstring;

EvaluateOptions with_metrics() { return {.registry = &test::registry()}; }

TEST_CASE("an evaluation holds the sections that were asked for, and no others") {
  const auto session = test::open(test::Setup{});
  EvaluationRequest request{.evaluate = with_metrics(), .linear = true, .gradient_draws = 2};
  const json result = evaluation(*session, request);
  for (const char* section : {"values", "information", "geometry", "linear", "gradient"}) {
    INFO(section);
    CHECK(result.contains(section));
  }
  CHECK_FALSE(result.contains("quality"));
  const std::string text = text_of(result, 100);
  for (const char* heading : {"\ninformation\n", "\nlinear\n", "\ngradient\n"})
    CHECK_THAT(text, ContainsSubstring(heading));
  const json values = evaluation(*session, {.evaluate = with_metrics()});
  CHECK(values.at("values") == result.at("values"));
  CHECK_FALSE(values.contains("linear"));
}

TEST_CASE("a stop after the values leaves them, and names what is missing") {
  const auto session = test::open(test::Setup{});
  EvaluationRequest request{.evaluate = with_metrics(), .linear = true, .gradient_draws = 2};
  request.evaluate.watch = [](const char* part, std::int64_t, std::int64_t) {
    return std::string(part) != "gradient";
  };
  const json result = evaluation(*session, request);
  CHECK(result.contains("linear"));
  CHECK_FALSE(result.contains("gradient"));
  CHECK(result.at("interrupted").at("missing") == json{"gradient"});
  request.evaluate.watch = [](const char*, std::int64_t, std::int64_t) { return false; };
  CHECK_THROWS_AS(evaluation(*session, request), base::Interrupted);
}

}  // namespace
}  // namespace variform::measure
