// Commands on trained models, as far as they are functions: places looked at before the work, what a checkpoint keeps
// of the data, and values of the data that were complete when somebody pressed Ctrl-C. The rest is
// tests/cli/test_field_commands.py.

#include <ATen/ATen.h>

#include <limits>

#include "base/file.h"
#include "catch.h"
#include "data/support.h"
#include "measure/findings.h"
#include "model/data_facts.h"

namespace variform {
namespace {

namespace fs = std::filesystem;
using data::testing::TemporaryFolder;

TEST_CASE("E8: a place is tried and left as it was") {
  const TemporaryFolder folder;
  base::write_text_file(folder / "there", "text");
  base::require_writable(folder / "there");
  base::require_writable(folder / "new");
  base::require_writable(folder / "not/yet/there", {.makes_folders = true});
  CHECK_THROWS_WITH(base::require_writable(folder / "not/there", {.option = "--dump"}),
                    testing::ContainsSubstring("No such file or directory; create the folder \"") &&
                        testing::ContainsSubstring("or name another place with --dump"));
  CHECK_THROWS_WITH(base::require_writable(folder / "there/below", {.makes_folders = true}),
                    testing::ContainsSubstring("Not a directory; name another place with --out"));
  CHECK_THROWS_WITH(base::require_writable(folder.path()), testing::ContainsSubstring("Is a directory"));
  CHECK_THROWS_WITH(
      base::require_writable(folder / "new", {.bytes = std::numeric_limits<std::uint64_t>::max()}),
      testing::ContainsSubstring("No space left on device; free some space"));
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("E9: facts of the data survive a checkpoint's attributes to the last bit") {
  const at::ScalarType type = GENERATE(at::kFloat, at::kDouble);
  model::DataFacts facts{"faces", "real", {3, 8, 8}, 100, 20, 30};
  facts.mean = at::rand({3, 1, 1}, type) / 3;
  facts.sd = at::rand({3, 1, 1}, type) * 1e-30;
  facts.are_bytes = true;
  facts.class_names = {"a", "\"b\""};
  const auto found =
      model::facts_in({{"data", model::to_json(facts)}, {"data_shape", "[3,8,8]"}, {"data_domain", "real"}});
  REQUIRE(found);
  CHECK(found->name == "faces");
  CHECK(found->shape == Shape{3, 8, 8});
  CHECK(std::vector{found->rows, found->validation_rows, found->test_rows} ==
        std::vector<std::int64_t>{100, 20, 30});
  CHECK(found->mean.to(type).equal(facts.mean));
  CHECK(found->sd.to(type).equal(facts.sd));
  CHECK(found->are_bytes);
  CHECK(found->class_names == facts.class_names);
  CHECK(found->factor_names.empty());
  CHECK_FALSE(model::facts_in({{"data_shape", "[3,8,8]"}, {"data_domain", "real"}}));
}

TEST_CASE("E9: stand-ins lie in the domain of the data") {
  const auto value = [](const char* domain) {
    const model::DataFacts facts{"faces", domain, {2, 3}, 100};
    const Tensor made = model::stand_ins(facts, 4, at::kFloat);
    CHECK(made.sizes().vec() == Shape{4, 2, 3});
    return made.mean().item<double>();
  };
  CHECK(value("unit interval") == 0.5);
  CHECK(value("binary") == 0);
  CHECK(value("count") == 0);
  CHECK(value("real") == 0);
}

TEST_CASE("E7: values of a batch that was not finished are forgotten") {
  measure::KeptFindings findings("losses",
                                 {{"early", "nats", "known at once"}, {"late", "nats", "known later"}});
  findings.rows("early", at::tensor({1.0, 2.0}));
  findings.rows("late", at::tensor({3.0, 4.0}));
  findings.rows("early", at::tensor({5.0, 6.0}));
  findings.keep_first(2);
  const auto values = findings.values_of_rows();
  CHECK(values.at("early").equal(at::tensor({1.0, 2.0}, at::kDouble)));
  CHECK(values.at("late").equal(at::tensor({3.0, 4.0}, at::kDouble)));
}
}  // namespace
}  // namespace variform
