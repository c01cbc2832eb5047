// A study that is made of overrides with several values: how these are read, that the study is the one that a file would
// describe, and what is wrong with a command line.

#include "config/load.h"
#include "study/multirun.h"
#include "study/plan.h"
#include "study/specs.h"

#include "fake_study.h"

namespace variform::study {
namespace {

using config::Diagnostics;
using config::Node;
using testing::ContainsSubstring;
using Texts = std::vector<std::string>;

const char* const kSmall = R"(
name = "small"
[model]
family = { type = "diagonal" }
[objective]
type = "beta-vae"
beta = 1.0
samples = 2
)";
const char* const kDefault = R"(
[study.evaluate.final]
limit = 1000
[[study.tables]]
name = "results"
metrics = ["loss"]
)";

// A folder with a config and defaults.
class Configs {
 public:
  Configs() {
    std::ofstream(folder_ / "small.toml") << kSmall;
    std::ofstream(folder_ / "defaults.toml") << kDefault;
  }
  MultirunRequest request(Texts axes, Texts overrides = {}) const {
    return {{(folder_ / "small.toml").string()},
            std::move(overrides),
            std::move(axes),
            {},
            folder_ / "defaults.toml"};
  }
  // The study of a request, without errors.
  MultirunFile file(const Texts& axes, const Texts& overrides = {}) const {
    Diagnostics diagnostics;
    MultirunFile file = multirun_file(request(axes, overrides), diagnostics);
    CHECK(diagnostics.render() == "");
    return file;
  }
  std::string errors(const Texts& axes) const {
    Diagnostics diagnostics;
    multirun_file(request(axes), diagnostics);
    return diagnostics.render();
  }
  const Folder& folder() const { return folder_; }

 private:
  Folder folder_;
};

std::vector<Cell> cells_in(const Node& root) {
  Diagnostics diagnostics;
  const Plan plan = read_plan(root, diagnostics);
  std::vector<Cell> cells = cells_of(plan, diagnostics);
  CHECK(diagnostics.render() == "");
  return cells;
}

Texts labels_in(const MultirunFile& file) {
  Texts texts;
  for (const Cell& cell : cells_in(file.root)) texts.push_back(text_of(cell));
  return texts;
}

Node loaded(const std::filesystem::path& file) {
  Diagnostics diagnostics;
  Node root = config::load({file.string()}, {}, diagnostics);
  CHECK(diagnostics.render() == "");
  return root;
}

}  // namespace

TEST_CASE("values are separated by commas outside of brackets, braces and quotes") {
  CHECK(split_values("diagonal,full") == Texts{"diagonal", "full"});
  CHECK(split_values("[64, 64], [32]") == Texts{"[64, 64]", "[32]"});
  CHECK(split_values(R"({type="a"},{type="b,c",sizes=[1,2]})") ==
        Texts{R"({type="a"})", R"({type="b,c",sizes=[1,2]})"});
  CHECK(split_values(R"("a,b\",c",'d,e',f)") == Texts{R"("a,b\",c")", "'d,e'", "f"});
  CHECK(split_values("don't,won't") == Texts{"don't", "won't"});
  CHECK(split_values("1,,2,") == Texts{"1", "", "2", ""});
  CHECK(split_values("") == Texts{""});
}

TEST_CASE("a study without a file is the one that a file describes") {
  const Configs configs;
  const MultirunFile made = configs.file({R"(objective.beta=0.5,2)", "train.steps=4", "seed=1:3",
                                          R"(model.prior={type="gaussian"},{type="mixture",components=5})"},
                                         {"model.latent=2"});
  std::ofstream(configs.folder() / "study.toml") << R"(
include = ["small.toml"]
name = ")" << *made.root.find("name")->if_text() << R"("
[model]
latent = 2
[train]
steps = 4
[study.axes]
"objective.beta" = [0.5, 2]
seed = [1, 2, 3]
"model.prior" = [{ type = "gaussian" }, { type = "mixture", components = 5 }]
[study.evaluate.final]
limit = 1000
[[study.tables]]
name = "results"
metrics = ["loss"]
rows = ["objective.beta", "model.prior"]
)";
  const Node expected = loaded(configs.folder() / "study.toml");
  CHECK(made.root == expected);
  std::filesystem::create_directory(configs.folder() / "elsewhere");
  std::ofstream(configs.folder() / "elsewhere/plan.toml") << made.text;
  const Node written = loaded(configs.folder() / "elsewhere/plan.toml");
  CHECK(written == expected);

  const std::vector<Cell> cells = cells_in(written), others = cells_in(expected);
  REQUIRE(cells.size() == 12);
  REQUIRE(others.size() == 12);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    CHECK(text_of(cells[i]) == text_of(others[i]));
    CHECK(cells[i].config == others[i].config);
  }
  CHECK(text_of(cells[3]) == R"(beta=0.5 seed=2 prior={ type = "mixture", components = 5 })");
  CHECK(made.text.starts_with("# Made by: variform train "));
}

