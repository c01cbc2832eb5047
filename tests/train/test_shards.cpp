// Steps whose batch is cut into shards: what they compute, that threads and processes change no bit, and what is
// refused.

#include "catch.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <variform/random.h>

#include <array>
#include <atomic>
#include <barrier>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "checkpoint/snapshot.h"
#include "config/load.h"
#include "measure/models.h"
#include "model/checkpoints.h"
#include "model/run_folder.h"
#include "train/trainer.h"

namespace variform::train::shards {
namespace {

using measure::test::Folder;
using measure::test::registry;
using testing::ContainsSubstring;
using Tensors = std::map<std::string, at::Tensor>;

class Watcher final : public Observer {
  void stepped(int64_t, int64_t, const std::map<std::string, double>&) override {}
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}
};

// LibTorch's threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  const int before_;
};

struct Case {
  int64_t shards = 4, batch = 10;
  std::string objective = "type = \"beta-vae\"", family = "type = \"diagonal\"",
              prior = "type = \"gaussian\"", likelihood = "type = \"gaussian\"",
              encoder = "type = \"mlp\", hidden = [8]", decoder = encoder, shape = "[6]",
              optimizer = "type = \"adam\", lr = 1e-2", more = "", dataset = "";
};

std::string config_of(const Case& c) {
  return "name = \"shards\"\nseed = 3\nobjective = { " + c.objective +
         " }\n[data.dataset]\ntype = \"model\"\nlatent = 3\nsize = 60\ntest = 20\nshape = " + c.shape +
         "\ndecoder = { type = \"linear\" }\nprior = { type = \"gaussian\" }\nlikelihood = { " +
         c.likelihood + " }\n" + c.dataset + "\n[model]\nlatent = 3\nencoder = { " + c.encoder +
         " }\ndecoder = { " + c.decoder + " }\nfamily = { " + c.family + " }\nprior = { " + c.prior +
         " }\nlikelihood = { " + c.likelihood +
         " }\n[train]\nsteps = 8\nlog_every = 3\nbatch = " + std::to_string(c.batch) +
         "\nshards = " + std::to_string(c.shards) +
         "\nthreads = 1\ndevice = \"cpu\"\ncheckpoint_every = 0\nevaluate_every = 0\noptimizer = { " +
         c.optimizer + " }\n" + c.more + "\n";
}

std::unique_ptr<model::Session> opened(const Case& c) {
  auto session = measure::test::open(config_of(c));
  session->preflight(registry());
  return session;
}

struct Trained {
  Tensors state;
  std::string metrics;
};

// Trains in `path`, on from its checkpoint if there is one.
void train_in(model::Session& session, const std::filesystem::path& path, int64_t stop_at, Group* group) {
  Watcher observer;
  base::SilentLog log;
  model::RunFolder folder =
      model::RunFolder::create(path, config::print(session.experiment.resolved), model::IfPresent::kResume);
  Trainer trainer(session.experiment.train, session.horizon,
                  model::attributes_of(session.experiment, session.assembly->model().data, session.domain,
                                       model::plugins_json(registry())),
                  *session.assembly, *session.batches, folder, log, observer);
  if (group) trainer.join(*group);
  if (std::filesystem::exists(folder.last())) trainer.restore(checkpoint::read(folder.last()));
  trainer.run(stop_at, [] { return false; });
}

// What a training has left in `path`.
Trained left_in(const std::filesystem::path& path) {
  std::ifstream stream(path / "metrics.jsonl");
  std::ostringstream metrics;
  metrics << stream.rdbuf();
  return {checkpoint::read(path / "checkpoints" / "last.h5").tensors, metrics.str()};
}

Trained trained(const Case& c, const std::filesystem::path& path, int64_t stop_at = 8) {
  train_in(*opened(c), path, stop_at, nullptr);
  return left_in(path);
}

