// What a study makes of commands that end as if all were well.

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/lock.h"
#include "catch.h"
#include "config/load.h"
#include "study/plan.h"
#include "study/runner.h"

namespace {

namespace fs = std::filesystem;
using namespace variform;

constexpr const char* kRunnerStudy = R"(
name = "s"
[study.axes]
seed = [1]
[study.evaluate.e]
limit = 16
)";

// A study of one cell, whose commands are a script: $1 is the command, $RUN its run, $OUT what it is to write.
class ScriptedStudy {
 public:
  explicit ScriptedStudy(const std::string& script) {
    std::string name = (fs::temp_directory_path() / "variform-runner-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    std::ofstream(folder / "program")
        << "#!/bin/sh\nRUN=" << (folder / "runs" / "s-00000000-1").string()
        << "\nfor word; do [ \"$before\" = --out ] && OUT=$word; before=$word; done\n"
        << script;
    ::chmod((folder / "program").c_str(), 0755);
  }
  ~ScriptedStudy() { fs::remove_all(folder); }

  std::vector<std::string> run() {
    config::Diagnostics diagnostics;
    const study::Plan plan =
        study::read_plan(config::parse(kRunnerStudy, "s.toml", diagnostics), diagnostics);
    const std::vector<study::Cell> cells = study::cells_of(plan, diagnostics);
    diagnostics.throw_if_any();
    study::RunnerOptions options;
    options.program = folder / "program";
    options.runs = folder / "runs";
    options.folder = folder / "studies" / "s";
    options.resolve = [this](const config::Node&) {
      return study::Resolved{config, "s", "00000000", 1, "11111111"};
    };
    options.say = [this](base::Level level, const std::string& text) { said.emplace_back(level, text); };
    options.changed = [](const fs::path& run) {
      return fs::exists(run / "of other code") ? std::string("plugins have changed.") : std::string();
    };
    options.interrupted = [this] { return asked++ < 0; };
    return study::Runner(plan, cells, options).run();
  }

  fs::path folder;
  std::string config;  // of the cell, resolved
  std::vector<std::pair<base::Level, std::string>> said;
  int asked = 0;  // how often the runner has looked whether it is interrupted
};

constexpr const char* kTrains =
    "if [ $1 = train ]; then mkdir -p $RUN/checkpoints; : > $RUN/checkpoints/last.h5; : > $RUN/DONE; echo "
    "$RUN; fi\n";

}  // namespace

TEST_CASE("a training that ends with 0 and has done nothing is a failure, with the end of its log") {
  ScriptedStudy study("echo its last word\nexit 0\n");
  const std::vector<std::string> failures = study.run();
  REQUIRE(failures.size() == 1);
  CHECK_THAT(failures[0], Catch::Contains("`train` ended as if all were well (exit code 0), but the run ") &&
                              Catch::Contains("has no DONE") && Catch::Contains("such as a plugin") &&
                              Catch::Contains("its last word"));
}

TEST_CASE("a training whose folder was done before, and that says nothing, is a failure") {
  ScriptedStudy study(
      "[ $1 = train ] && mkdir -p $RUN/checkpoints && : > $RUN/checkpoints/last.h5 && : > $RUN/DONE\nexit "
      "0\n");
  const std::vector<std::string> failures = study.run();
  REQUIRE(failures.size() == 1);
  CHECK_THAT(failures[0], Catch::Contains("it has not said where its run is"));
}

TEST_CASE("an evaluation that ends with 0 without a result, or with half of one, is a failure") {
  for (const char* makes :
       {"", ": > $OUT", "echo '{\"values\": {' > $OUT", "echo '[]' > $OUT", "mkdir $OUT"}) {
    INFO(makes);
    ScriptedStudy study(std::string(kTrains) + "if [ $1 = evaluate ]; then echo about it; " +
                        (*makes ? makes : ":") + "; fi\nexit 0\n");
    const std::vector<std::string> failures = study.run();
    REQUIRE(failures.size() == 1);
    CHECK_THAT(failures[0], Catch::Contains("`evaluate` ended as if all were well (exit code 0), but ") &&
                                Catch::Contains("about it"));
    for (const auto& entry :
         fs::recursive_directory_iterator(study.folder / "runs"))  // nothing that looks like one
      CHECK(entry.path().extension() != ".json");
  }
}

TEST_CASE("a result that was damaged afterwards is made again") {
  ScriptedStudy study(std::string(kTrains) +
                      "if [ $1 = evaluate ]; then echo '{\"step\": 1}' > $OUT; fi\nexit 0\n");
  CHECK(study.run().empty());
  fs::path result;
  for (const auto& entry : fs::recursive_directory_iterator(study.folder / "runs"))
    if (entry.path().extension() == ".json") result = entry.path();
  REQUIRE(!result.empty());
  std::ofstream(result) << "{\"st";
  CHECK(study.run().empty());
  std::string text;
  std::getline(std::ifstream(result), text);
  CHECK(text == "{\"step\": 1}");
}