TEST_CASE("integers may be ranges, and other texts with colons are not") {
  const Configs configs;
  CHECK(labels_in(configs.file({"seed=1:3"})) == Texts{"seed=1", "seed=2", "seed=3"});
  CHECK(labels_in(configs.file({"seed=1:9:4"})) == Texts{"seed=1", "seed=5", "seed=9"});
  CHECK(labels_in(configs.file({"seed=2:-4:-3"})) == Texts{"seed=2", "seed=-1", "seed=-4"});
  CHECK(labels_in(configs.file({"seed=1:2, 7"})) == Texts{"seed=1", "seed=2", "seed=7"});
  CHECK(labels_in(configs.file({"train.device=cuda:0,cuda:1"})) == Texts{"device=cuda:0", "device=cuda:1"});
  CHECK(labels_in(configs.file({R"(a.b="1:2",x)"})) == Texts{"b=1:2", "b=x"});
}

TEST_CASE("values are those of ordinary overrides") {
  const Configs configs;
  const std::vector<Cell> cells = cells_in(configs.file({R"(a.b=1,1.5,true,word,"2",[1,2],{c=3})"}).root);
  Texts found;
  for (const Cell& cell : cells) found.push_back(config::print_value(*config::at_path(cell.config, "a.b")));
  CHECK(found == Texts{"1", "1.5", "true", R"("word")", R"("2")", "[1, 2]", "{ c = 3 }"});

  // A table with a key `set` is a value, not a label with its settings.
  const std::vector<Cell> sets = cells_in(configs.file({"a.b={set=1},{set=2}"}).root);
  CHECK(config::print_value(*config::at_path(sets[1].config, "a.b")) == "{ set = 2 }");
  CHECK(text_of(sets[1]) == "b={ set = 2 }");
}

TEST_CASE("tables have a row per combination of the axes other than the seed") {
  const Configs configs;
  const auto rows = [&](const Texts& axes, const Texts& overrides = {}) {
    const Node root = configs.file(axes, overrides).root;
    return config::print_value(*config::at_path(root, "study.tables")->if_array()->at(0).find("rows"));
  };
  CHECK(rows({"a.b=1,2", "seed=1:2", "c.d=1,2"}) == R"(["a.b", "c.d"])");
  CHECK(rows({"seed=1:2"}) == R"(["evaluation"])");
  CHECK(rows({"seed=1:2"}, {R"(study.tables=[{name="t",metrics=["m"],rows=["seed"]}])"}) == R"(["seed"])");
  const Node root = configs.file({"seed=1:2"}, {"study.evaluate.final.limit=5"}).root;
  CHECK(*config::at_path(root, "study.evaluate.final.limit")->if_integer() == 5);
}