void check_same(const Trained& a, const Trained& b) {
  REQUIRE(a.state.size() == b.state.size());
  for (const auto& [name, tensor] : a.state) {
    INFO(name);
    CHECK(at::equal(tensor, b.state.at(name)));
  }
  CHECK(a.metrics == b.metrics);
}

// Exchanges tensors with trainings in other threads of this process.
class Exchange {
 public:
  explicit Exchange(int size) : given_(static_cast<size_t>(size)), meet_(size) {}

  class Member final : public Group {
   public:
    Member(Exchange& all, int rank) : all_(all), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return static_cast<int>(all_.given_.size()); }
    void add(Tensor& flat) override {
      all_.given_[static_cast<size_t>(rank_)] = flat.clone();
      all_.meet_.arrive_and_wait();
      std::vector<Tensor> sums = all_.given_;  // shared, and only read
      for (size_t width = 1; width < sums.size(); width *= 2)
        for (size_t i = 0; i + width < sums.size(); i += 2 * width) sums[i] = sums[i] + sums[i + width];
      flat.copy_(sums[0]);
      all_.meet_.arrive_and_wait();
    }

   private:
    Exchange& all_;
    int rank_;
  };

 private:
  std::vector<Tensor> given_;
  std::barrier<> meet_;
};

}  // namespace

TEST_CASE("shards have all rows of a batch, and every process its part") {
  const Shards all = Shards::of(4, nullptr);
  CHECK(all.own == 4);
  int64_t next = 0;
  for (int64_t shard = 0; shard < 4; ++shard) {
    const ShardRows rows = all.rows(shard, 10);
    CHECK(rows.first == next);
    CHECK(rows.count == (shard < 2 ? 3 : 2));
    next += rows.count;
  }
  CHECK(next == 10);
  Exchange exchange(2);
  Exchange::Member second(exchange, 1);
  CHECK(Shards::of(6, &second).first == 3);
  CHECK(Shards::of(6, &second).own == 3);
  CHECK_THROWS_WITH(Shards::of(3, &second), ContainsSubstring("2 processes cannot share them evenly"));
}

TEST_CASE("the tree of all shards has the trees of the processes as nodes") {
  const auto sums = [](int64_t first, int64_t count) {
    std::vector<std::string> items;
    for (int64_t i = 0; i < first + count; ++i) items.push_back(std::to_string(i));
    add_in_tree(first, count, [&](int64_t to, int64_t from) {
      items[static_cast<size_t>(to)] =
          "(" + items[static_cast<size_t>(to)] + "+" + items[static_cast<size_t>(from)] + ")";
    });
    return items[static_cast<size_t>(first)];
  };
  CHECK(sums(0, 5) == "(((0+1)+2)+(3+4))");
  for (const int64_t count : {4, 6, 8, 12})
    CHECK(sums(0, count) == "(" + sums(0, count / 2) + "+" + sums(count / 2, count / 2) + ")");
}

TEST_CASE("a team works together, and rethrows the error of its first member") {
  Team team(3);
  for (int round = 0; round < 50; ++round) {
    std::array<std::atomic<int>, 3> called{};
    team.run([&](int64_t member) { ++called[static_cast<size_t>(member)]; });
    for (const auto& times : called) CHECK(times == 1);
  }
  CHECK_THROWS_WITH(team.run([](int64_t member) {
    if (member > 0) throw std::runtime_error("member " + std::to_string(member));
  }),
                    "member 1");
  CHECK_NOTHROW(team.run([](int64_t) {}));
}

