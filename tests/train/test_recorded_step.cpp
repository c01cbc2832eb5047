// Steps that are recorded and replayed on the CPU: their bits are those of plain steps, whatever the model is made of,
// and what cannot be replayed is noticed before it does harm.

#include "catch.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "checkpoint/snapshot.h"
#include "config/load.h"
#include "measure/models.h"
#include "model/checkpoints.h"
#include "model/run_folder.h"
#include "plugins/registry.h"
#include "train/cpu_tape.h"
#include "train/trainer.h"

namespace variform::train::recording {
namespace {

using measure::test::Folder;
using testing::ContainsSubstring;
using Tensors = std::map<std::string, at::Tensor>;

const plugins::Registry& registry() {
  static const plugins::Registry all = [] {
    plugins::Search search;
    search.places.push_back({plugins::Origin::kBuildTree, testing::environment("VARIFORM_PLUGINS"), {}});
    search.places.push_back(
        {plugins::Origin::kBuildTree, testing::environment("VARIFORM_TEST_PLUGINS") + "/train", {}});
    return plugins::Registry(search);
  }();
  return all;
}

class Watcher final : public Observer {
  void stepped(int64_t, int64_t, const std::map<std::string, double>&) override {}
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}
};

class EveryWord final : public base::Log {
 public:
  void write(base::Level level, std::string_view, const std::string& text) override {
    said += std::string(base::to_string(level)) + ": " + text + "\n";
  }
  bool wants(base::Level, std::string_view) const override { return true; }
  std::string said;
};

struct Case {
  std::string objective = "type = \"beta-vae\"", family = "type = \"diagonal\"",
              prior = "type = \"gaussian\"", likelihood = "type = \"gaussian\"",
              encoder = "type = \"mlp\", hidden = [8, 8]", decoder = encoder, shape = "[6]",
              optimizer = "type = \"adam\", lr = 1e-2", more = "";
};

std::string config_of(const Case& c, int64_t steps) {
  return "name = \"recorded\"\nseed = 3\nobjective = { " + c.objective +
         " }\n[data.dataset]\ntype = \"model\"\nlatent = 3\nsize = 60\ntest = 20\nshape = " + c.shape +
         "\ndecoder = { type = \"linear\" }\nprior = { type = \"gaussian\" }\nlikelihood = { " +
         c.likelihood + " }\n[model]\nlatent = 3\nencoder = { " + c.encoder + " }\ndecoder = { " + c.decoder +
         " }\nfamily = { " + c.family + " }\nprior = { " + c.prior + " }\nlikelihood = { " + c.likelihood +
         " }\n[train]\nsteps = " + std::to_string(steps) +
         "\nlog_every = 4\nbatch = 8\nthreads = 1\ndevice = \"cpu\"\ncheckpoint_every = 0\noptimizer = { " +
         c.optimizer + " }\n" + c.more + "\n";
}

struct Trained {
  Tensors state;
  std::string said, metrics;
  int64_t replays = 0;
};

// Trains in `path`, on from its checkpoint if there is one.
Trained trained(const Case& c, bool recorded, const std::filesystem::path& path, int64_t steps,
                int64_t stop_at, size_t most_bytes = size_t{1} << 30) {
  config::Diagnostics diagnostics;
  const config::Node root = config::parse(config_of(c, steps), "recorded.toml", diagnostics);
  const auto session =
      model::open_session(model::resolve_experiment(root, registry(), {}, diagnostics), registry(), {});
  session->preflight(registry());
  Watcher observer;
  EveryWord log;
  model::RunFolder folder =
      model::RunFolder::create(path, config::print(session->experiment.resolved), model::IfPresent::kResume);
  Trainer trainer(session->experiment.train, session->horizon,
                  model::attributes_of(session->experiment, session->assembly->model().data, session->domain,
                                       model::plugins_json(registry())),
                  *session->assembly, *session->batches, folder, log, observer);
  trainer.record_with(recorded ? tape_recorder(at::kCPU, session->assembly->model().rng, most_bytes)
                               : RepeatedStep::MakeRecorder(),
                      /*also_if_slower=*/true);
  if (std::filesystem::exists(folder.last())) trainer.restore(checkpoint::read(folder.last()));
  Trained result;
  try {
    trainer.run(stop_at, [] { return false; });
  } catch (const std::exception& error) {
    log.said += std::string("error: ") + error.what() + "\n";
  }
  result.state = checkpoint::read(folder.last()).tensors;
  result.said = log.said;
  result.replays = trainer.replays();
  return result;
}

constexpr int64_t kSteps = 16;
// Plain ones and the two that are recorded.
constexpr int64_t kBefore = RepeatedStep::kPlainSteps + 2;

void check_same(const Tensors& a, const Tensors& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, tensor] : a) {
    INFO(name);
    CHECK(at::equal(tensor, b.at(name)));
  }
}

