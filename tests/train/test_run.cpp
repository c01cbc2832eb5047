// Trainings from config to end as library functions: what may go on, how an end is marked, and that stopping changes nothing.

#include "train/run.h"

#include "measure/models.h"

#include "base/contents.h"
#include "checkpoint/snapshot.h"
#include "plugins/plugin_log.h"

namespace variform::train {
namespace test = measure::test;
namespace {

namespace fs = std::filesystem;
using test::Folder;
using testing::ContainsSubstring;

class Watcher final : public Observer {
  void stepped(int64_t, int64_t, const std::map<std::string, double>&) override {}
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}
};

struct Laboratory {
  Folder folder;
  test::KeptLog log;
  model::Workplace place{{}, {}, log};

  RunHost host() {
    return {.place = place, .origin = {{"test"}, "0.0.0", "none"}, .observe = [](base::Log&) {
              return std::make_unique<Watcher>();
            }};
  }
  model::Loaded load(const std::vector<std::string>& overrides = {}) {
    return place.load_text(test::config_of({.family = "type = \"full\""}), "test.toml", overrides);
  }
  Ending train(const std::string& name, const RunOptions& options = {},
               model::IfPresent if_present = model::IfPresent::kRefuse,
               const std::vector<std::string>& overrides = {}) {
    return train::train(load(overrides), folder / name, if_present, options, host());
  }
  std::map<std::string, at::Tensor> tensors(const std::string& name) {
    return checkpoint::read(folder / name / "checkpoints" / "last.h5").tensors;
  }
  std::string mark(const std::string& run, const std::string& name) {
    return base::contents_of(folder / run / name);
  }
};

TEST_CASE("a training writes its run, says what it does, and ends with DONE") {
  Laboratory lab;
  CHECK(lab.train("run") == Ending::kFinished);
  for (const char* line :
       {"data: ", "model: encoder linear", "KL divergence: in closed form", "training: steps 0 to 10"})
    CHECK_THAT(lab.log.said, ContainsSubstring(line));
  CHECK_THAT(lab.mark("run", "DONE"), ContainsSubstring("\"step\""));
  CHECK_THAT(lab.mark("run", "environment.json"), ContainsSubstring("\"0.0.0\""));
  const model::Loaded loaded = lab.load();
  CHECK(folder_of(loaded.experiment, "runs").filename().string().starts_with("tiny-"));
  CHECK(folder_of(loaded.experiment, "runs").filename().string().ends_with("-3"));
}

TEST_CASE("whoever asks is told how a training was decided, and where its time went") {
  Laboratory lab;
  const auto grae = [&](const std::string& name) {
    return train(
        lab.place.load_text(test::config_of({.family = "type = \"optimal\"", .objective = "type = \"grae\""}),
                            "test.toml", {}),
        lab.folder / name, model::IfPresent::kRefuse, {}, lab.host());
  };
  CHECK(grae("quiet") == Ending::kFinished);
  CHECK_THAT(lab.log.said, !ContainsSubstring("steps are not recorded"));
  lab.log.least = base::Level::kDebug;
  CHECK(grae("asked") == Ending::kFinished);
  CHECK_THAT(lab.log.said,
             ContainsSubstring(
                 "steps are not recorded, since plugin org.variform.decoders did not come with the program"));
  CHECK_THAT(
      lab.log.said,
      ContainsSubstring("the pushforward is by layers, since the decoder's network is made of layers"));
  for (const char* part :
       {"time of the training: batches ", "s, steps ", "s, evaluations ", "s, waiting for checkpoints "}) {
    INFO(part);
    const std::size_t at = lab.log.said.find(part);
    REQUIRE(at != std::string::npos);
    CHECK(std::stod(lab.log.said.substr(at + std::string(part).size())) > 0);
  }
}

TEST_CASE("what a plugin says has its component's name, and stands in the run's log") {
  Laboratory lab;
  const plugins::PluginLog plugin_log(lab.log);  // as the program does
  const std::string plugin = testing::environment("VARIFORM_TEST_PLUGINS") + "/train/talking.so";
  const model::Workplace place{{}, {plugin}, lab.log};
  RunHost host = lab.host();
  const RunHost talking{.place = place, .origin = host.origin, .observe = host.observe};
  CHECK(train(place.load_text(test::config_of({.prior = "talking"}), "test.toml", {}), lab.folder / "run",
              model::IfPresent::kRefuse, {}, talking) == Ending::kFinished);
  CHECK_THAT(lab.log.said, ContainsSubstring("prior talking (org.variform.test.talking 1.0.0): I am here\n"));
  CHECK_THAT(lab.log.said, ContainsSubstring("warning: prior talking (org.variform.test.talking 1.0.0): "
                                             "the first density\n"));
  CHECK_THAT(lab.log.said, !ContainsSubstring("a detail"));  // nobody asked for it
  variform::log(LogLevel::kWarning, "from nowhere");
  CHECK_THAT(lab.log.said, ContainsSubstring("warning: from nowhere\n"));
}

TEST_CASE("stopping and going on changes no bit") {
  Laboratory lab;
  REQUIRE(lab.train("whole") == Ending::kFinished);
  CHECK(lab.train("parts", {.stop_at = 4}) == Ending::kStopAt);
  CHECK_THAT(lab.log.said,
             ContainsSubstring("stopped at step 4 of 10 as asked. Go on with: variform resume"));
  CHECK(resume(lab.folder / "parts", {}, {}, lab.host()) == Ending::kFinished);
  const auto whole = lab.tensors("whole"), parts = lab.tensors("parts");
  REQUIRE(whole.size() == parts.size());
  for (const auto& [name, tensor] : whole) {
    INFO(name);
    CHECK(at::equal(tensor, parts.at(name)));
  }
}

TEST_CASE("an interrupted training keeps a checkpoint and says by what") {
  Laboratory lab;
  RunHost host = lab.host();
  host.interrupted = [] { return true; };
  host.interrupted_by = [] { return "SIGTERM"; };
  CHECK(train(lab.load(), lab.folder / "run", model::IfPresent::kRefuse, {}, host) == Ending::kInterrupted);
  CHECK_THAT(lab.mark("run", "INTERRUPTED"), ContainsSubstring("interrupted by SIGTERM at step 1 of 10"));
  CHECK(resume(lab.folder / "run", {}, {}, lab.host()) == Ending::kFinished);
}

TEST_CASE("what a folder must not be used for is refused before anything is written") {
  Laboratory lab;
  REQUIRE(lab.train("run") == Ending::kFinished);
  CHECK_THROWS_WITH(lab.train("run"), ContainsSubstring("already exists"));
  CHECK_THROWS_WITH(lab.train("run", {}, model::IfPresent::kResume, {"model.latent=2"}),
                    ContainsSubstring("holds another experiment: "));
  CHECK_THROWS_WITH(resume(lab.folder / "run", {"model.latent=2"}, {}, lab.host()),
                    ContainsSubstring("resume takes changes of [train] only"));
  CHECK_THROWS_WITH(resume(lab.folder / "run", {"train.steps=5"}, {}, lab.host()),
                    ContainsSubstring("has done 10 steps already, and 5 were asked for"));
  const auto before = lab.tensors("run");
  CHECK(at::equal(before.at("progress/step"), lab.tensors("run").at("progress/step")));
  CHECK(fs::exists(lab.folder / "run" / "DONE"));
}

TEST_CASE("a run that keeps the model alone cannot go on") {
  Laboratory lab;
  REQUIRE(lab.train("run", {.model_only = true}) == Ending::kFinished);
  for (const auto& [name, tensor] : lab.tensors("run")) CHECK_FALSE(name.starts_with("optimizer/"));
  CHECK_THROWS_WITH(resume(lab.folder / "run", {"train.steps=20"}, {}, lab.host()),
                    ContainsSubstring("keeps the model alone"));
}

TEST_CASE("a training that fails marks its run and names it") {
  Laboratory lab;
  CHECK_THROWS_WITH(lab.train("run", {}, model::IfPresent::kRefuse, {"train.optimizer.lr=1e300"}),
                    ContainsSubstring("The run is in " + (lab.folder / "run").string()));
  CHECK_FALSE(lab.mark("run", "FAILED").empty());
  CHECK_FALSE(fs::exists(lab.folder / "run" / "DONE"));
}

TEST_CASE("pictures are drawn by the caller, and a reason for none is said") {
  Laboratory lab;
  RunHost host = lab.host();
  host.draw = [](model::Session&, const fs::path&) { return std::string("there is no paint"); };
  CHECK(train(lab.load(), lab.folder / "run", model::IfPresent::kRefuse, {}, host) == Ending::kFinished);
  CHECK_THAT(lab.log.said, ContainsSubstring("no pictures: there is no paint"));
}

}  // namespace
}  // namespace variform::train