TEST_CASE("the name is the config's with a hash of axes and overrides, or a given one") {
  const Configs configs;
  const auto name = [&](const Texts& axes, const Texts& overrides = {}) {
    return *configs.file(axes, overrides).root.find("name")->if_text();
  };
  const std::string one = name({"seed=1:2"});
  CHECK(one.starts_with("small-"));
  CHECK(one.size() == std::string("small-").size() + 8);
  CHECK(name({"seed=1,2"}) == one);
  CHECK(name({"seed=1:3"}) != one);
  CHECK(name({"seed=1:2"}, {"train.steps=3"}) != one);
  CHECK(name({"seed=1:2"}, {"name=other"}).starts_with("other-"));

  MultirunRequest request = configs.request({"seed=1:2"});
  request.name = "mine";
  Diagnostics diagnostics;
  CHECK(*multirun_file(request, diagnostics).root.find("name")->if_text() == "mine");
}

TEST_CASE("what is wrong with a command line is said where it is") {
  const Configs configs;
  CHECK_THAT(configs.errors({"a.b=1,,2"}),
             ContainsSubstring("A value of \"a.b=1,,2\" is empty.") && ContainsSubstring("command line"));
  CHECK_THAT(configs.errors({"a.b=1,"}), ContainsSubstring("is empty"));
  CHECK_THAT(configs.errors({"a.b=", "seed=1:2"}), ContainsSubstring("has no value"));
  for (const char* range : {"1:", ":5", "5:1", "1:5:0", "0.5:2", "1:2:3:4", "1:5:-1"})
    CHECK_THAT(configs.errors({std::string("seed=") + range}),
               ContainsSubstring(std::string("not a range of integers, or one without a value: ") + range));
  CHECK_THAT(configs.errors({"a.b=[1,2"}), ContainsSubstring("not TOML") || ContainsSubstring("varies"));
  CHECK_THAT(configs.errors({"a b=1,2"}), ContainsSubstring("no valid key"));
  CHECK_THAT(configs.errors({"a.b=1,2", "a.b=3,4"}), ContainsSubstring("The axis a.b is given twice."));
  for (const char* key : {"name", "include", "study.title", "plugins.paths"})
    CHECK_THAT(configs.errors({std::string(key) + "=a,b"}), ContainsSubstring("cannot vary"));
  // The caret stands below the value that is wrong.
  CHECK_THAT(configs.errors({R"(a.b=1,[2)"}), ContainsSubstring("a.b=1,[2\n"));

  Diagnostics diagnostics;
  CHECK_THROWS_WITH(
      multirun_file(configs.request({"train.steps=4", "seed=3:3"}), diagnostics),
      ContainsSubstring("nothing varies: ") && ContainsSubstring("found train.steps=4 seed=3:3"));
  CHECK_THROWS_WITH(multirun_file(configs.request({}), diagnostics), ContainsSubstring("nothing varies: "));
  CHECK_THROWS_WITH(multirun_file(configs.request({"seed=1:500", "a.b=1,2,3"}), diagnostics),
                    ContainsSubstring("1500 cells (500 x 3)") && ContainsSubstring("--yes"));
  CHECK_THROWS_WITH(multirun_file(configs.request({"seed=1:1000000000000"}), diagnostics),
                    ContainsSubstring("more than 100000 values"));
  MultirunRequest many = configs.request({"seed=1:500", "a.b=1,2,3"});
  many.most_cells = 2000;
  CHECK(cells_in(multirun_file(many, diagnostics).root).size() == 1500);

  std::ofstream(configs.folder() / "study.toml") << "include = [\"small.toml\"]\n[study.axes]\nseed = [1]\n";
  MultirunRequest of_study = configs.request({"seed=1:2"});
  of_study.files = {(configs.folder() / "study.toml").string()};
  CHECK_THROWS_WITH(multirun_file(of_study, diagnostics), ContainsSubstring("describes a study already"));
}

}  // namespace variform::study
