// The one way to open an experiment, and what it says of a run that is not as it was left.

#include "model/workplace.h"

#include "measure/models.h"

#include <fstream>

#include "train/run.h"

namespace variform::model {
namespace test = measure::test;
namespace {

namespace fs = std::filesystem;
using testing::ContainsSubstring;

class Silent final : public train::Observer {
  void stepped(int64_t, int64_t, const std::map<std::string, double>&) override {}
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}
};

struct Trainee {
  test::Folder folder;
  test::KeptLog log;
  Workplace place{{}, {}, log};
  fs::path run = folder / "run";

  Trainee() {
    const train::RunHost host{
        .place = place, .origin = {}, .observe = [](base::Log&) { return std::make_unique<Silent>(); }};
    train::train(place.load_text(test::config_of({}), "test.toml", {}), run, IfPresent::kRefuse, {}, host);
    log.said.clear();
  }
};

TEST_CASE("a run, its checkpoint and its config open to the same model") {
  Trainee made;
  const OpenedRun by_folder = made.place.open(made.run, {}),
                  by_file = made.place.open(made.run / "checkpoints" / "last.h5", {});
  CHECK(by_folder.folder == made.run);
  CHECK(by_file.folder == made.run / "checkpoints");
  const auto state = by_folder.session().assembly->state();
  for (const auto& [name, tensor] : by_file.session().assembly->state())
    CHECK(at::equal(tensor, state.at(name)));
  const Loaded again = made.place.load({(made.run / "config.resolved.toml").string()}, {});
  CHECK(config::print(again.experiment.resolved) == config::print(by_folder.session().experiment.resolved));
  CHECK(made.log.said.empty());
}

TEST_CASE("an edited config is a warning, and what the checkpoint holds counts") {
  Trainee made;
  std::ofstream(made.run / "config.resolved.toml", std::ios::app) << "\n[train]\nsteps = 11\n";
  const OpenedRun opened = made.place.open(made.run, {});
  CHECK(opened.session().horizon == 10);
  CHECK_THAT(made.log.said, ContainsSubstring("warning: ") && ContainsSubstring("config.resolved.toml"));
}

TEST_CASE("a study's file is no experiment, and an override that drops parameters is a note") {
  test::Folder folder;
  test::KeptLog log;
  const Workplace place{{}, {}, log};
  std::ofstream(folder / "study.toml") << test::config_of({}) << "[study.axes]\nseed = [1, 2]\n";
  CHECK_THROWS_WITH(place.load({(folder / "study.toml").string()}, {}), ContainsSubstring("variform study "));
  std::ofstream(folder / "model.toml") << test::config_of({.objective = "type = \"beta-vae\", beta = 0.5"});
  place.load({(folder / "model.toml").string()}, {"objective.type=taylor"});
  CHECK_THAT(log.said, ContainsSubstring("note: ") && ContainsSubstring("objective.beta"));
}

}  // namespace
}  // namespace variform::model
