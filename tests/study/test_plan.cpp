// A study's grid: what each cell's config is, and what is wrong with a study's file.

#include "catch.h"

#include "config/load.h"
#include "study/plan.h"

namespace variform::study {
namespace {

using config::Diagnostics;
using config::Node;

const char* const kBase = R"(
name = "s"
[model]
family = { type = "diagonal" }
[objective]
type = "beta-vae"
beta = 1.0
samples = 2
)";

struct Read {
  Plan plan;
  std::vector<Cell> cells;
  std::string errors;
};

// A study of kBase with what `tail` adds.
Read read(const char* tail) {
  std::string text = kBase;
  text += tail;
  Diagnostics diagnostics;
  const Node root = config::parse(text, "study.toml", diagnostics);
  Read result;
  result.plan = read_plan(root, diagnostics);
  result.cells = cells_of(result.plan, diagnostics);
  result.errors = diagnostics.empty() ? "" : diagnostics.render();
  return result;
}

std::string printed(const Node& node, const std::string& section) {
  return config::print_value(*node.find(section));
}

}  // namespace

TEST_CASE("a grid has a cell for each combination, the last axis fastest") {
  const Read found = read(R"(
[study.axes]
"objective.beta" = [0.5, 2]
seed = [1, 2, 3]
)");
  REQUIRE(found.errors.empty());
  REQUIRE(found.cells.size() == 6);
  CHECK(text_of(found.cells[0]) == "beta=0.5 seed=1");
  CHECK(text_of(found.cells[1]) == "beta=0.5 seed=2");
  CHECK(text_of(found.cells[5]) == "beta=2 seed=3");
  CHECK(*found.cells[4].config.find("seed")->if_integer() == 2);
  CHECK(*found.cells[4].config.find("objective")->find("beta")->if_integer() == 2);
  CHECK(found.cells[4].config.find("study") == nullptr);
  CHECK(*found.cells[4].config.find("objective")->find("samples")->if_integer() == 2);
}

TEST_CASE("cells may be left out, and an evaluation asked of some cells only") {
  const Read found = read(R"(
[study.axes]
"objective.beta" = [0.5, 2]
seed = [1, 2, 3]
[[study.skip]]
"objective.beta" = 2
seed = [2, 3]
[study.evaluate.some]
where = { seed = 1 }
limit = 5
)");
  REQUIRE(found.errors.empty());
  REQUIRE(found.cells.size() == 4);
  CHECK(text_of(found.cells[2]) == "beta=0.5 seed=3");
  CHECK(text_of(found.cells[3]) == "beta=2 seed=1");
  CHECK(found.plan.evaluations[0].options == std::vector<std::string>{"--limit=5"});
  CHECK(fits(found.cells[3], found.plan.evaluations[0].where));
  CHECK_FALSE(fits(found.cells[2], found.plan.evaluations[0].where));

  const Read wrong = read(R"(
[study.axes]
seed = [1, 2]
[[study.skip]]
sed = 1
[study.evaluate.some]
where = { seed = 7 }
)");
  CHECK(wrong.errors.find("sed is not an axis of this study") != std::string::npos);
  CHECK(wrong.errors.find("has no value \"7\"") != std::string::npos);
}

TEST_CASE("a choice of type comes before other values, whatever the axes' order") {
  const Read found = read(R"(
[study.axes]
"objective.beta" = [0.5]
"objective.type" = ["beta-vae", "grae"]
)");
  REQUIRE(found.errors.empty());
  CHECK(printed(found.cells[0].config, "objective") == R"({ type = "beta-vae", beta = 0.5, samples = 2 })");
  CHECK(printed(found.cells[1].config, "objective") == R"({ type = "grae", beta = 0.5 })");
}

TEST_CASE("an axis of tables sets several keys at once, in any order, under a label") {
  const Read found = read(R"(
[[study.axes.model]]
label = "blocks"
set = { "model.family.sizes" = [2, 2], "model.family.type" = "block" }
[[study.axes.model]]
label = "GRAE"
set = { objective = { type = "grae" } }
)");
  REQUIRE(found.errors.empty());
  REQUIRE(found.cells.size() == 2);
  CHECK(text_of(found.cells[0]) == "model=blocks");
  CHECK(printed(found.cells[0].config, "model") == R"({ family = { sizes = [2, 2], type = "block" } })");
  CHECK(printed(found.cells[1].config, "objective") == R"({ type = "grae" })");
}

TEST_CASE("a later stage's runs refer to those of an earlier one with the same labels") {
  const Read found = read(R"(
[study.axes]
seed = [1, 2]
[study.stages.train]
[study.stages.refit]
set = { "model.decoder" = { from = "@train", frozen = true } }
axes = { "model.family.type" = ["diagonal", "full"] }
)");
  REQUIRE(found.errors.empty());
  REQUIRE(found.cells.size() == 6);
  CHECK(found.cells[4].needs == std::vector<std::size_t>{1});
  CHECK(text_of(found.cells[4]) == "seed=2 type=diagonal");
  const Node config =
      with_runs(found.plan, found.cells, 4, [](std::size_t cell) { return "run-" + std::to_string(cell); });
  CHECK(printed(*config.find("model"), "decoder") == R"({ from = "run-1", frozen = true })");
}

TEST_CASE("evaluations are options of the command") {
  const Read found = read(R"(
[study.evaluate.along]
epochs = [0, 1, 2.5]
at_end = false
limit = 2000
importance_samples = 0
disentanglement = true
linear = false
)");
  REQUIRE(found.errors.empty());
  REQUIRE(found.plan.evaluations.size() == 1);
  const Evaluation& along = found.plan.evaluations[0];
  CHECK(along.options ==
        std::vector<std::string>{"--disentanglement", "--importance-samples=0", "--limit=2000"});
  CHECK(along.epochs == std::vector<double>{0, 1, 2.5});
  CHECK_FALSE(along.at_end);
}

TEST_CASE("all that is wrong with a study comes out at once, with its place") {
  const Read found = read(R"(
[study]
titel = "x"
[study.axes]
seed = 3
twice = [1, 1]
[study.stages.refit]
set = { "model.decoder" = { from = "@train" } }
[study.evaluate.along]
epochs = [2, 1]
stages = ["nowhere"]
)");
  CHECK(found.errors.find("Unknown key \"titel\"") != std::string::npos);
  CHECK(found.errors.find("An axis is a list of values, found integer 3.") != std::string::npos);
  CHECK(found.errors.find("write seed = [3, …]") != std::string::npos);
  CHECK(found.errors.find("Two values of this axis are called \"1\".") != std::string::npos);
  CHECK(found.errors.find("must increase") != std::string::npos);
  CHECK(found.errors.find("names \"nowhere\", which is not a stage of this study") != std::string::npos);
  CHECK(found.errors.find("study.toml:13") != std::string::npos);
  const Read reference = read("[study.stages.refit]\nset = { \"model.decoder\" = { from = \"@train\" } }\n");
  CHECK(reference.errors.find("\"@train\" stands for the run of an earlier stage \"train\"") !=
        std::string::npos);
}

TEST_CASE("axes that multiply beyond what anybody trains are refused before cells are made") {
  std::string tail = "[study.axes]\n";
  for (int axis = 0; axis < 9; ++axis)
    tail += "\"objective.a" + std::to_string(axis) + "\" = [1, 2, 3, 4, 5, 6, 7, 8, 9]\n";
  const Read found = read(tail.c_str());
  CHECK(found.cells.empty());
  CHECK(found.errors.find("at most 100000 cells of a stage, but here 9 x 9 x") != std::string::npos);
}

}  // namespace variform::study
