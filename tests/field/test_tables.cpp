// Tables as people have them, made after public bug reports: what spreadsheets, pandas, R and MATLAB write. Each case
// gives the right value, or a sentence that says where, what, and what to do.

#include <ATen/ATen.h>

#include "catch.h"
#include "config/load.h"
#include "data/dataset.h"
#include "data/readers/csv.h"
#include "data/support.h"

namespace variform::data {
namespace {

using testing::TemporaryFolder;
using testing::values_of;
using testing::write;
using variform::testing::ContainsSubstring;
using Names = std::vector<std::string>;
using Doubles = std::vector<double>;

class Field {
 public:
  Table read(const std::string& text, const CsvOptions& options = {}) {
    return read_csv(write(folder_ / "t.csv", text), options);
  }
  Doubles numbers(const std::string& text, const CsvOptions& options = {}) {
    return values_of<double>(read(text, options).values);
  }
  std::string refusal(const std::string& text, const CsvOptions& options = {}) {
    try {
      read(text, options);
    } catch (const ReadError& error) {
      return error.what();
    }
    FAIL("expected an error, found none for\n" << text);
    return {};
  }
  // The data set that a description makes of t.csv.
  Splits load_as(const std::string& text, const std::string& description, const std::string& more = "") {
    write(folder_ / "t.csv", text);
    config::Diagnostics diagnostics;
    config::DataSpec spec;
    spec.dataset = config::parse(description, "d.toml", diagnostics);
    spec.scale = more.find("standardise") != std::string::npos ? "standardise" : spec.scale;
    if (const auto at = more.find("validation="); at != std::string::npos)
      spec.validation = std::stol(more.substr(at + 11));
    diagnostics.throw_if_any();
    return load(spec, {folder_.path()}, {}, 1, at::kCPU, at::kFloat);
  }
  std::string load_refusal(const std::string& text, const std::string& description) {
    try {
      load_as(text, description);
    } catch (const std::exception& error) {
      return error.what();
    }
    FAIL("expected an error, found none");
    return {};
  }

