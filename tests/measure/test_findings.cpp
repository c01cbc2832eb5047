// What a metric reports, and how it comes to stand in an evaluation's result.

#include "measure/findings.h"

#include "measure/models.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace variform::measure {
namespace {

using nlohmann::json;
using testing::Approx;
using testing::ContainsSubstring;

at::Tensor random(uint64_t seed) {
  at::Generator rng = model::make_generator(at::kCPU, seed);
  return at::rand({40}, rng, at::kDouble) + 1;
}

json section_of(const KeptFindings& findings, const std::string& name = "section") {
  json result = json::object();
  findings.add_to(result, name);
  return result.at(name);
}

TEST_CASE("a ratio is that of the means, with the error that leaving out rows shows") {
  const at::Tensor above = random(1), below = above + 0.3 * random(2);
  KeptFindings findings("test", {{"share", "", "a share"}});
  for (int64_t first : {0, 15}) {
    const int64_t count = first == 0 ? 15 : 25;
    findings.ratio("share", above.narrow(0, first, count), below.narrow(0, first, count));
  }
  const json entry = section_of(findings).at("share");
  CHECK(entry.at("value").get<double>() == Approx(above.sum().item<double>() / below.sum().item<double>()));
  const at::Tensor without = (above.sum() - above) / (below.sum() - below);  // jackknife
  const double jackknife = std::sqrt(39 * without.var(/*unbiased=*/false).item<double>());
  CHECK(entry.at("se").get<double>() == Approx(jackknife).epsilon(0.02));

  KeptFindings nothing("test", {{"share", "", "a share"}});
  nothing.ratio("share", above, at::zeros({40}, at::kDouble));
  CHECK_THAT(section_of(nothing).at("share").at("undefined").get<std::string>(),
             ContainsSubstring("not defined: the mean that it is divided by"));
}

TEST_CASE("what is undefined stays so, for the first reason; what is absent is left out") {
  KeptFindings findings("test", {{"a", "nats", "first"}, {"b", "", "second"}, {"c", "", "third"}});
  findings.rows("a", at::ones({2}));
  findings.undefined("a", "the moon is full");
  findings.rows("a", at::ones({2}));
  findings.number("a", 3, {});
  findings.undefined("a", "it rains");
  findings.absent("b");
  findings.undefined_rest("nobody looked");
  const json section = section_of(findings);
  CHECK(section.at("a") ==
        json({{"undefined", "not defined: the moon is full."}, {"unit", "nats"}, {"what", "first"}}));
  CHECK_FALSE(section.contains("b"));
  CHECK(section.at("c").at("undefined") == "not defined: nobody looked.");
}

TEST_CASE("`values` has means and errors of the rows, and says of how many when they are few") {
  const at::Tensor values = random(3);
  KeptFindings findings("test",
                        {{"all", "nats", "of all rows"}, {"few", "", "of some"}, {"one", "", "a number"}});
  findings.rows("all", values.narrow(0, 0, 30));
  findings.rows("all", values.narrow(0, 30, 10));
  findings.rows("few", values.narrow(0, 0, 4));
  findings.number("one", 7, 0.5);
  findings.note("A note.");
  json result = {{"values", {{"other", 1}}}, {"values_notes", {"Before."}}};
  findings.add_to_values(result, 40);
  const json& found = result.at("values");
  CHECK(found.at("other") == 1);
  CHECK(found.at("all").at("mean").get<double>() == Approx(values.mean().item<double>()));
  CHECK(found.at("all").at("se").get<double>() == Approx(values.std().item<double>() / std::sqrt(40)));
  CHECK(found.at("all").at("unit") == "nats");
  for (const char* absent : {"rows", "value", "quartiles"}) CHECK_FALSE(found.at("all").contains(absent));
  CHECK(found.at("few").at("rows") == 4);
  CHECK(found.at("one") == json({{"mean", 7}, {"se", 0.5}, {"unit", ""}, {"what", "a number"}}));
  CHECK(result.at("values_order") == json({"all", "few", "one"}));
  CHECK(result.at("values_notes") == json({"Before.", "A note."}));
  CHECK_FALSE(result.contains("warnings"));
  KeptFindings same("another", {{"one", "", "another number"}});
  same.number("one", 8, {});
  same.add_to_values(result, 40);
  CHECK(found.at("one").at("mean") == 7);
  CHECK(result.at("warnings") ==
        json({"metric another reports 'one' in `values`, as another metric does; its number is left out"}));

  findings.keep_first(35);
  CHECK(at::equal(findings.values_of_rows().at("all"), values.narrow(0, 0, 35)));
  CHECK(at::equal(findings.values_of_rows().at("few"), values.narrow(0, 0, 4)));
  CHECK_FALSE(findings.values_of_rows().contains("one"));
}

TEST_CASE("objects stand at the top of a result and replace nothing; tensors are kept for a dump only") {
  KeptFindings findings("test", {});
  findings.object("extra", R"({"a": [1, 2.5]})");
  findings.object("split", R"({"b": 1})");
  CHECK_THROWS_WITH(findings.object("wrong", "[1]"),
                    ContainsSubstring("'wrong', which is not a JSON object"));
  CHECK_THROWS_WITH(findings.object("wrong", "{"), ContainsSubstring("not a JSON object"));
  json result = {{"split", "test"}};
  findings.add_to(result, "section");
  CHECK(result.at("extra") == json({{"a", {1, 2.5}}}));
  CHECK(result.at("split") == "test");
  findings.keep("z", at::ones({2}));
  CHECK(findings.kept().empty());
  findings.keep_tensors();
  findings.keep("z", at::ones({2}));
  CHECK(findings.kept().at("z").size() == 1);
}

}  // namespace
}  // namespace variform::measure