TEST_CASE("a step in shards is the sum of their own gradients, each with its own noise") {
  const Case c{.shards = 3, .batch = 7, .optimizer = "type = \"sgd\", lr = 0.1"};
  const Folder folder;
  const Tensors found = trained(c, folder / "run", 2).state;

  const auto session = opened(c);
  model::Assembly& assembly = *session->assembly;
  assembly.set_training(true);
  Optimizer optimizer(assembly.parameter_groups(session->experiment.train.optimizer));
  double loss = 0;
  for (int64_t step = 0; step < 2; ++step) {
    optimizer.set_rates(step, 8);
    assembly.set_step(step);
    const Batch batch = session->batches->training(step);
    std::vector<Tensor> sums;  // (shard 0 + shard 1) + shard 2
    const std::array<std::pair<int64_t, int64_t>, 3> rows{{{0, 3}, {3, 2}, {5, 2}}};
    for (uint64_t shard = 0; shard < 3; ++shard) {
      const auto [first, count] = rows[shard];
      assembly.model().rng.set_current_seed(hash(3, "step", static_cast<uint64_t>(step), "shard", shard));
      const Terms terms = assembly.model().evaluate(
          {batch.x.narrow(0, first, count), batch.context.rows(first, count), batch.dataset_size});
      loss += terms.loss.sum(at::kDouble).item<double>() / 7 / 2;
      (terms.loss.sum() / 7.0).backward();
      size_t i = 0;
      for (const NamedParameter& parameter : optimizer.groups()[0].parameters) {
        Tensor& gradient = Tensor(parameter.tensor).mutable_grad();
        if (shard == 0) sums.push_back(gradient);
        else sums[i] = sums[i] + gradient;
        gradient = Tensor();
        ++i;
      }
    }
    for (size_t i = 0; i < sums.size(); ++i)
      Tensor(optimizer.groups()[0].parameters[i].tensor).mutable_grad() = sums[i];
    optimizer.update();
    optimizer.zero_grad();
  }
  for (const auto& [name, tensor] : assembly.state()) {
    INFO(name);
    CHECK(at::equal(tensor, found.at(name)));
  }
  CHECK_THAT(found.at("progress/sums/loss").item<double>() / 2, Catch::Matchers::WithinRel(loss, 1e-12));
}

TEST_CASE("without noise, shards give the step of the whole batch") {
  const std::string more = "precision = \"float64\"\nclip_norm = 0.5";
  Case c = GENERATE(Case{.objective = "type = \"rae-gp\"", .family = "type = \"point\""},
                    Case{.objective = "type = \"grae\""}, Case{.objective = "type = \"taylor\""});
  CAPTURE(c.objective);
  c.shards = 3;
  c.batch = 7;
  c.more = more;
  const Folder folder;
  const Tensors cut = trained(c, folder / "cut").state;
  c.shards = 1;
  const Tensors whole = trained(c, folder / "whole").state;
  for (const auto& [name, tensor] : whole) {
    INFO(name);
    if (name.starts_with("model/")) CHECK(at::allclose(tensor, cut.at(name), 1e-11, 1e-12));
  }
  CHECK_THAT(cut.at("progress/sums/loss").item<double>(),
             Catch::Matchers::WithinRel(whole.at("progress/sums/loss").item<double>(), 1e-12));
}

TEST_CASE("threads change no bit of a training in shards") {
  const Case c = GENERATE(
      Case{.more = "clip_norm = 0.5"}, Case{.objective = "type = \"grae\""},
      Case{.objective = "type = \"grae\", structure = \"diagonal\""},
      Case{.objective = "type = \"grae-approx\""}, Case{.objective = "type = \"iwae\""},
      Case{.objective = "type = \"rae-gp\""}, Case{.objective = "type = \"taylor\""},
      Case{.objective = "type = \"beta-vae\", beta = { schedule = \"linear\", from = 0.0, to = 2.0 }"},
      Case{.family = "type = \"full\""}, Case{.family = "type = \"planar\""},
      Case{.prior = "type = \"vamp\", pseudo_inputs = 3"},
      Case{.prior = "type = \"flow\", layers = 2, hidden = [3]"},
      Case{.likelihood = "type = \"gaussian\", learned = true"},
      Case{.encoder = "type = \"conv\", channels = [4, 8]",
           .decoder = "type = \"conv\", channels = [8, 4]",
           .shape = "[1, 8, 8]"},
      Case{.optimizer = "type = \"sgd\", momentum = 0.9"}, Case{.optimizer = "type = \"rmsprop\""},
      Case{.more = "precision = \"bfloat16\""});
  CAPTURE(c.objective, c.family, c.prior, c.more);
  const Folder folder;
  const auto by = [&](int threads) {
    const Threads some(threads);
    return trained(c, folder / std::to_string(threads));
  };
  const Trained one = by(1);
  check_same(one, by(3));
}