 private:
  TemporaryFolder folder_;
};

bool says(const std::vector<std::string>& notes, const std::string& what) {
  return std::any_of(notes.begin(), notes.end(),
                     [&](const auto& note) { return note.find(what) != std::string::npos; });
}

TEST_CASE("T1: the mark that spreadsheets put before UTF-8 is no part of the first cell") {
  Field field;
  CHECK(field.numbers("\xef\xbb\xbf"
                      "1,2\n3,4\n") == Doubles{1, 2, 3, 4});
  CHECK(field
            .read("\xef\xbb\xbf"
                  "label,a,b\n0,1,2\n")
            .columns == Names{"label", "a", "b"});
  CHECK_THAT(field.refusal(std::string("\xff\xfe"
                                       "1\0,\0"
                                       "2\0\n\0",
                                       10)),
             ContainsSubstring("UTF-16"));
  CHECK_THAT(field.refusal(std::string("1,2\n\0", 5)), ContainsSubstring("bytes of value 0"));
}

TEST_CASE("T2: what pandas writes is seen for what it is, or asked about") {
  Field field;
  const Table indexed = field.read(",0,1,2\n0,5,6,7\n1,8,9,10\n");
  CHECK(indexed.columns == Names{"0", "1", "2"});
  CHECK(values_of<double>(indexed.values) == Doubles{5, 6, 7, 8, 9, 10});
  CHECK(says(indexed.notes, "the first column has no name; it is taken for the rows' names and left out"));
  CHECK(field.numbers(",a,b\n0,5,6\n1,8,9\n") == Doubles{5, 6, 8, 9});
  const std::string numbered = "0,1,2\n5,6,7\n";
  CHECK_THAT(field.refusal(numbered),
             ContainsSubstring("t.csv, line 1: 0, 1, 2 are names of columns, as pandas writes them, or "
                               "values; write header = true or header = false"));
  CHECK(field.numbers(numbered, {.header = true}) == Doubles{5, 6, 7});
  CHECK(field.numbers(numbered, {.header = false}) == Doubles{0, 1, 2, 5, 6, 7});
  CHECK(field.numbers("id,x\n7,5\n8,6\n", {.index_column = "id"}) == Doubles{5, 6});
  CHECK_THAT(field.refusal("id,x\n7,5\n", {.index_column = "row"}),
             ContainsSubstring("expected the index_column \"row\", found id, x."));
}

TEST_CASE("T3: a header is all names or nothing, and a missing value is called one") {
  Field field;
  CHECK_THAT(field.refusal("NA,1\n2,3\n"),
             ContainsSubstring("line 1, column \"1\": \"NA\" stands where a value should"));
  for (const std::string word : {"", "NaN", "nan", "N/A", "#N/A", "NULL", "None", "?", "-"})
    CHECK_THAT(field.refusal("a,b\n1,2\n3," + word + "\n4,5\n"), ContainsSubstring("line 3, column \"b\": "));
  CHECK_THAT(field.refusal("id,2019,2020\n1,5,6\n2,7,8\n"), ContainsSubstring("are text and numbers"));
  CHECK(field.read("id,2019,2020\n1,5,6\n", {.header = true}).columns == Names{"id", "2019", "2020"});
  // A file of labels without a header must not lose its first row.
  CHECK_THAT(field.refusal("cat\ndog\ncat\n"), ContainsSubstring("names of columns or the first row's text"));
  CHECK(field.numbers("cat\ndog\ncat\n", {.header = false}) == Doubles{0, 1, 0});
}

TEST_CASE("T4: quotes, decimal commas, R's short header, line ends and trailing separators") {
  Field field;
  CHECK(field.read("\"Weight, kg\",Height\n1,2\n").columns == Names{"Weight, kg", "Height"});
  CHECK(field.read("\"say \"\"a\"\"\",b\n\"1\",2\n").columns == Names{"say \"a\"", "b"});
  const Table broken = field.read("\"two\nlines\",b\n1,2\n");
  CHECK(broken.columns == Names{"two\nlines", "b"});
  CHECK_THAT(field.refusal("a,b\n1,2\n\"3,4\n"),
             ContainsSubstring("line 3: a cell begins with a quote, and no quote ends"));
  const Table comma = field.read("a;b\n1,5;2,25\n-3;4e2\n");
  CHECK(values_of<double>(comma.values) == Doubles{1.5, 2.25, -3, 400});
  CHECK(says(comma.notes, "commas are taken for decimal commas"));
  CHECK(field.numbers("1,5;2,25\n3;4\n") == Doubles{1.5, 2.25, 3, 4});  // no header
  CHECK_THAT(field.refusal("a;b\n1,500;2\n"), ContainsSubstring("is a decimal comma or separates thousands"));
  CHECK(field.numbers("a;b\n1,500;2\n", {.decimal = ","}) == Doubles{1.5, 2});
  CHECK_THAT(field.refusal("a;b\n1,5;2.5\n"), ContainsSubstring("a number with a comma, and"));
  CHECK(field.numbers("a b\n\"r1\" 1 2\n\"r2\" 3 4\n") == Doubles{1, 2, 3, 4});
  CHECK(field.numbers("a,b\r1,2\r3,4\r") == Doubles{1, 2, 3, 4});
  CHECK(field.numbers("a,b\r\n1,2\r\n") == Doubles{1, 2});
  CHECK(field.numbers("a,b,\n1,2,\n3,4,\n") == Doubles{1, 2, 3, 4});
  CHECK(field.numbers("1,2,\n3,4,\n") == Doubles{1, 2, 3, 4});
  CHECK_THAT(field.refusal("1,2,\n3,4,5\n"),
             ContainsSubstring("line 1, column \"3\": nothing stands where a value"));
  CHECK_THAT(field.refusal("1,2,5\n3,4,\n"),
             ContainsSubstring("line 2, column \"3\": nothing stands where a value"));
  CHECK_THAT(field.refusal("1,2,\n3,4,\n5,6,7\n"),
             ContainsSubstring("line 3: expected nothing behind the last separator"));
  CHECK_THAT(field.refusal("a,b\n1,2\n3\n"),
             ContainsSubstring("line 3: expected 2 cells as in the line before, found 1"));
}

TEST_CASE("T5: text labels, a choice of columns, several factors") {
  Field field;
  const std::string iris =
      "length,width,species,size,colour\n5,3,setosa,0,1\n6,2,virginica,1,0\n4,1,setosa,2,1\n";
  const Splits labelled = field.load_as(
      iris,
      "x = { files = [\"t.csv\"], columns = [\"width\", \"length\"] }\nlabels = \"t.csv:species\"\n"
      "factors = { files = [\"t.csv\"], columns = [\"size\", \"colour\"] }");
  CHECK(
      labelled.train.gather(at::arange(3)).equal(at::tensor({3.f, 5.f, 2.f, 6.f, 1.f, 4.f}).reshape({3, 2})));
  CHECK(labelled.train.labels().equal(at::tensor({0, 1, 0}, at::kLong)));
  CHECK(labelled.train.class_names == Names{"setosa", "virginica"});
  CHECK(labelled.train.factors().sizes() == at::IntArrayRef{3, 2});
  CHECK_THAT(field.load_refusal(iris, "x = \"t.csv\""),
             ContainsSubstring("column \"species\" holds text (\"setosa\"), not values; use it as labels = "
                               "\"t.csv:species\""));
  CHECK(field.load_as(iris, "x = \"t.csv\"\nlabels = \"t.csv:species\"").train.shape() == Shape{4});
  CHECK_THAT(field.load_refusal(iris, "x = { files = [\"t.csv\"], columns = [\"hight\"] }"),
             ContainsSubstring("expected a column \"hight\", found length, width, species, size, colour"));
}

TEST_CASE("T6: a column that is constant up to rounding is left at 0, with a note") {
  Field field;
  std::string text = "a,b\n";
  for (int i = 0; i < 1000; ++i) text += "14.62," + std::to_string(i % 7) + "\n";
  const Splits splits = field.load_as(text, "x = \"t.csv\"", "standardise");
  const at::Tensor x = splits.train.gather(at::arange(1000));
  CHECK(x.select(1, 0).abs().max().item<double>() < 1e-5);
  CHECK(std::abs(x.select(1, 1).std().item<double>() - 1) < 1e-3);
  CHECK(says(splits.notes,
             "1 of 2 values that never vary in the training data; standardised they are 0: number 1 (14.62"));
}

TEST_CASE("T7: counts are whole numbers, and a refusal shows the digits that matter") {
  Field field;
  CHECK_THAT(field.load_refusal("a,b\n1,2\n3,1.5\n", "x = \"t.csv\"\ndomain = \"count\""),
             ContainsSubstring("expected whole numbers (domain \"count\"), found 1.5 in row 1 (from 0)"));
  CHECK_THAT(field.load_refusal("a,b\n0.5,1.0000000001\n", "x = \"t.csv\"\ndomain = \"unit interval\""),
             ContainsSubstring("found 1.0000000001."));
}

TEST_CASE("T8: a file sorted by label gets a note where its last rows are held out") {
  Field field;
  std::string sorted = "a,c\n", mixed = "a,c\n";
  for (int i = 0; i < 100; ++i) {
    sorted += std::to_string(i) + "," + std::to_string(i / 50) + "\n";
    mixed += std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  }
  const std::string description = "x = \"t.csv\"\nlabels = \"t.csv:c\"";
  CHECK(says(field.load_as(sorted, description, "validation=20").notes,
             "are all of class 1: the file is sorted. Write shuffle = 1"));
  CHECK_FALSE(says(field.load_as(mixed, description, "validation=20").notes, "sorted"));
  CHECK_FALSE(says(field.load_as(sorted, description + "\nshuffle = 1", "validation=20").notes, "sorted"));
}

}  // namespace
}  // namespace variform::data