// Trains as written and with replays; both must end in the same bits. Returns the latter.
Trained compared(const Case& c, int64_t steps = kSteps) {
  const Folder folder;
  const Trained plain = trained(c, false, folder / "plain", steps, steps);
  CHECK(plain.replays == 0);
  Trained replayed = trained(c, true, folder / "replayed", steps, steps);
  INFO(replayed.said);
  check_same(plain.state, replayed.state);
  return replayed;
}

void check_replayed(const Case& c) {
  const Trained result = compared(c);
  INFO(result.said);
  CHECK(result.replays == kSteps - kBefore);
  CHECK_THAT(result.said, !ContainsSubstring("note:"));
}

}  // namespace

TEST_CASE("recorded steps have the bits of plain ones under every objective") {
  const std::string objective = GENERATE(
      "type = \"beta-vae\", beta = { schedule = \"linear\", from = 0.0, to = 2.0 }",
      "type = \"beta-vae\", free = 0.5, capacity = { schedule = \"linear\", from = 0.0, to = 2.0 }",
      "type = \"grae\"", "type = \"grae\", structure = \"diagonal\"",
      "type = \"grae\", structure = \"block\", block = 2", "type = \"grae\", structure = \"isotropic\"",
      "type = \"grae\", structure = \"low-rank\", rank = 1", "type = \"grae\", structure = \"family\"",
      "type = \"grae-approx\"", "type = \"grae-approx\", structure = \"isotropic\", probes = \"rademacher\"",
      "type = \"iwae\"", "type = \"beta-tcvae\"", "type = \"factor-vae\"", "type = \"dip-vae-i\"",
      "type = \"dip-vae-ii\"", "type = \"wae-mmd\"", "type = \"rae-gp\"", "type = \"taylor\"");
  CAPTURE(objective);
  check_replayed({.objective = objective});
}

TEST_CASE("recorded steps have the bits of plain ones in other models") {
  check_replayed(GENERATE(
      Case{.family = "type = \"full\""}, Case{.family = "type = \"planar\""},
      Case{.family = "type = \"low-rank\", rank = 1"},
      Case{.family = "type = \"iaf\", hidden = 4, context = 2"},
      Case{.prior = "type = \"flow\", layers = 2, hidden = [3]"},
      Case{.prior = "type = \"vamp\", pseudo_inputs = 3"},
      Case{.prior = "type = \"mixture\", components = 2"}, Case{.likelihood = "type = \"bernoulli\""},
      Case{.likelihood = "type = \"gaussian\", learned = true"},
      Case{.likelihood = "type = \"gaussian\", optimal = true"},
      Case{.encoder = "type = \"resnet\"", .decoder = "type = \"resnet\"", .shape = "[1, 8, 8]"},
      Case{.encoder = "type = \"conv\", channels = [4, 8]",
           .decoder = "type = \"conv\", channels = [8, 4]",
           .shape = "[1, 8, 8]"},
      Case{.encoder = "type = \"mlp\", hidden = [8], normalisation = \"layer\", activation = \"gelu\"",
           .decoder = "type = \"mlp\", hidden = [8], activation = \"tanh\""},
      Case{.more = "precision = \"float64\""}));
}

TEST_CASE("recorded steps have the bits of plain ones under every optimizer") {
  check_replayed(GENERATE(Case{.optimizer = "type = \"adam\", weight_decay = 0.1", .more = "clip_norm = 0.5"},
                          Case{.optimizer = "type = \"adamw\""},
                          Case{.optimizer = "type = \"sgd\", momentum = 0.9, nesterov = true"},
                          Case{.optimizer = "type = \"sgd\"", .more = "clip_norm = 0.5"},
                          Case{.optimizer = "type = \"rmsprop\""},
                          Case{.optimizer = "type = \"rmsprop\", momentum = 0.5"},
                          Case{.optimizer = "lr = { schedule = \"cosine\", from = 1e-2, to = 1e-4 }"}));
}