TEST_CASE("processes change no bit of a training in shards") {
  const Case c{.shards = 8, .batch = 19, .more = GENERATE("", "clip_norm = 0.5")};
  const Folder folder;
  const Threads one_each(1);
  const Trained alone = trained(c, folder / "alone");
  for (const int size : {2, 4}) {
    Exchange exchange(size);
    std::vector<std::unique_ptr<model::Session>> sessions;  // opened in turn: a preflight catches stdout
    for (int rank = 0; rank < size; ++rank) sessions.push_back(opened(c));
    const auto place = [&](int rank) { return folder / (std::to_string(size) + "-" + std::to_string(rank)); };
    std::vector<std::thread> processes;
    for (int rank = 0; rank < size; ++rank)
      processes.emplace_back([&, rank] {
        Exchange::Member member(exchange, rank);
        train_in(*sessions[static_cast<size_t>(rank)], place(rank), 8, &member);
      });
    for (std::thread& process : processes) process.join();
    for (int rank = 0; rank < size; ++rank) check_same(alone, left_in(place(rank)));
  }
}

TEST_CASE("a training in shards goes on with another number of threads") {
  const Case c{.objective = "type = \"grae-approx\""};
  const Folder folder;
  const Trained straight = trained(c, folder / "straight");
  {
    const Threads two(2);
    trained(c, folder / "parts", 4);
  }
  check_same(straight, trained(c, folder / "parts"));
}

TEST_CASE("what cannot be cut is refused by name") {
  const auto refused = [](const Case& c, const std::string& component, const std::string& why) {
    CAPTURE(component);
    CHECK_THROWS_WITH(opened(c), ContainsSubstring("train.shards = 4 cuts each batch into parts") &&
                                     ContainsSubstring(component) && ContainsSubstring(why) &&
                                     ContainsSubstring("Write train.shards = 1"));
  };
  for (const char* objective : {"beta-tcvae", "factor-vae", "dip-vae-i", "dip-vae-ii", "wae-mmd", "info-vae"})
    refused({.objective = std::string("type = \"") + objective + "\""}, std::string("objective ") + objective,
            "");
  refused({.likelihood = "type = \"gaussian\", optimal = true"}, "likelihood gaussian",
          "depend on the other rows");
  refused({.decoder = "type = \"mlp\", hidden = [8], normalisation = \"spectral\""}, "decoder mlp",
          "changes its buffer");
  CHECK_THROWS_WITH(opened({.shards = 11}),
                    ContainsSubstring("train.shards must be at most train.batch, 10"));
}

TEST_CASE("one shard is no shards, and the same experiment") {
  Case c{.shards = 1};
  const auto written = opened(c);
  std::string without = config_of(c);
  without.erase(without.find("shards = 1"), 10);
  const auto absent = measure::test::open(without);
  CHECK(config::experiment_hash(written->experiment) == config::experiment_hash(absent->experiment));
  c.shards = 2;
  CHECK(config::experiment_hash(opened(c)->experiment) != config::experiment_hash(absent->experiment));
}

TEST_CASE("a loss that is not finite ends a training in shards with the term's name") {
  const Folder folder;
  const Threads two(2);
  CHECK_THROWS_WITH(trained({.optimizer = "type = \"sgd\", lr = 1e30"}, folder / "run"),
                    ContainsSubstring("is not finite") && ContainsSubstring("checkpoint is kept"));
}

}  // namespace variform::train::shards
