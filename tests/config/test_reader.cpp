// Typed reading: types, ranges, defaults, the text of each error; and schedules.

#include "catch.h"

#include <cmath>

#include "base/quote.h"
#include "config/schedule.h"
#include "fake_catalog.h"

namespace variform::config::test {
namespace {

/// One table "t" and what reading it reports.
struct Fixture {
  explicit Fixture(const std::string& text)
      : root(parse(text, "d.toml", diagnostics)), reader(root, diagnostics, "t") {}
  std::string only() const {
    if (diagnostics.size() != 1) return diagnostics.render();
    const auto& entry = diagnostics.entries()[0];
    return to_string(entry.where) + ": " + entry.message + (entry.hint.empty() ? "" : " | " + entry.hint);
  }
  Diagnostics diagnostics;
  Node root;
  Reader reader;
};

template <class Read>
std::string error_of(const std::string& text, Read read) {
  Fixture f(text);
  read(f.reader);
  return f.only();
}

Schedule schedule_of(const std::string& text) {
  Fixture f("s = " + text + "\n");
  const Schedule schedule = read_schedule(f.reader, "s", {.fallback = 7.0});
  INFO(f.diagnostics.render());
  REQUIRE(f.diagnostics.empty());
  return schedule;
}

std::string schedule_error(const std::string& text, const NumberRule& rule = {}) {
  return error_of("s = " + text + "\n", [&](Reader& r) { read_schedule(r, "s", rule); });
}

}  // namespace

TEST_CASE("getters give values, defaults, and write both down") {
  Fixture f("a = 2\nb = 0.5\nc = 1e3\nd = \"x\"\ne = true\nf = [1, 2.5]\ng = [1, 2e1]\nh = [\"p\"]\n");
  CHECK(f.reader.number("a") == 2.0);
  CHECK(f.reader.number("b", {.low = 0, .high = 1}) == 0.5);
  CHECK(f.reader.integer("c") == 1000);
  CHECK(f.reader.text("d", {.choices = {"x", "y"}}) == "x");
  CHECK(f.reader.flag("e"));
  CHECK(f.reader.numbers("f") == std::vector<double>{1, 2.5});
  CHECK(f.reader.integers("g") == std::vector<std::int64_t>{1, 20});
  CHECK(f.reader.texts("h") == std::vector<std::string>{"p"});
  CHECK(f.reader.number("z", {.fallback = 3}) == 3);
  CHECK(f.reader.integers("y", {.fallback = std::vector<std::int64_t>{4}}) == std::vector<std::int64_t>{4});
  f.reader.finish();
  CHECK(f.diagnostics.empty());
  const std::string resolved = print(f.reader.resolved(), true);
  CHECK_THAT(resolved, testing::ContainsSubstring("a = 2.0  # d.toml:1\n"));
  CHECK_THAT(resolved, testing::ContainsSubstring("c = 1000  # d.toml:3\n"));
  CHECK_THAT(resolved, testing::ContainsSubstring("z = 3.0  # default\ny = [4]  # default\n"));
}

TEST_CASE("wrong types say what was expected and what was found") {
  CHECK(error_of("a = \"x\"\n", [](Reader& r) { r.number("a"); }) ==
        "d.toml:1:5: t.a must be a number, found text \"x\".");
  CHECK(error_of("a = \"1e-3\"\n", [](Reader& r) { r.number("a"); }) ==
        "d.toml:1:5: t.a must be a number, found text \"1e-3\". | write it without quotes");
  CHECK(error_of("a = 2.5\n", [](Reader& r) { r.integer("a"); }) ==
        "d.toml:1:5: t.a must be an integer, found number 2.5.");
  CHECK(error_of("a = 1e300\n", [](Reader& r) { r.integer("a"); }) ==
        "d.toml:1:5: t.a must be an integer, found number 1e+300.");
  CHECK(error_of("a = 5\n", [](Reader& r) { r.text("a"); }) ==
        "d.toml:1:5: t.a must be text, found integer 5. | write it in quotes");
  CHECK(error_of("a = \"true\"\n", [](Reader& r) { r.flag("a"); }) ==
        "d.toml:1:5: t.a must be true or false, found text \"true\". | write it without quotes");
  CHECK(error_of("a = 5\n", [](Reader& r) { r.integers("a"); }) ==
        "d.toml:1:5: t.a must be a list of integers, found integer 5. | write it in brackets: a = [ … ]");
  CHECK(error_of("a = [1, true]\n", [](Reader& r) { r.numbers("a"); }) ==
        "d.toml:1:9: t.a[1] must be a number, found true.");
  CHECK(error_of("a = { b = 1 }\n", [](Reader& r) { r.number("a"); }) ==
        "d.toml:1:5: t.a must be a number, found a table.");
  CHECK(error_of("a = [1, 2]\n", [](Reader& r) { r.table("a"); }) ==
        "d.toml:1:5: t.a must be a table, found an array of 2.");
  CHECK(error_of("a = 1\n", [](Reader& r) { r.array("a"); }) ==
        "d.toml:1:5: t.a must be an array, found integer 1.");
  CHECK(error_of("a = nan\n", [](Reader& r) { r.number("a"); }) ==
        "d.toml:1:5: t.a must be a finite number, found nan.");
}

TEST_CASE("ranges say value, range and unit") {
  const auto number = [](const NumberRule& rule) {
    return error_of("a = -1\n", [&](Reader& r) { r.number("a", rule); });
  };
  CHECK(number({.low = 0, .unit = "nats"}) == "d.toml:1:5: t.a must be at least 0 nats, found -1.");
  CHECK(number({.low = 0, .high = 1}) == "d.toml:1:5: t.a must be between 0 and 1, found -1.");
  CHECK(number({.low = -1, .excludes_low = true}) == "d.toml:1:5: t.a must be greater than -1, found -1.");
  CHECK(number({.low = 0, .high = 1, .excludes_high = true, .unit = "s"}) ==
        "d.toml:1:5: t.a must be at least 0 and less than 1 s, found -1.");
  CHECK(number({.high = -2}) == "d.toml:1:5: t.a must be at most -2, found -1.");
  CHECK(error_of("a = 7\n", [](Reader& r) { r.integer("a", {.low = 1, .high = 5, .unit = "steps"}); }) ==
        "d.toml:1:5: t.a must be between 1 and 5 steps, found 7.");
  CHECK(error_of("a = [3, 0]\n", [](Reader& r) { r.integers("a", {.low = 1}); }) ==
        "d.toml:1:9: t.a[1] must be at least 1, found 0.");
  CHECK(error_of("a = []\n", [](Reader& r) { r.integers("a", {.least = 1}); }) ==
        "d.toml:1:5: t.a must have at least 1 element, found 0.");
  CHECK(
      error_of("a = \"gray\"\n", [](Reader& r) {
        r.text("a", {.choices = {"grey", "colour"}});
      }) == "d.toml:1:5: t.a must be one of \"grey\", \"colour\", found \"gray\". | did you mean \"grey\"?");
}

TEST_CASE("bounds themselves are inside, unless excluded") {
  Fixture f("a = 1\nb = 0\n");
  CHECK(f.reader.number("a", {.low = 0, .high = 1}) == 1);
  CHECK(f.reader.integer("b", {.low = 0, .high = 1}) == 0);
  CHECK(f.diagnostics.empty());
  f.reader.number("a", {.low = 0, .high = 1, .excludes_high = true});
  f.reader.number("b", {.low = 0, .high = 1, .excludes_low = true});
  CHECK(f.diagnostics.size() == 2);
}

TEST_CASE("unknown keys come with a near match, or with what is known") {
  const auto read = [](Reader& r) {
    r.integer("batch", {.fallback = 1});
    r.flag("shuffle", {.fallback = true});
    r.finish();
  };
  CHECK(error_of("bacth = 1\n", read) ==
        "d.toml:1:1: Unknown key \"bacth\" in [t]. | did you mean \"batch\"?");
  CHECK(error_of("zebra = 1\n", read) ==
        "d.toml:1:1: Unknown key \"zebra\" in [t]. | known here: batch, shuffle");
  Fixture root("x = 1\n");
  root.reader.finish("the descriptor");
  CHECK(root.only() == "d.toml:1:1: Unknown key \"x\" in the descriptor. | no key is expected here");
}

TEST_CASE("missing keys, own errors, inner tables") {
  CHECK(error_of("", [](Reader& r) { r.number("beta"); }) == "d.toml: t.beta is missing.");
  CHECK(error_of("a = 3\n", [](Reader& r) { r.error("a", "@ is odd.", "even"); }) ==
        "d.toml:1:5: t.a is odd. | even");
  CHECK(error_of("[u]\n\"v w\" = 1\n", [](Reader& r) {
          Reader u = r.table("u");
          u.text("v w");
        }) == "d.toml:2:9: t.u.\"v w\" must be text, found integer 1. | write it in quotes");
  CHECK(error_of("[u]\nx = 1\n", [](Reader& r) {
          Reader u = r.table("u");
          u.number("y");
          u.number("x");
        }) == "d.toml:1:1: t.u.y is missing.");
  Fixture absent("");
  Reader u = absent.reader.table("u");
  CHECK(u.number("x", {.fallback = 2}) == 2);
  CHECK(absent.diagnostics.empty());
}

TEST_CASE("errors do not stop the reading, and each is reported once") {
  Fixture f("a = \"x\"\nb = -1\n");
  CHECK(f.reader.number("a", {.fallback = 4}) == 4);
  CHECK(f.reader.integer("b", {.fallback = 2, .low = 0}) == 2);
  CHECK(f.reader.number("a", {.fallback = 4}) == 4);
  CHECK(f.diagnostics.size() == 2);
  CHECK_THROWS_AS(f.diagnostics.throw_if_any(), Error);
  CHECK_THROWS_WITH(f.diagnostics.throw_if_any(),
                    testing::ContainsSubstring("d.toml:2:5") && testing::EndsWith("2 errors.\n"));
}

TEST_CASE("schedules take their values where they should") {
  CHECK(schedule_of("0.25").at(1000, 10) == 0.25);
  CHECK(schedule_of("3").is_constant());
  CHECK(schedule_of("{ schedule = \"constant\", value = 2 }").final(5) == 2);

  const Schedule linear =
      schedule_of("{ schedule = \"linear\", from = 1.0, to = 3.0, steps = 10, delay = 5 }");
  CHECK(linear.at(0, 100) == 1);
  CHECK(linear.at(5, 100) == 1);
  CHECK(linear.at(10, 100) == testing::Approx(2));
  CHECK(linear.at(15, 100) == 3);
  CHECK(linear.final(100) == 3);
  CHECK(linear.final(10) == testing::Approx(2));  // the training ends before it does

  const Schedule whole = schedule_of("{ schedule = \"linear\", from = 0, to = 1, delay = 20 }");
  CHECK(whole.at(60, 100) == testing::Approx(0.5));
  CHECK(whole.final(100) == 1);
  CHECK(whole.at(3, 0) == 0);  // a horizon shorter than the delay
  CHECK(whole.at(0, 0) == 0);

  const Schedule cosine = schedule_of("{ schedule = \"cosine\", from = 1.0, to = 0.0, steps = 8 }");
  CHECK(cosine.at(0, 8) == testing::Approx(1));
  CHECK(cosine.at(2, 8) == testing::Approx(0.5 * (1 + std::cos(std::acos(-1.0) / 4))));
  CHECK(cosine.at(8, 8) == 0);

  const Schedule exponential =
      schedule_of("{ schedule = \"exponential\", from = 1.0, to = 1e-4, steps = 4 }");
  CHECK(exponential.at(1, 4) == testing::Approx(0.1));
  CHECK(exponential.at(4, 4) == 1e-4);

  const Schedule cyclical =
      schedule_of("{ schedule = \"cyclical\", from = 0.0, to = 1.0, steps = 100, cycles = 2, ramp = 0.5 }");
  CHECK(cyclical.at(0, 100) == 0);
  CHECK(cyclical.at(10, 100) == testing::Approx(0.4));
  CHECK(cyclical.at(30, 100) == 1);
  CHECK(cyclical.at(50, 100) == 0);
  CHECK(cyclical.at(60, 100) == testing::Approx(0.4));
  CHECK(cyclical.at(500, 500) == 1);

  const Schedule steps = schedule_of("{ schedule = \"steps\", values = [1.0, 0.1, 0.01], at = [10, 20] }");
  CHECK(steps.at(9, 99) == 1);
  CHECK(steps.at(10, 99) == 0.1);
  CHECK(steps.at(20, 99) == 0.01);
  CHECK(steps.final(15) == 0.1);
}

TEST_CASE("mistakes in schedules") {
  CHECK(schedule_error("\"linear\"") ==
        "d.toml:1:5: t.s must be a number or a schedule, found text \"linear\". | a schedule is written { "
        "schedule = \"linear\", from = 0.0, to = 1.0, steps = 1000 }");
  CHECK(schedule_error("{ schedule = \"linaer\", from = 0 }") ==
        "d.toml:1:18: t.s.schedule must be one of \"constant\", \"linear\", \"cosine\", \"exponential\", "
        "\"cyclical\", \"steps\", found \"linaer\". | did you mean \"linear\"?");
  CHECK(schedule_error("{ schedule = \"linear\", from = -1.0, to = 1, steps = 5 }",
                       {.low = 0, .unit = "nats"}) ==
        "d.toml:1:35: t.s.from must be at least 0 nats, found -1.");
  CHECK(schedule_error("{ schedule = \"linear\", from = 1.0 }") == "d.toml:1:5: t.s.to is missing.");
  CHECK(schedule_error("{ schedule = \"linear\", from = 1.0, to = 2, cycles = 2 }") ==
        "d.toml:1:48: Unknown key \"cycles\" in the schedule \"linear\" of t.s. | known here: delay, from, "
        "schedule, steps, to");
  CHECK(schedule_error("{ schedule = \"exponential\", from = 0.0, to = 2.0 }") ==
        "d.toml:1:18: t.s.schedule \"exponential\" needs from and to other than 0 and of one sign, found 0 "
        "and 2.");
  CHECK(schedule_error("{ schedule = \"steps\", values = [1, 2], at = [5, 6] }") ==
        "d.toml:1:49: t.s.at needs one element fewer than values (2), found 2.");
  CHECK(schedule_error("{ schedule = \"steps\", values = [1, 2, 3], at = [6, 6] }") ==
        "d.toml:1:52: t.s.at must rise from element to element.");
  CHECK(schedule_error("{ from = 1 }") == "d.toml:1:5: t.s.schedule is missing.");
}

}  // namespace variform::config::test
