// Descriptions of data sets: what they may say, every mistake at once, and where descriptions are found.

#include <algorithm>

#include "config/load.h"
#include "config/node.h"
#include "data/descriptor.h"
#include "data/files.h"
#include "support.h"

namespace {

using namespace variform::data;
using namespace variform::data::testing;
using variform::config::Diagnostics;
using variform::config::Node;
using variform::testing::ContainsSubstring;
namespace fs = std::filesystem;

Descriptor parse(const std::string& toml, Diagnostics& diagnostics) {
  const Node table = variform::config::parse(toml, "d.toml", diagnostics);
  return parse_descriptor(table, diagnostics);
}

Descriptor parse(const std::string& toml) {
  Diagnostics diagnostics;
  Descriptor descriptor = parse(toml, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  return descriptor;
}

}  // namespace

TEST_CASE("a description may be one line") {
  const Descriptor d = parse("x = \"a.npz:images\"");
  REQUIRE(d.splits.size() == 1);
  CHECK(d.splits[0].name == "all");
  CHECK(d.splits[0].x.files == std::vector<std::string>{"a.npz"});
  CHECK(d.splits[0].x.member == "images");
  CHECK(d.find("train") == &d.splits[0]);  // one split is every split
}

TEST_CASE("splits in short and in full") {
  const Descriptor d = parse(R"(
name = "x"
format = "cifar10"
[splits]
train = ["1.bin", "2.bin"]
[splits.test]
x = { files = ["t.npz"], member = "a:b", format = "npz" }
labels = "C:labels.npy"
rows = [5, 9]
shuffle = 3
count = 4
)");
  REQUIRE(d.splits.size() == 2);
  CHECK(d.splits[0].x.files.size() == 2);
  CHECK(d.splits[0].x.format == "cifar10");
  const Split* test = d.find("test");
  REQUIRE(test != nullptr);
  CHECK(test->x.member == "a:b");
  CHECK(test->x.format == "npz");
  CHECK(test->labels.files == std::vector<std::string>{"C:labels.npy"});  // no member in an npy file
  CHECK(test->first == 5);
  CHECK(test->last == 9);
  CHECK(test->shuffle == 3u);
  CHECK(d.find("validation") == nullptr);
}

TEST_CASE("every mistake of a description is reported at once") {
  Diagnostics diagnostics;
  parse(R"(
shap = [1, 2, 3]
domain = "unit"
shape = [2, 2]
format = "idz"
factor_names = ["a"]
factor_sizes = [1, 2]
[splits.train]
x = 3
rows = [4, 4]
[splits.test]
label = "y"
[files]
"a" = { sha256 = "xyz" }
)",
        diagnostics);
  const std::string all = diagnostics.render();
  for (const char* expected :
       {"d.toml:2:1: error: Unknown key \"shap\" in the description of a data set.", "shape",
        "d.toml:3:", "d.toml:4:", "must be [channels, height, width] or [values].",
        "d.toml:5:", "must hold one size for each of the 1 factor_names.",
        "dataset.splits.train.x must be a file's name, a list of names",
        "rows must be [first, end] with first < end", "Unknown key \"label\" in [dataset.splits.test].",
        "dataset.splits.test.x is missing", "must be 64 lower-case hexadecimal digits."})
    CHECK_THAT(all, ContainsSubstring(expected));
}

TEST_CASE("descriptions are found by name, by path and inline") {
  const TemporaryFolder folder;
  write(folder / "known/spirals.toml", "name = \"spirals\"\nx = \"s.npy\"\n");
  write(folder / "known/mnist.toml", "name = \"mnist\"\nx = \"m.npy\"\n");
  const std::vector<fs::path> folders{folder / "absent", folder / "known"};
  CHECK(find_descriptor("spirals", folders) == folder / "known/spirals.toml");
  CHECK(descriptor_names(folders) == std::vector<std::string>{"mnist", "spirals"});
  const std::string message = refusal([&] { find_descriptor("mnits", folders); });
  CHECK_THAT(message, ContainsSubstring("there is no data set \"mnits\": expected mnits.toml in"));
  CHECK_THAT(message, ContainsSubstring("found mnist, spirals; did you mean \"mnist\"?"));

  Diagnostics diagnostics;
  CHECK(resolve_descriptor(Node("spirals"), folders, {}, diagnostics).name == "spirals");
  const Node beside("known/mnist.toml", {(folder / "exp.toml").string(), 3, 1});
  const Descriptor d = resolve_descriptor(beside, {}, {}, diagnostics);
  CHECK(d.name == "mnist");
  CHECK(d.folder == folder / "known");
  CHECK(*portable(beside, folders).if_text() == (folder / "known/mnist.toml").string());
  CHECK(*portable(Node("spirals"), folders).if_text() == "spirals");
  REQUIRE(diagnostics.empty());
  resolve_descriptor(Node("mnits", {"exp.toml", 3, 1}), folders, {}, diagnostics);
  CHECK_THAT(diagnostics.render(), ContainsSubstring("exp.toml:3:1: error: there is no data set \"mnits\""));
}

TEST_CASE("files are found beside the description, in sub-folders, in folders, and compressed") {
  const TemporaryFolder folder;
  Descriptor d =
      parse("name = \"n\"\nx = \"a.npy\"\nfolders = [\"n\", \"other\"]\nobtain = \"ask the author.\"");
  d.folder = folder / "home";
  const SplitReader reader(d, {folder / "one", folder / "two"});
  const std::string message = refusal([&] { reader.locate("a.npy"); });
  CHECK_THAT(message,
             ContainsSubstring("data set \"n\": expected the file a.npy (or a.npy.gz), found it neither in"));
  CHECK_THAT(message, ContainsSubstring((folder / "two").string()));
  CHECK_THAT(message, ContainsSubstring("ask the author."));
  for (const char* place :
       {"two/a.npy.gz", "two/a.npy", "two/other/a.npy", "one/a.npy", "one/n/a.npy", "home/a.npy"}) {
    write(folder / place, "x");
    CHECK(reader.locate("a.npy") == folder / place);  // each precedes those before it
  }
}

TEST_CASE("data folders are those given, then VARIFORM_DATA's, then Debian's") {
  const std::string former = variform::testing::environment("VARIFORM_DATA");
  setenv("VARIFORM_DATA", "/c:/d", 1);
  CHECK(data_folders({"/a:/b"}) == std::vector<fs::path>{"/a", "/b", "/c", "/d", "/usr/share/datasets"});
  if (former.empty()) unsetenv("VARIFORM_DATA");
  else setenv("VARIFORM_DATA", former.c_str(), 1);
}