TEST_CASE("evaluations, checkpoints and later comparisons between recorded steps change no bit") {
  const Case c{.more = "evaluate_every = 3\n"};
  const Trained result = compared(c, 70);
  INFO(result.said);
  CHECK(result.replays == 70 - kBefore);
}

TEST_CASE("a step is recorded again once components have moved tensors between two steps") {
  const Trained result = compared(Case{.prior = "type = \"moving\"", .more = "evaluate_every = 12\n"}, 30);
  INFO(result.said);
  CHECK(result.replays == 30 - kBefore - 2 * 2);  // two evaluations before the last step
  CHECK_THAT(result.said, !ContainsSubstring("note:"));
}

TEST_CASE("a training of recorded steps goes on from its checkpoint") {
  const Folder folder;
  const Case c{.objective = "type = \"grae-approx\"", .more = "clip_norm = 1.0"};
  const Trained straight = trained(c, false, folder / "straight", 40, 40);
  CHECK(trained(c, true, folder / "parts", 40, 21).replays == 21 - kBefore);
  const Trained rest = trained(c, true, folder / "parts", 40, 40);
  CHECK(rest.replays == 19 - kBefore);
  check_same(straight.state, rest.state);
}

TEST_CASE("a step that cannot be recorded is refused, and trains as it is written") {
  const auto said = [](const std::string& prior) {
    const Trained result = compared(Case{.prior = "type = \"" + prior + "\""});
    CHECK(result.replays == 0);
    return result.said;
  };
  CHECK_THAT(said("host-reading"), ContainsSubstring("debug: this model's step cannot be replayed") &&
                                       ContainsSubstring("_local_scalar_dense reads values on the host"));
  CHECK_THAT(said("raw-memory"), ContainsSubstring("written past LibTorch's operators"));
  CHECK_THAT(said("counting"), ContainsSubstring("mul reads other numbers of the host in the next step"));
  CHECK_THAT(said("global-draws"), ContainsSubstring("draws from LibTorch's global generator"));
}

TEST_CASE("a replay with other bits is noticed, and dropped with a note") {
  const Trained result = compared(Case{.prior = "type = \"raw-in-place\""});
  CHECK(result.replays == 0);
  CHECK_THAT(result.said, ContainsSubstring("note: a replayed step gives other bits than the plain one"));
}

TEST_CASE("a recording that would keep too much is refused") {
  const Folder folder;
  const Trained result = trained(Case{}, true, folder / "run", kSteps, kSteps, 1000);
  CHECK(result.replays == 0);
  CHECK_THAT(result.said, ContainsSubstring("MB of intermediate results"));
}

TEST_CASE("a recording that is refused keeps none of the step's memory") {
  const auto kept = [](size_t most_bytes, bool reads_on_the_host) {
    const auto rng = at::make_generator<at::CPUGeneratorImpl>(1);
    const auto recorder = tape_recorder(at::kCPU, rng, most_bytes)();
    std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> results;
    const auto work = [&] {
      at::Tensor x = at::ones({1000}) + 1;
      for (int i = 0; i < 4; ++i) {
        x = x * 2;
        results.emplace_back(
            c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(x.storage().unsafeGetStorageImpl()));
      }
      if (reads_on_the_host) x[0].item<float>();
    };
    recorder->record(work);
    recorder->record(work);
    CHECK(recorder->refusal().empty() == (most_bytes > 100'000 && !reads_on_the_host));
    size_t alive = 0;
    for (const auto& result : results) alive += !result.expired();
    return alive;
  };
  CHECK(kept(1'000'000, false) == 4);  // those of the second recording
  CHECK(kept(10'000, false) == 0);
  CHECK(kept(1'000'000, true) == 0);
}

TEST_CASE("a loss that is not finite is named in a recorded step as in a plain one") {
  const Folder folder;
  const Case c{.optimizer =
                   "type = \"sgd\", lr = { schedule = \"steps\", values = [1e-3, 1e30], at = [15] }"};
  const auto said = [&](bool recorded) {
    return trained(c, recorded, folder / (recorded ? "r" : "p"), 40, 40);
  };
  const Trained plain = said(false), replayed = said(true);
  const auto error_of = [](const std::string& text) { return text.substr(text.find("error: ")); };
  CHECK(error_of(plain.said) == error_of(replayed.said));
  CHECK_THAT(replayed.said, ContainsSubstring("is not finite"));
  CHECK(replayed.replays >= 9);
}

}  // namespace variform::train::recording
