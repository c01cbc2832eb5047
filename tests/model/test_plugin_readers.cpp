// Readers that plugins bring, from a file's name to a data set: which reader a file goes to, what is said of it, and what
// comes of readers that break their word.

#include "model/plugin_readers.h"

#include "measure/models.h"

#include <cstring>
#include <fstream>

#include "config/load.h"
#include "data/dataset.h"
#include "data/guess.h"
#include "plugins/registry.h"

namespace variform::model {
namespace test = measure::test;
namespace {

namespace fs = std::filesystem;
using testing::ContainsSubstring;

const plugins::Registry& registry() {
  static const plugins::Registry all(plugins::search_for(
      {std::string(testing::environment("VARIFORM_TEST_PLUGINS")) + "/model/readers.so"}, {}));
  return all;
}

// Writes a file of the reader "numbers": 0, 1, 2, …
fs::path numbers(const fs::path& path, std::int64_t rows = 6, std::int64_t columns = 3) {
  std::ofstream out(path, std::ios::binary);
  out << "NUMBERS ";
  for (const std::int64_t size : {rows, columns})
    out.write(reinterpret_cast<const char*>(&size), sizeof size);
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    const auto value = static_cast<double>(i);
    out.write(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return path;
}

data::Splits load(const std::string& dataset, const std::string& more = {}) {
  config::Diagnostics diagnostics;
  const config::Node root =
      config::parse("[data]\ndataset = " + dataset + "\n" + more + "\n", "test", diagnostics);
  const config::DataSpec spec = config::parse_data(root, diagnostics);
  diagnostics.throw_if_any();
  const auto readers = plugin_readers(registry());
  return data::load(spec, {}, {}, 1, at::kCPU, at::kDouble, nullptr, readers.get());
}

std::string quoted(const fs::path& path) { return "\"" + path.string() + "\""; }

std::string refusal(const std::string& dataset, const std::string& more = {}) {
  try {
    load(dataset, more);
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

std::string said(const data::Splits& splits) {
  std::string all;
  for (const std::string& note : splits.notes) all += note + "\n";
  return all;
}

TEST_CASE("a file is read by the plugin that claims its ending") {
  const test::Folder folder;
  const data::Splits splits = load(quoted(numbers(folder / "a.numbers")));
  const at::Tensor x = splits.train.gather(at::arange(6, at::kLong));
  CHECK(at::equal(x, at::arange(18, at::kDouble).view({6, 3})));
  CHECK(at::equal(splits.train.labels(), at::tensor({0, 1, 0, 1, 0, 1}, at::kLong)));
  CHECK(splits.train.class_names == std::vector<std::string>{"even", "odd"});
  CHECK_THAT(said(splits), ContainsSubstring("a.numbers: read by reader numbers (test.readers 1.0.0)."));
}

TEST_CASE("two readers that recognise the same bytes are a question") {
  const test::Folder folder;
  const fs::path file = numbers(folder / "a.unknown");
  CHECK_THAT(refusal(quoted(file)),
             ContainsSubstring("both reader numbers (test.readers 1.0.0) and reader rival") &&
                 ContainsSubstring("write format = \"numbers\" or format = \"rival\""));
  CHECK(load("{ x = { files = [" + quoted(file) + "], member = \"x\", format = \"rival\" } }").train.size() ==
        6);
}

TEST_CASE("a description names a reader, with its parameters") {
  const test::Folder folder;
  const std::string file = quoted(numbers(folder / "a.dat"));
  const std::string sources = ", x = { files = [" + file + "], member = \"x\" } }";
  CHECK(load("{ format = \"numbers\"" + sources).train.size() == 6);
  CHECK_THAT(
      refusal("{ format = { type = \"numbers\", most_rows = 5 }" + sources),
      ContainsSubstring("a.dat: reader numbers (test.readers 1.0.0): it has more rows than most_rows = 5"));
  CHECK_THAT(refusal("{ format = { type = \"numbers\", most = 5 }" + sources), ContainsSubstring("most"));
  CHECK_THAT(refusal("{ format = \"nubmers\"" + sources),
             ContainsSubstring("liar, numbers, rival, or a reader of a plugin, found \"nubmers\"") &&
                 ContainsSubstring("numbers"));
  CHECK_THAT(refusal("{ format = \"numbers\", x = { files = [" + file + "], member = \"z\" } }"),
             ContainsSubstring("expected an array \"z\", found x [6 x 3], labels [6]"));
}

TEST_CASE("rows of several files follow each other") {
  const test::Folder folder;
  const std::string files =
      quoted(numbers(folder / "a.numbers")) + ", " + quoted(numbers(folder / "b.numbers", 4));
  const data::Splits splits = load("{ x = [" + files + "] }");
  CHECK(splits.train.size() == 10);
  CHECK(at::equal(splits.train.gather(at::tensor({6}, at::kLong)), at::arange(3, at::kDouble).view({1, 3})));
}

TEST_CASE("the program's own formats come first") {
  const test::Folder folder;
  CHECK_THAT(refusal(quoted(numbers(folder / "a.npy"))),
             ContainsSubstring("npy") && !ContainsSubstring("numbers ("));
}

TEST_CASE("what a reader gives is held against what it announced") {
  const test::Folder folder;
  std::ofstream(folder / "a.lies") << "anything";
  CHECK_THAT(
      refusal(quoted(folder / "a.lies")),
      ContainsSubstring("a.lies: reader liar (test.readers 1.0.0): expected rows 0 to 4 of 'x' as [5, 2] of "
                        "Float on the CPU, found [5, 3] of Float"));
  const fs::path cut = numbers(folder / "b.numbers");
  fs::resize_file(cut, fs::file_size(cut) - 1);
  CHECK_THAT(refusal(quoted(cut)),
             ContainsSubstring(
                 "b.numbers: reader numbers (test.readers 1.0.0): its size is not that of its header"));
}

TEST_CASE("values stay in a file whose reader says where they lie") {
  const test::Folder folder;
  const fs::path file = numbers(folder / "a.numbers", 9, 4);
  const data::Splits stored = load(quoted(file)), streamed = load(quoted(file), "stream = true");
  const at::Tensor all = at::arange(9, at::kLong);
  CHECK(streamed.train.is_in_place());
  CHECK(at::equal(streamed.train.gather(all), stored.train.gather(all)));
  CHECK(at::equal(streamed.train.labels(), stored.train.labels()));
  CHECK_THAT(refusal("{ x = { files = [" + quoted(file) + "], member = \"labels\" } }", "stream = true"),
             ContainsSubstring("found labels, which are counted and not stored"));
  std::ofstream(folder / "a.lies") << "anything";
  CHECK_THAT(
      refusal(quoted(folder / "a.lies"), "stream = true"),
      ContainsSubstring("a.lies: data.stream = true leaves the values in their file") &&
          ContainsSubstring("found a format whose reader liar (test.readers 1.0.0) does not say where") &&
          ContainsSubstring("the ability InPlace"));
  fs::resize_file(file, fs::file_size(file) - 1);
  CHECK_THAT(refusal(quoted(file), "stream = true"), ContainsSubstring("its size is not that of its header"));
}

TEST_CASE("a guessed description names the reader and the arrays") {
  const test::Folder folder;
  const auto readers = plugin_readers(registry());
  const std::string text = data::guess_description({numbers(folder / "a.numbers"), ""}, readers.get());
  CHECK_THAT(text, ContainsSubstring(
                       "x = { files = [\"a.numbers\"], member = \"x\", format = \"numbers\" }  # 6 x 3") &&
                       ContainsSubstring("labels = { files = [\"a.numbers\"], member = \"labels\""));
}

}  // namespace
}  // namespace variform::model
