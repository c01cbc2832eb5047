// Expressions, and metrics that a study derives from its evaluations'.

#include "study/expression.h"
#include "study/figures/figures.h"
#include "study/metrics.h"
#include "study/tables.h"

#include <cmath>
#include <limits>
#include <map>

#include "fake_study.h"

namespace variform::study {
namespace {

using nlohmann::json;
using testing::ContainsSubstring;

std::optional<double> value(const std::string& text) {
  const std::map<std::string, double> metrics{{"a", 2}, {"b_1", -3}, {"recall[net-1]", 7}};
  return study::Expression(text).value([&](const std::string& name) -> std::optional<double> {
    const auto found = metrics.find(name);
    return found == metrics.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST_CASE("expressions are worth what arithmetic says") {
  CHECK(value("1 + 2 * 3 - 4 / 8") == 6.5);
  CHECK(value("10 - 3 - 2") == 5);
  CHECK(value("24 / 4 / 2") == 3);
  CHECK(value("(1 + 2) * -3") == -9);
  CHECK(value("--a * - ( b_1 )") == 6);
  CHECK(value("1.5e2 + .5") == 150.5);
  CHECK(value("log(a) + abs(b_1) * sqrt(16)") == std::log(2.0) + 12);
  CHECK(value("recall[net-1] - a") == 5);
  CHECK(value("\ta\n") == 2);
  CHECK(value("1 / (a - 2)") == std::numeric_limits<double>::infinity());
  CHECK(std::isnan(*value("log(b_1)")));
  CHECK(value("a + missing") == std::nullopt);
  CHECK(value("missing + a") == std::nullopt);
  CHECK(value("abs(missing)") == std::nullopt);
  CHECK(study::Expression("a / b + a - c").names() == std::vector<std::string>{"a", "b", "c"});
  CHECK(study::Expression("log").is_name());
  CHECK_FALSE(study::Expression("a + 0").is_name());
}

TEST_CASE("what is no expression is refused where that shows") {
  const auto error = [](const std::string& text) -> std::pair<std::string, std::size_t> {
    try {
      study::Expression expression(text);
    } catch (const study::ExpressionError& found) {
      return {found.what(), found.offset()};
    }
    return {"none", 0};
  };
  using Expected = std::pair<std::string, std::size_t>;
  CHECK(error("a + ") == Expected{"expected a metric, a number or '(', found the end", 4});
  CHECK(error("") == Expected{"expected a metric, a number or '(', found the end", 0});
  CHECK(error("(a + b") == Expected{"expected an operator or ')', found the end", 6});
  CHECK(error("a b") == Expected{"expected an operator, found 'b'", 2});
  CHECK(error("a)") == Expected{"expected an operator, found ')'", 1});
  CHECK(error("a × b") == Expected{"expected an operator, found '×'", 2});
  CHECK(error("exp(a)") == Expected{"functions are log, abs and sqrt, found 'exp'", 0});
  CHECK(error("recall[net") == Expected{"'[' is not closed", 6});
  CHECK(error("a.b") == Expected{"expected an operator, found '.'", 1});
  CHECK(error(".") == Expected{"expected a number, found '.'", 0});
}

constexpr const char* kMetrics = R"toml(
[[study.metrics]]
name = "ratio"
value = "(taylor - constant) / (loss_beta - constant)"
[[study.metrics]]
name = "percent"
value = "100 * ratio"
[[study.metrics]]
name = "same"
value = "loss_beta"
[[study.metrics]]
name = "above_full"
value = "loss_beta"
against = { "model.family.type" = "full" }
)toml";

// Two families, two β and two seeds; the run (full, 2, 2) has no Taylor value.
FakeStudy rate_grid() {
  FakeStudy study;
  double loss = 10;
  for (const std::string family : {"diagonal", "full"})
    for (const std::string beta : {"0.5", "2"})
      for (const std::string seed : {"1", "2"}) {
        json evaluation = {{"constant", 4.0}, {"step", 7}, {"commit", "abc1234"}};
        loss = 1.5 * loss + (family == "full" ? 1 : 0);
        evaluation["values"] = values_of({{"loss_beta", loss}});
        if (family != "full" || beta != "2" || seed != "2")
          evaluation["values"].update(values_of({{"taylor", loss + 1}}));
        study.add({{"model.family.type", family}, {"objective.beta", beta}, {"seed", seed}}, evaluation);
      }
  return study;
}

std::vector<study::StudyRow> of(const study::StudyResults& results, const std::string& metric) {
  std::vector<study::StudyRow> rows;
  for (const study::StudyRow& row : results.rows)
    if (row.metric == metric) rows.push_back(row);
  return rows;
}

TEST_CASE("derived metrics are made of the same run's, or of its like's with another label") {
  const FakeStudy study = rate_grid();
  study::StudyResults results = study.read();
  CHECK(study::add_metrics(results, read_from(kMetrics, "metrics", read_metrics)).empty());
  const std::vector<study::StudyRow> losses = of(results, "loss_beta");
  REQUIRE(losses.size() == 8);
  const std::vector<study::StudyRow> ratios = of(results, "ratio"), percents = of(results, "percent"),
                                     same = of(results, "same"), above = of(results, "above_full");
  REQUIRE(ratios.size() == 7);  // one run has no Taylor value
  REQUIRE(percents.size() == 7);
  for (std::size_t i = 0; i < 7; ++i) {
    CHECK(ratios[i].value == testing::Approx((losses[i].value - 3) / (losses[i].value - 4)));
    CHECK(percents[i].value == 100 * ratios[i].value);
    CHECK((ratios[i].labels == losses[i].labels && ratios[i].hash == losses[i].hash));
    CHECK((ratios[i].seed == losses[i].seed && ratios[i].step == 7 && !ratios[i].error));
  }
  REQUIRE(same.size() == 8);
  CHECK((same[3].value == losses[3].value && same[3].error == 0.25));
  REQUIRE(above.size() == 8);
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(above[i].value == losses[i].value - losses[i % 4 + 4].value);  // same β, same seed
    CHECK_FALSE(above[i].error);
  }
  CHECK_THAT(study::csv_of(results),
             ContainsSubstring("evaluation,epoch,step,metric,value,se,hash,run_seed,commit,plugins,data\n"
                               "main,diagonal,0.5,1,final,end,7,constant,4,,hrun-1,1,abc1234,,\n"));
}

TEST_CASE("a metric may be of some runs only, and of others by another entry of its name") {
  const FakeStudy study = rate_grid();
  study::StudyResults results = study.read();
  CHECK(study::add_metrics(results, read_from(R"toml(
[[study.metrics]]
name = "m"
value = "loss_beta"
where = { "model.family.type" = "full" }
[[study.metrics]]
name = "m"
value = "-loss_beta"
where = { "model.family.type" = "diagonal", "objective.beta" = 2 }
[[study.metrics]]
name = "twice"
value = "2 * m"
)toml",
                                              "metrics", read_metrics))
            .empty());
  const std::vector<study::StudyRow> losses = of(results, "loss_beta"), found = of(results, "m");
  REQUIRE(found.size() == 6);
  CHECK((found[0].value == losses[4].value && found[3].value == losses[7].value));
  CHECK((found[4].value == -losses[2].value && found[5].value == -losses[3].value));
  CHECK(of(results, "twice").size() == 6);
}

TEST_CASE("along the training derived metrics stay with their epoch and evaluation") {
  FakeStudy study;
  for (const char* family : {"diagonal", "full"}) {
    json& cell = study.add_cell("main", {{"model.family.type", family}, {"seed", "1"}});
    for (const int epoch : {0, 1})
      study.add_evaluation(cell, "along", epoch,
                           {{"values", values_of({{"kl", epoch + (family[0] == 'f' ? 10 : 20)}})}});
    study.add_evaluation(cell, "final", "end", {{"values", values_of({{"nll", 1}, {"elbo", 2}})}});
  }
  study::StudyResults results = study.read();
  const auto specs = read_from(
      "[[study.metrics]]\nname = \"d\"\nvalue = \"kl\"\nagainst = { \"model.family.type\" = \"full\" }\n"
      "[[study.metrics]]\nname = \"e\"\nvalue = \"kl + nll\"\n"
      "[[study.metrics]]\nname = \"elbo\"\nvalue = \"nll\"\n"
      "[[study.metrics]]\nname = \"f\"\nvalue = \"kl / loss\"\n"
      "[[study.metrics]]\nname = \"g\"\nvalue = \"nll\"\nagainst = { \"objective.beta\" = 2 }\n"
      "[[study.metrics]]\nname = \"h\"\nvalue = \"nll\"\nagainst = { \"model.family.type\" = \"block\" }\n",
      "metrics", read_metrics);
  const std::vector<std::string> problems = study::add_metrics(results, specs);
  const std::vector<study::StudyRow> differences = of(results, "d");
  REQUIRE(differences.size() == 4);
  CHECK((differences[1].value == 10 && differences[1].epoch == 1));
  CHECK((differences[2].value == 0 && differences[2].epoch == 0));
  CHECK(problems ==
        std::vector<std::string>{
            "the metric e has no value: no run has all of kl, nll in one evaluation.",
            "the metric elbo already exists in the evaluations; give it another name.",
            "the metric f has no value: no run has loss.",
            "the metric g has no value: no run has nll beside a run with objective.beta = 2 that is like it "
            "otherwise.",
            "the metric h has no value: no run has nll beside a run with model.family.type = block that is "
            "like it otherwise."});
}

TEST_CASE("a run is held against its like of the same stage, or of the only other stage that has one") {
  const auto values = [](double kl) { return json{{"values", values_of({{"kl", kl}})}}; };
  const auto difference = [](const FakeStudy& study) {
    study::StudyResults results = study.read();
    study::add_metrics(results, read_from("[[study.metrics]]\nname = \"d\"\nvalue = \"kl\"\n"
                                          "against = { \"model.family.type\" = \"full\" }\n",
                                          "metrics", read_metrics));
    std::vector<double> found;
    for (const study::StudyRow& row : of(results, "d"))
      if (study::label_of(row.labels, "model.family.type") == "optimal") found.push_back(row.value);
    return found;
  };
  FakeStudy study;
  study.add({{"seed", "1"}, {"model.family.type", "optimal"}}, values(10), "", "grae");
  study.add({{"model.family.type", "full"}, {"seed", "2"}}, values(1), "", "trained");
  CHECK(difference(study).empty());  // another seed's
  study.add({{"model.family.type", "full"}, {"seed", "1"}}, values(2), "", "trained");
  CHECK(difference(study) == std::vector<double>{8});
  study.add({{"model.family.type", "full"}, {"seed", "1"}}, values(3), "", "refit");
  CHECK(difference(study).empty());  // which of the two?
  study.add({{"model.family.type", "full"}, {"seed", "1"}}, values(4), "", "grae");
  CHECK(difference(study) == std::vector<double>{6});
}

TEST_CASE("all that is wrong with the metrics of a study is said at once, and where") {
  const std::string said = errors_of(R"toml(
[[study.metrics]]
name = "β over"
value = "kl + × 2"
[[study.metrics]]
name = "later"
value = "last + later"
[[study.metrics]]
name = "last"
value = "kl"
of = "kl"
[[study.metrics]]
name = "last"
against = { family = "full", seed = [1] }
)toml",
                                     "metrics", read_metrics);
  for (
      const char* line :
      {"study.toml:4:15: error: study.metrics.value is not an expression: expected a metric, a number or '(', "
       "found '×'.\n",
       "study.toml:7:9: error: study.metrics.value uses \"last\", which is not defined before it.\n",
       "study.toml:7:9: error: study.metrics.value uses \"later\", which is not defined before it.\n",
       "study.toml:11:1: error: Unknown key \"of\" in [study.metrics].\n",
       "study.toml:12:1: error: study.metrics.value is missing.\n",
       "study.toml:13:8: error: study.metrics.name is taken already.\n",
       "study.toml:14:22: error: study.metrics.against.family is not an axis of this study.\n",
       "study.toml:14:37: error: study.metrics.against.seed must be a label of that axis, found an array of "
       "1.\n",
       "8 errors.\n"})
    CHECK_THAT(said, ContainsSubstring(line));
}

TEST_CASE("a derived metric that was computed before stays, and the others are computed") {
  FakeStudy study;
  study.add({{"seed", "1"}}, {{"derived", {{"twice", {{"value", 40}, {"se", nullptr}}}}}});
  study.add({{"seed", "2"}}, {{"values", {{"loss", {{"mean", 3}, {"se", nullptr}}}}}});
  study::StudyResults results = study.read();
  CHECK(study::add_metrics(results, read_from("[[study.metrics]]\nname = \"twice\"\nvalue = \"2 * loss\"\n",
                                              "metrics", read_metrics))
            .empty());
  const auto twice = of(results, "twice");
  REQUIRE(twice.size() == 2);
  CHECK((twice[0].value == 40 && twice[1].value == 6));
}

TEST_CASE("two numbers of one name are told apart by their sections") {
  FakeStudy study;
  study.add({{"seed", "1"}}, {{"data", 100}, {"geometry", {{"data", {{"value", 64}, {"se", nullptr}}}}}});
  const study::StudyResults results = study.read();
  CHECK((of(results, "data").size() == 1 && of(results, "data")[0].value == 100));
  CHECK((of(results, "geometry.data").size() == 1 && of(results, "geometry.data")[0].value == 64));
}

}  // namespace
}  // namespace variform::study