TEST_CASE("that a run is made again is a warning; progress is not") {
  ScriptedStudy study(std::string(kTrains) +
                      "if [ $1 = evaluate ]; then echo '{\"step\": 1}' > $OUT; fi\nexit 0\n");
  CHECK(study.run().empty());
  REQUIRE(!study.said.empty());
  for (const auto& [level, text] : study.said) CHECK(level == base::Level::kInfo);
  std::ofstream(study.folder / "runs" / "s-00000000-1" / "of other code");
  study.said.clear();
  CHECK(study.run().empty());
  REQUIRE(!study.said.empty());
  CHECK(study.said[0].first == base::Level::kWarning);
  CHECK_THAT(study.said[0].second,
             Catch::Contains("is made again: plugins have changed. The former run is kept in") &&
                 !Catch::Contains("warning:"));
}

TEST_CASE("a run with the cell's hash and seed but another config is not taken for the cell's") {
  const std::string own = "name = \"s\"\nseed = 1\n[model]\nlatent = 3\n",
                    other = own.substr(0, own.size() - 2) + "4\n";
  const std::string script =
      std::string(kTrains) + "if [ $1 = evaluate ]; then echo '{\"step\": 1}' > $OUT; fi\nexit 0\n";
  const auto put = [&](const ScriptedStudy& study, const std::string& name, const std::string& config) {
    fs::create_directories(study.folder / "runs" / name / "checkpoints");
    std::ofstream(study.folder / "runs" / name / "DONE") << "{}";
    std::ofstream(study.folder / "runs" / name / "config.resolved.toml") << config;
  };
  SECTION("under another name it is left alone, and the cell gets its own run") {
    ScriptedStudy study(script);
    study.config = own;
    put(study, "a-00000000-1", other);
    CHECK(study.run().empty());
    CHECK(fs::exists(study.folder / "runs" / "s-00000000-1" / "DONE"));
    CHECK(fs::is_empty(study.folder / "runs" / "a-00000000-1" / "checkpoints"));
  }
  SECTION("under the cell's name it is an error that names both, and nothing is overwritten") {
    ScriptedStudy study(script);
    study.config = own;
    put(study, "s-00000000-1", other);
    const std::vector<std::string> failures = study.run();
    REQUIRE(failures.size() == 1);
    CHECK_THAT(
        failures[0],
        Catch::Contains("s-00000000-1 has the hash and the seed of this cell (00000000, 1), but another "
                        "config: model.latent is 4 there, and 3 here"));
    CHECK(fs::is_empty(study.folder / "runs" / "s-00000000-1" / "checkpoints"));
    CHECK_FALSE(fs::exists(study.folder / "runs" / "s-00000000-1" / "evaluations"));
  }
  SECTION("the same experiment counts under any name, on any device") {
    ScriptedStudy study(script);
    study.config = own;
    put(study, "a-00000000-1",
        "name = \"a\"\n" + own.substr(own.find("seed")) + "[train]\ndevice = \"cuda\"\n");
    study.run();
    CHECK_FALSE(fs::exists(study.folder / "runs" / "s-00000000-1"));
  }
  SECTION("so does one under the name that an earlier program gave it") {
    ScriptedStudy study(script);
    study.config = own;
    put(study, "s-11111111-1", own);
    put(study, "a-11111111-1", other);
    CHECK(study.run().empty());
    CHECK_FALSE(fs::exists(study.folder / "runs" / "s-00000000-1"));
    CHECK(fs::exists(study.folder / "runs" / "s-11111111-1" / "evaluations"));
    CHECK_FALSE(fs::exists(study.folder / "runs" / "a-11111111-1" / "evaluations"));
  }
}

TEST_CASE("a run that somebody else uses is waited for, without haste") {
  ScriptedStudy study(std::string(kTrains) +
                      "if [ $1 = evaluate ]; then echo '{\"step\": 1}' > $OUT; fi\nexit 0\n");
  const fs::path run = study.folder / "runs" / "s-00000000-1";
  fs::create_directories(run);
  base::Holder holder;
  auto lock = base::FileLock::try_to_take(run / ".lock", base::FileLock::After::kStays, holder);
  REQUIRE(lock.has_value());
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    lock.reset();
  });
  CHECK(study.run().empty());
  other.join();
  CHECK(fs::exists(run / "DONE"));
  CHECK(study.asked < 100);  // ten times per second, and while commands run
}
