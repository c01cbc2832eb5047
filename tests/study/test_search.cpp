// Trials of [study.search]: what they set, what they depend on, and what is wrong with the table.

#include "catch.h"

#include <algorithm>
#include <set>

#include "config/load.h"
#include "study/plan.h"

namespace variform::study {
namespace {

using config::Node;
using testing::ContainsSubstring;

struct Searched {
  std::vector<Cell> cells;
  std::string errors;
};

Searched searched(const std::string& study) {
  config::Diagnostics diagnostics;
  const Node root = config::parse("name = \"s\"\n[model]\nfamily = { type = \"diagonal\" }\n" + study,
                                  "study.toml", diagnostics);
  const Plan plan = read_plan(root, diagnostics);
  Searched result{cells_of(plan, diagnostics), {}};
  result.errors = diagnostics.render();
  return result;
}

std::string search_of(int trials, const std::string& keys, int seed = 1) {
  return "[study.search]\nmethod = \"random\"\ntrials = " + std::to_string(trials) +
         "\nseed = " + std::to_string(seed) + "\n[study.search.keys]\n" + keys;
}

double number_at(const Cell& cell, const char* key) {
  const Node* value = config::at_path(cell.config, key);
  REQUIRE(value != nullptr);
  return value->if_number() ? *value->if_number() : static_cast<double>(*value->if_integer());
}

const char* const kKeys = R"("train.optimizer.lr" = { low = 1e-4, high = 1e-2, log = true }
"model.latent" = { low = 2, high = 5 }
"model.family.type" = ["diagonal", "full"]
)";

}  // namespace

TEST_CASE("trials lie in their intervals, numbers by their logarithm and integers with both ends") {
  const Searched found = searched(search_of(400, kKeys));
  REQUIRE(found.errors.empty());
  REQUIRE(found.cells.size() == 400);
  std::set<double> latents;
  std::set<std::string> families, labels;
  int small = 0;
  for (const Cell& cell : found.cells) {
    const double lr = number_at(cell, "train.optimizer.lr");
    CHECK((lr >= 1e-4 && lr <= 1e-2));
    small += lr < 1e-3;  // half of them
    latents.insert(number_at(cell, "model.latent"));
    families.insert(*config::at_path(cell.config, "model.family.type")->if_text());
    labels.insert(*label_of(cell, "trial"));
  }
  CHECK((small > 160 && small < 240));
  CHECK(latents == std::set<double>{2, 3, 4, 5});
  CHECK(families == std::set<std::string>{"diagonal", "full"});
  CHECK(labels.size() == 400);
  CHECK_THAT(*label_of(found.cells[0], "trial"),
             ContainsSubstring("lr=0.00") && ContainsSubstring(" latent="));
}

TEST_CASE("trials depend on the seed and on nothing else, and other axes cross them") {
  const Searched few = searched(search_of(3, kKeys)), more = searched(search_of(5, kKeys)),
                 other = searched(search_of(3, kKeys, 2));
  for (std::size_t i = 0; i < few.cells.size(); ++i) {
    CHECK(few.cells[i].config == more.cells[i].config);
    CHECK_FALSE(few.cells[i].config == other.cells[i].config);
  }
  const Searched crossed = searched(search_of(3, kKeys) + "[study.axes]\nseed = [1, 2]\n");
  REQUIRE(crossed.errors.empty());
  REQUIRE(crossed.cells.size() == 6);
  CHECK(number_at(crossed.cells[3], "seed") == 2);
  CHECK(label_of(crossed.cells[2], "trial") == label_of(few.cells[1], "trial"));
}

TEST_CASE("trials that differ in numbers only are cells of one kind") {
  const Searched found = searched(search_of(20, "a = { low = 0, high = 1 }\nb = [\"x\", \"y\"]\n"));
  std::set<std::string> kinds;
  for (const Cell& cell : found.cells) kinds.insert(kind_of(cell));
  CHECK(kinds.size() == 2);
}

TEST_CASE("what is wrong with a search is said") {
  const auto wrong = [](const std::string& study, const std::string& message) {
    CHECK_THAT(searched(study).errors, ContainsSubstring(message));
  };
  wrong("[study.search]\nmethod = \"bayes\"\ntrials = 2\nkeys = { a = [1, 2] }\n", "random");
  wrong(search_of(2, "a = 3\n"), "is a list of values, or an interval, found integer 3");
  wrong(search_of(2, "a = { low = 2, high = 1 }\n"), "must be above low");
  wrong(search_of(2, "a = { low = 0, high = 1, log = true }\n"), "must be above 0");
  wrong(search_of(2, "a = { low = 0, hihg = 1 }\n"), "did you mean");
  wrong(search_of(5, "a = [1, 2]\n"), "more than there are different values: 2 were found");
  wrong(search_of(2, "a = [1, 2]\n") + "[study.axes]\ntrial = [1]\n", "have one called \"trial\"");
}

}  // namespace variform::study
