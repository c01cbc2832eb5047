// write_report(): from the results of a study's runs to the files of its report, without a process.

#include <algorithm>
#include <string>
#include <vector>

#include "base/file.h"
#include "fake_study.h"
#include "study/report.h"

namespace variform::study {
namespace {

using testing::ContainsSubstring;

const std::vector<std::string> kAxes{"model.family.type", "seed"};

// A study of two families and two seeds, whose file asks for what `toml` says.
struct Reported {
  explicit Reported(const std::string& toml) {
    double elbo = 100;
    for (const char* family : {"diagonal", "full"})
      for (const char* seed : {"1", "2"})
        fake.add({{"model.family.type", family}, {"seed", seed}},
                 {{"values", values_of({{"elbo", elbo++}})}});
    fake.read();
    config::Diagnostics diagnostics;
    const config::Node root = config::parse("[study]\n" + toml, "study.toml", diagnostics);
    const config::Node& section = *root.find("study");
    study.plan.name = "study";
    study.text = config::print(section);
    study.arguments = "a study.toml";
    if (const config::Node* found = section.find("tables"))
      study.tables = read_tables(*found, kAxes, diagnostics);
    if (const config::Node* found = section.find("figures"))
      study.figures = read_figures(*found, kAxes, diagnostics);
    CHECK(diagnostics.render() == "");
    host.print = [this](const std::string& text) { printed.push_back(text); };
  }
  std::vector<std::string> write() {
    StudyOptions options;
    options.studies = fake.folder().path();
    options.runs = fake.folder() / "runs";
    return write_report(study, options, host);
  }
  std::string file(const std::string& name) const { return content(fake.folder() / "study" / name); }
  bool has(const std::string& name) const { return std::filesystem::exists(fake.folder() / "study" / name); }

  FakeStudy fake;
  StudyFile study;
  base::SilentLog log;
  ReportHost host{.log = log};
  std::vector<std::string> printed;
};

constexpr const char* kTable =
    "[[study.tables]]\nname = \"t\"\ncaption = \"What it costs\"\nrows = [\"model.family.type\"]\nmetrics = [\"elbo\"]\n";

TEST_CASE("a report writes the numbers, the tables with their captions, and the page") {
  Reported report(kTable);
  CHECK(report.write().empty());
  CHECK_THAT(report.file("results.csv"), ContainsSubstring("diagonal") && ContainsSubstring("102"));
  CHECK_THAT(report.file("tables/t.md"),
             ContainsSubstring("100.5") && ContainsSubstring("102.5"));  // means of two seeds
  CHECK_THAT(report.file("tables/t.csv"), ContainsSubstring("100.5"));
  CHECK_THAT(report.file("tables/t.tex"), ContainsSubstring("tabular"));
  CHECK_THAT(report.file("tables/t.txt"), ContainsSubstring("What it costs"));
  CHECK_THAT(report.file("report.html"), ContainsSubstring("What it costs") && ContainsSubstring("102.5") &&
                                             ContainsSubstring("variform study a study.toml") &&
                                             !ContainsSubstring("What is missing"));
  CHECK_THAT(report.file("study.toml"), ContainsSubstring("What it costs"));
  const auto is_printed = [&](const std::string& part) {
    return std::any_of(report.printed.begin(), report.printed.end(),
                       [&](const std::string& text) { return text.find(part) != text.npos; });
  };
  CHECK(is_printed("results.csv"));
  CHECK(is_printed("102.5"));
  CHECK(is_printed("report.html"));
}

TEST_CASE("what cannot be made is a sentence, on the page too, and stops nothing else") {
  Reported report("[[study.tables]]\nname = \"none\"\nrows = [\"model.family.type\"]\nmetrics = [\"kl\"]\n" +
                  std::string(kTable));
  const std::vector<std::string> problems = report.write();
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], ContainsSubstring("none") && ContainsSubstring("kl"));
  CHECK_FALSE(report.has("tables/none.md"));
  CHECK(report.has("tables/t.md"));
  CHECK_THAT(report.file("report.html"), ContainsSubstring("What is missing"));
}

TEST_CASE("an interrupted report keeps what it made, and the former page") {
  Reported report(std::string(kTable) +
                  "[[study.tables]]\nname = \"u\"\nrows = [\"seed\"]\nmetrics = [\"elbo\"]\n");
  std::int64_t begun = 0;
  report.host.progress = [&](std::int64_t, std::int64_t all) {
    CHECK(all == 2);
    ++begun;
  };
  report.host.interrupted = [&] { return begun == 1; };  // after the first table has begun
  base::write_text_file(report.fake.folder() / "study" / "report.html", "the former one");
  const std::vector<std::string> problems = report.write();
  REQUIRE(problems.size() == 1);
  CHECK(problems[0] == "interrupted: 1 of 2 tables and figures were made; report.html is the former one.");
  CHECK(report.has("tables/t.md"));
  CHECK_FALSE(report.has("tables/u.md"));
  CHECK(report.file("report.html") == "the former one");
}

}  // namespace
}  // namespace variform::study
