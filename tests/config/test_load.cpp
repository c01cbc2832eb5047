// Files, includes, overrides, merging, printing, positions.

#include "catch.h"

#include <cmath>
#include <limits>

#include "config/text.h"
#include "fake_catalog.h"

namespace variform::config::test {
namespace {

Node parse_good(const std::string& text) {
  Diagnostics diagnostics;
  Node node = parse(text, "a.toml", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  return node;
}

const Node& at(const Node& root, const std::vector<std::string>& path) {
  const Node* node = &root;
  for (const std::string& key : path) {
    node = node->find(key);
    if (!node) throw std::runtime_error("no key " + key);
  }
  return *node;
}

Node overridden(const std::string& text, const std::vector<std::string>& overrides) {
  Diagnostics diagnostics;
  Node root = parse(text, "a.toml", diagnostics);
  merge(root, parse_overrides(overrides, diagnostics));
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  return root;
}

std::string override_error(const std::string& text) {
  Diagnostics diagnostics;
  parse_overrides({text}, diagnostics);
  REQUIRE(diagnostics.size() == 1);
  return diagnostics.render();
}

}  // namespace

TEST_CASE("values keep type, order and position") {
  const Node root = parse_good("z = 1\na = 2.5\n[m]\n  t = \"x\"\n  b.c = true\ni = { k = [1, 2] }\n");
  REQUIRE(root.members().size() == 3);
  CHECK(root.members()[0].key == "z");
  CHECK(root.members()[1].key == "a");
  CHECK(*at(root, {"z"}).if_integer() == 1);
  CHECK(*at(root, {"a"}).if_number() == 2.5);
  CHECK(*at(root, {"m", "b", "c"}).if_flag());
  CHECK(to_string(at(root, {"m", "t"}).where()) == "a.toml:4:7");
  CHECK(to_string(at(root, {"m"}).member("t")->where) == "a.toml:4:3");
  CHECK(to_string(at(root, {"m", "i", "k"}).where()) == "a.toml:6:11");
  CHECK(to_string(at(root, {"m", "i", "k"}).if_array()->at(1).where()) == "a.toml:6:15");
  CHECK(at(root, {"m", "b", "c"}).where().line == 5);
}

TEST_CASE("equality ignores positions and order") {
  CHECK(parse_good("a = 1\nb = 2\n") == parse_good("\nb = 2\na = 1\n"));
  CHECK_FALSE(parse_good("a = 1\n") == parse_good("a = 1.0\n"));
  CHECK_FALSE(parse_good("a = 1\n") == parse_good("a = 1\nb = 1\n"));
  CHECK_FALSE(parse_good("a = [1]\n") == parse_good("a = [2]\n"));
}

TEST_CASE("what is no TOML is shown with its line and a caret") {
  Diagnostics diagnostics;
  parse("a = 1\nb = ]\n", "bad.toml", diagnostics);
  CHECK(diagnostics.incomplete());
  CHECK(diagnostics.render() ==
        "bad.toml:2:5: error: This is not TOML: while parsing key-value pair: expected value, saw ']'.\n"
        "  2 | b = ]\n"
        "    |     ^\n");
  CHECK(diagnostics.render(/*says_error=*/false) ==
        "bad.toml:2:5: This is not TOML: while parsing key-value pair: expected value, saw ']'.\n"
        "  2 | b = ]\n"
        "    |     ^\n");
}

TEST_CASE("carets stand right after tabs, wide characters and far out in long lines") {
  Diagnostics diagnostics;
  diagnostics.add_source("g", "\"数\" = 1\n");
  diagnostics.error({"g", 1, 7}, "Three.");
  CHECK_THAT(diagnostics.render(), testing::ContainsSubstring("  1 | \"数\" = 1\n    |        ^\n"));
  diagnostics.add_source("f", "\t\"ü\" = 1\n" + std::string(300, 'x') + "!" + std::string(300, 'y') + "\n");
  diagnostics.error({"f", 1, 8}, "One.");
  diagnostics.error({"f", 2, 301}, "Two.");
  const std::string out = diagnostics.render();
  CHECK_THAT(out, testing::ContainsSubstring("  1 |  \"ü\" = 1\n    |        ^\n"));
  const std::size_t shown = out.find("  2 | ");
  REQUIRE(shown != std::string::npos);
  const std::size_t line_end = out.find('\n', shown);
  const std::string line = out.substr(shown, line_end - shown);
  const std::string caret = out.substr(line_end + 1, out.find('\n', line_end + 1) - line_end - 1);
  CHECK(line.find('!') - std::string("…").size() + 1 == caret.find('^'));
  CHECK(line.size() < 130);
}

TEST_CASE("errors come in the order of files and lines, whatever found them first") {
  Diagnostics diagnostics;
  diagnostics.add_source("z.toml", "1\n2\n3\n");
  diagnostics.add_source("a.toml", "1\n");
  diagnostics.error({"a.toml", 1, 1}, "Fourth.");
  diagnostics.error({"z.toml", 3, 1}, "Third.");
  diagnostics.error({"z.toml", 2, 5}, "Second.");
  diagnostics.error({"z.toml", 2, 1}, "First.");
  diagnostics.error({"z.toml", 2, 1}, "First.");
  const std::string out = diagnostics.render();
  CHECK(diagnostics.size() == 4);
  CHECK(out.find("First.") < out.find("Second."));
  CHECK(out.find("Second.") < out.find("Third."));
  CHECK(out.find("Third.") < out.find("Fourth."));
}

TEST_CASE("brackets without a key are an error like any other") {
  Diagnostics diagnostics;
  parse("[=x]\n", "a.toml", diagnostics);
  CHECK_THAT(diagnostics.render(),
             testing::ContainsSubstring("a.toml:1:2: error: This is not TOML: while parsing key"));
}

TEST_CASE("dates are refused in files") {
  Diagnostics diagnostics;
  parse("a = 2024-01-01\n", "a.toml", diagnostics);
  CHECK_THAT(
      diagnostics.render(),
      testing::ContainsSubstring("a.toml:1:5: error: Dates and times have no use here, found 2024-01-01."));
}

TEST_CASE("tables merge, scalars and arrays replace") {
  Node base = parse_good("a = 1\nlist = [1, 2]\n[t]\nx = 1\ny = 2\n[t.u]\nk = 1\n");
  merge(base, parse_good("list = [3]\n[t]\ny = 5\nz = 6\n[t.u]\nl = 2\n"));
  CHECK(base == parse_good("a = 1\nlist = [3]\n[t]\nx = 1\ny = 5\nz = 6\n[t.u]\nk = 1\nl = 2\n"));
}

TEST_CASE("another type drops the former component's parameters, the same type keeps them") {
  const std::string text =
      "[model]\nencoder = { type = \"mlp\", hidden = [3], plugin = \"p\", frozen = true }\n";
  Node base = parse_good(text);
  merge(base, parse_good("[model]\nencoder = { type = \"conv\", frozen = false }\n"));
  CHECK(base == parse_good("[model]\nencoder = { type = \"conv\", frozen = false }\n"));
  base = parse_good(text);
  merge(base, parse_good("[model]\nencoder = { type = \"mlp\", hidden = [4] }\n"));
  CHECK(at(base, {"model", "encoder"}).members().size() == 4);
  CHECK(*at(base, {"model", "encoder", "hidden"}).if_array()->at(0).if_integer() == 4);
  CHECK(overridden(text, {"model.encoder.type=conv"}) == parse_good("model.encoder.type = \"conv\"\n"));
}

TEST_CASE("what an overridden type drops is noted where the new component has it with another value") {
  const Folder folder;
  const std::string file =
      folder.write("a.toml",
                   "[objective]\ntype = \"beta-vae\"\nbeta = 0.1\nsamples = 4\nkept = 1\n"
                   "[train]\noptimizer = { type = \"adam\", lr = 1e-2 }\n");
  const auto dropped_by = [&](const std::vector<std::string>& overrides) {
    Diagnostics diagnostics;
    std::vector<Dropped> dropped;
    load({file}, overrides, diagnostics, dropped);
    CHECK(diagnostics.empty());
    return dropped;
  };
  const std::vector<Dropped> dropped = dropped_by({"objective.type=grae", "train.optimizer.type=sgd"});
  REQUIRE(dropped.size() == 4);
  const Node resolved = parse_good("objective = { beta = 1.0, kept = 1 }\ntrain.optimizer.lr = 1e-3\n");
  CHECK(notes_of(dropped, resolved) ==
        std::vector<std::string>{"objective.beta = 0.1 (" + file +
                                     ":3) belonged to objective 'beta-vae' and was dropped; it is now 1.0. "
                                     "Give it again if you want it.",
                                 "train.optimizer.lr = 0.01 (" + file +
                                     ":7) belonged to optimizer 'adam' and was dropped; it is now 0.001. "
                                     "Give it again if you want it."});
  CHECK(dropped_by({"objective.type=grae", "objective.beta=2", "objective.samples=1", "objective.kept=2"})
            .empty());
  CHECK(dropped_by({"objective.type=beta-vae", "objective.beta=2", "train.batch=3"}).empty());
}

TEST_CASE("a slot taken from a run has no former type left, and the other way round") {
  const std::string typed = "[model]\nencoder = { type = \"mlp\", hidden = [3] }\n";
  const std::string taken = "[model]\nencoder = { from = \"runs/a\", frozen = true }\n";
  Node base = parse_good(typed);
  merge(base, parse_good(taken));
  CHECK(base == parse_good(taken));
  merge(base, parse_good("model.encoder.from = \"runs/b\"\n"));
  CHECK(base == parse_good("[model]\nencoder = { from = \"runs/b\", frozen = true }\n"));
  merge(base, parse_good(typed));
  CHECK(base == parse_good(typed));
  // A data set's `from` is one key among others.
  Node data = parse_good("data.dataset = { type = \"model\", from = \"a\", size = 3 }\n");
  merge(data, parse_good("data.dataset.from = \"b\"\n"));
  CHECK(data == parse_good("data.dataset = { type = \"model\", from = \"b\", size = 3 }\n"));
}

TEST_CASE("a data set of files and one drawn from a model replace each other") {
  const std::string files = "[data.dataset]\nname = \"a\"\n[data.dataset.splits.train]\nx = \"a.npy\"\n";
  const std::string drawn = "data.dataset = { type = \"model\", from = \"a\", size = 3 }\n";
  const std::string single = "data.dataset = { x = \"b.npy\" }\n";
  Node base = parse_good(files);
  for (const std::string& text : {drawn, files, single, drawn, single, files}) {
    merge(base, parse_good(text));
    CHECK(base == parse_good(text));
  }
  merge(base, parse_good("data.dataset.splits.train.count = 5\n"));
  CHECK(base == parse_good(files + "count = 5\n"));
}

TEST_CASE("another schedule replaces the former one, parts of the same one merge") {
  Node base = parse_good("lr = { schedule = \"steps\", values = [1, 2], at = [5] }\n");
  const Node linear = parse_good("lr = { schedule = \"linear\", from = 0, to = 1 }\n");
  merge(base, linear);
  CHECK(base == linear);
  merge(base, parse_good("lr.to = 3\n"));
  CHECK(base == parse_good("lr = { schedule = \"linear\", from = 0, to = 3 }\n"));
}

TEST_CASE("a type given on the command line does not drop what is given with it, in any order") {
  const std::string text = "[objective]\ntype = \"a\"\nold = 1\n";
  const Node wanted = parse_good("[objective]\ntype = \"b\"\nnew = 2\n");
  CHECK(overridden(text, {"objective.type=b", "objective.new=2"}) == wanted);
  CHECK(overridden(text, {"objective.new=2", "objective.type=b"}) == wanted);
}

TEST_CASE("override values are TOML, else text") {
  const Node root = overridden(
      "", {"a.b=64", "a.c=1e-3", "d=true", "e=[1, 2]", "f={ x = 1 }", "g=fashion-mnist", "h=\"quoted\"",
           "i=runs/x-1 2", "j = 3", "k=2024-01-01", "l=True", "\"m=n\".o=1", "p=back\\slash", "b=1", "b=2"});
  CHECK(*at(root, {"a", "b"}).if_integer() == 64);
  CHECK(*at(root, {"a", "c"}).if_number() == 1e-3);
  CHECK(*at(root, {"d"}).if_flag());
  CHECK(at(root, {"e"}).if_array()->size() == 2);
  CHECK(*at(root, {"f", "x"}).if_integer() == 1);
  CHECK(*at(root, {"g"}).if_text() == "fashion-mnist");
  CHECK(*at(root, {"h"}).if_text() == "quoted");
  CHECK(*at(root, {"i"}).if_text() == "runs/x-1 2");
  CHECK(*at(root, {"j"}).if_integer() == 3);
  CHECK(*at(root, {"k"}).if_text() == "2024-01-01");
  CHECK(*at(root, {"l"}).if_text() == "True");
  CHECK(*at(root, {"m=n", "o"}).if_integer() == 1);
  CHECK(*at(root, {"p"}).if_text() == "back\\slash");
  CHECK(*at(root, {"b"}).if_integer() == 2);
  CHECK(to_string(at(root, {"a", "b"}).where()) == "command line");
}

TEST_CASE("malformed overrides") {
  CHECK(override_error("train.batch") ==
        "command line: error: Override \"train.batch\" has no \"=\".\n"
        "   | train.batch\n   | ^\n"
        "  hint: expected a.b=VALUE, such as train.batch=64\n");
  CHECK_THAT(override_error("=3"), testing::ContainsSubstring("has no valid key."));
  CHECK_THAT(override_error("#a=3"), testing::ContainsSubstring("has no valid key."));
  CHECK_THAT(override_error("a b=3"), testing::ContainsSubstring("has no valid key."));
  CHECK_THAT(override_error("a= "), testing::ContainsSubstring("has no value."));
  CHECK_THAT(override_error("a=1\nb=2"), testing::ContainsSubstring("has more than one line."));
  CHECK_THAT(override_error("a=[1, "), testing::ContainsSubstring("This is not TOML"));
  CHECK_THAT(override_error("a=\xff\xfe"), testing::ContainsSubstring("This is not TOML"));
}

TEST_CASE("includes are relative to their file, depth first, later wins") {
  const Folder folder;
  folder.write("parts/deep/net.toml", "order = \"net\"\n[model]\nlatent = 1\nname = \"net\"\n");
  folder.write("parts/model.toml", "include = [\"deep/net.toml\"]\norder = \"model\"\n[model]\nlatent = 2\n");
  folder.write("parts/train.toml", "order = \"train\"\n[train]\nbatch = 3\n");
  const std::string main = folder.write(
      "exp.toml", "include = [\"parts/model.toml\", \"parts/train.toml\"]\n[model]\nlatent = 9\n");
  const std::string more =
      folder.write("more.toml", "include = \"parts/deep/net.toml\"\n[train]\nbatch = 4\n");
  Diagnostics diagnostics;
  const Node one = load({main}, {}, diagnostics);
  CHECK(*at(one, {"order"}).if_text() == "train");
  CHECK(*at(one, {"model", "latent"}).if_integer() == 9);
  CHECK(*at(one, {"model", "name"}).if_text() == "net");
  CHECK(at(one, {"model", "name"}).where().file == folder.path("parts/deep/net.toml"));
  CHECK(one.find("include") == nullptr);
  const Node two = load({main, more}, {"train.batch=5"}, diagnostics);
  INFO(diagnostics.render());
  CHECK(diagnostics.empty());
  CHECK(*at(two, {"model", "latent"}).if_integer() == 1);
  CHECK(*at(two, {"train", "batch"}).if_integer() == 5);
}

TEST_CASE("circles of includes, absent files and foreign values in include are reported") {
  const Folder folder;
  const std::string a = folder.write("a.toml", "include = [\"b.toml\"]\n");
  const std::string b = folder.write("b.toml", "x = 1\ninclude = [\"a.toml\"]\n");
  Diagnostics circle;
  load({a}, {}, circle);
  REQUIRE(circle.size() == 1);
  CHECK(circle.entries()[0].message ==
        "Files include each other in a circle: \"" + a + "\" includes \"" + b + "\" includes \"" + a + "\".");
  CHECK(to_string(circle.entries()[0].where) == b + ":2:12");
  const std::string c = folder.write("c.toml", "include = [\n  \"gone.toml\",\n  7]\n");
  Diagnostics absent;
  load({c, folder.path("none.toml"), folder.path()}, {"include=x.toml"}, absent);
  const std::string out = absent.render();
  CHECK_THAT(out, testing::ContainsSubstring(c + ":2:3: error: Cannot read \"" + folder.path("gone.toml") +
                                             "\": expected a file, found none."));
  CHECK_THAT(
      out, testing::ContainsSubstring(c + ":3:3: error: include must be a list of files, found integer 7."));
  CHECK_THAT(out, testing::ContainsSubstring("none.toml: error: Cannot read"));
  CHECK_THAT(out, testing::ContainsSubstring("expected a file, found a folder."));
  CHECK_THAT(out, testing::ContainsSubstring("command line: error: include has its place in files."));
  CHECK(absent.size() == 5);
  Diagnostics endless;
  load({folder.write("d.toml", "include = [\"/dev/zero\"]\n")}, {}, endless);
  CHECK_THAT(endless.render(),
             testing::ContainsSubstring(
                 "Cannot read \"/dev/zero\": expected a file, found something that is not a regular file."));
  Diagnostics named;
  load({"/dev/zero"}, {}, named);
  CHECK_THAT(named.render(),
             testing::ContainsSubstring("found more than the 67108864 bytes that such a file"));
  Diagnostics empty;  // as of a pipe
  load({"/dev/null"}, {}, empty);
  CHECK(empty.empty());
}

TEST_CASE("includes that multiply come to an end") {
  const Folder folder;
  for (int i = 0; i < 30; ++i) {
    const std::string next = "\"" + std::to_string(i + 1) + ".toml\"";
    folder.write(std::to_string(i) + ".toml", "include = [" + next + ", " + next + "]\n");
  }
  folder.write("30.toml", "x = 1\n");
  Diagnostics diagnostics;
  load({folder.path("0.toml")}, {}, diagnostics);
  REQUIRE(diagnostics.size() == 1);
  CHECK_THAT(diagnostics.render(), testing::ContainsSubstring("More than 200 files are included."));
}

TEST_CASE("values nested too deep are refused") {
  std::string key = "a";
  for (int i = 0; i < 200; ++i) key += ".a";
  Diagnostics diagnostics;
  parse(key + " = 1\n", "a.toml", diagnostics);
  CHECK_THAT(diagnostics.render(), testing::ContainsSubstring("Values are nested more than 64 deep."));
}

TEST_CASE("printed TOML reads back equal") {
  Node root = parse_good(
      "z = 1\nt = \"a\\\"b\\\\c\\n\\t\\u0001\\u007f ü 🙂\"\n\"odd key.\" = { \"\" = 1 }\nempty = {}\n"
      "mixed = [1, 2.0, \"x\", [true], { k = { l = 2 } }]\nnothing = []\n[m.n]\nx = 1e-5\ny = inf\nw = -0.0\n"
      "s = { schedule = \"linear\", from = 0, to = 1.0 }\n[m]\nlatent = 3\n[[arr]]\nk = 1\n[[arr]]\nk = 2\n");
  root.set("tiny", Node(std::numeric_limits<double>::denorm_min()));
  root.set("third", Node(1.0 / 3));
  root.set("huge", Node(1e300));
  root.set("least", Node(std::numeric_limits<std::int64_t>::min()));
  for (const bool origin : {false, true}) {
    const std::string text = print(root, origin);
    INFO(text);
    const Node again = parse_good(text);
    CHECK(again == root);
    CHECK(print(again) == print(root));
  }
}

TEST_CASE("the printed form and origins") {
  const Node root =
      overridden("name = \"x\"\n[train]\nbatch = 1\nlr = { schedule = \"cosine\", from = 1, to = 0 }\n",
                 {"train.batch=64"});
  CHECK(print(root) ==
        "name = \"x\"\n\n[train]\nbatch = 64\nlr = { schedule = \"cosine\", from = 1, to = 0 }\n");
  Node with_default = root;
  with_default.set("seed", Node(1));
  CHECK(print(with_default, true) ==
        "name = \"x\"  # a.toml:1\nseed = 1  # default\n\n[train]\nbatch = 64  # command line\n"
        "lr = { schedule = \"cosine\", from = 1, to = 0 }  # a.toml:4\n");
}

TEST_CASE("near matches") {
  const std::vector<std::string> names{"diagonal", "full", "optimal", "low-rank", "hidden"};
  CHECK(near_match("diagnal", names) == "diagonal");
  CHECK(near_match("Diagonal", names) == "diagonal");
  CHECK(near_match("low_rank", names) == "low-rank");
  CHECK(near_match("diag", names) == "diagonal");
  CHECK(near_match("fulll", names) == "full");
  CHECK(near_match("hidedn", names) == "hidden");
  CHECK(near_match("bernoulli", names).empty());
  CHECK(near_match("xx", names).empty());
  CHECK(near_match("", names).empty());
  CHECK(near_match("x", {"y"}).empty());
  CHECK(did_you_mean("diagnal", names) == "did you mean \"diagonal\"?");
}

TEST_CASE("numbers as text keep their value and their type") {
  CHECK(format_number(1) == "1.0");
  CHECK(format_number(1e-5) == "1e-05");
  CHECK(format_number(-0.0) == "-0.0");
  CHECK(format_plain(128) == "128");
  CHECK(std::isnan(*parse_good("a = " + format_number(std::nan("")) + "\n").find("a")->if_number()));
}

}  // namespace variform::config::test
