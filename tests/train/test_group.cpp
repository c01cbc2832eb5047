// The processes that train one model: how they find each other, that their sums have the bits of the fixed tree whatever
// the number of values, and what they are told when one is gone. Here each is a thread with a group of its own.

#include "catch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "config/node.h"
#include "train/processes.h"
#include "train/shared_state.h"
#include "train/shards.h"

namespace variform::train::grouping {
namespace {

using testing::ContainsSubstring;

std::optional<Meeting> meeting(const std::map<std::string, std::string>& variables) {
  return meeting_in([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

// Calls work(group) in as many threads, each with a group of its own. What they throw goes into `said`, by rank.
struct Threads {
  std::vector<std::string> said;

  Threads(int size, const std::function<void(GlooGroup&)>& work) : said(static_cast<size_t>(size)) {
    GlooGroup first({.rank = 0, .size = size, .is_local = true});
    std::vector<std::future<void>> others;
    for (int rank = 1; rank < size; ++rank)
      others.push_back(std::async(std::launch::async, [&, rank] {
        run(rank, [&] {
          GlooGroup other({.rank = rank, .size = size, .is_local = true, .port = first.port()});
          work(other);
        });
      }));
    run(0, [&] { work(first); });
    for (auto& other : others) other.get();
  }

 private:
  void run(int rank, const std::function<void()>& work) {
    try {
      work();
    } catch (const std::exception& error) {
      said[static_cast<size_t>(rank)] = error.what();
    }
  }
};

Tensor values_of(int rank, int64_t count, at::ScalarType type) {
  const auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(rank) + 1);
  return at::randn({count}, generator, at::TensorOptions(at::kDouble)).exp().to(type);
}

// Written down without the code under test.
Tensor tree(int first, int size, int64_t count, at::ScalarType type) {
  if (size == 1) return values_of(first, count, type);
  return tree(first, size / 2, count, type) + tree(first + size / 2, size / 2, count, type);
}

TEST_CASE("sums over processes have the bits of the tree, in every process") {
  for (const int size : {2, 4}) {
    const std::vector<std::pair<int64_t, at::ScalarType>> cases{
        {1, at::kDouble}, {3, at::kFloat}, {4096, at::kFloat}, {4097, at::kFloat}, {100'003, at::kDouble}};
    std::vector<int> same(static_cast<size_t>(size));
    const Threads threads(size, [&](GlooGroup& group) {
      group.require_same({{"config", "a"}});
      for (const auto& [count, type] : cases) {
        Tensor flat = values_of(group.rank(), count, type);
        group.add(flat);
        same[static_cast<size_t>(group.rank())] += at::equal(flat, tree(0, size, count, type));
      }
    });
    CHECK(threads.said == std::vector<std::string>(static_cast<size_t>(size)));
    CHECK(same == std::vector<int>(static_cast<size_t>(size), static_cast<int>(cases.size())));
    // Another order gives other bits: the comparison can fail.
    Tensor in_turn = values_of(0, 100'003, at::kDouble);
    for (int rank = 1; rank < size; ++rank) in_turn = in_turn + values_of(rank, 100'003, at::kDouble);
    CHECK(at::equal(in_turn, tree(0, size, 100'003, at::kDouble)) == (size == 2));
  }
}

TEST_CASE("processes take the state of the first, and any() is true for all or none") {
  std::vector<std::string> seen(4);
  const Threads threads(4, [&](GlooGroup& group) {
    group.require_same({});
    const bool is_first = group.rank() == 0;
    const Tensor weights = is_first ? at::arange(6, at::kFloat).neg().view({2, 3}).t() : at::zeros({3, 2});
    copy_from_first(group, {{"weights", weights}, {"nothing", at::zeros({0})}});
    Progress own;
    if (is_first) {
      own.step = 7;
      own.sums["nll"] = at::full({}, 0.1, at::kDouble);
    } else {
      own.sums["of another"] = at::full({}, 1.0, at::kDouble);
    }
    const Progress progress = progress_of_first(group, own, at::kCPU);
    const bool any = group.any(group.rank() == 2), none = group.any(false);
    seen[static_cast<size_t>(group.rank())] =
        std::to_string(weights.contiguous()[2][1].item<double>()) + " " + std::to_string(progress.step) +
        " " + std::to_string(progress.best) + " " + std::to_string(progress.sums.size()) + " " +
        std::to_string(progress.sums.at("nll").item<double>()) + (any && !none ? " agreed" : "") +
        (std::signbit(weights[0][0].item<double>()) ? " -0" : "");
  });
  CHECK(threads.said == std::vector<std::string>(4));
  CHECK(seen == std::vector<std::string>(4, "-5.000000 7 inf 1 0.100000 agreed -0"));
}

TEST_CASE("processes that differ are told what differs") {
  const Threads threads(2, [&](GlooGroup& group) {
    group.require_same({{"config", group.rank() == 0 ? "seed = 1\nname = \"a\"" : "seed = 1\nname = \"b\""},
                        {"LibTorch", "2"}});
  });
  for (const std::string& said : threads.said) {
    CHECK_THAT(said, ContainsSubstring("process 1 of 2"));
    CHECK_THAT(said,
               ContainsSubstring("another config than process 0: \"name = \"b\"\" against \"name = \"a\"\""));
    CHECK_THAT(said, ContainsSubstring("--processes 1"));
  }
}

TEST_CASE("a process that is gone, or fails, ends the waiting of all others") {
  const bool says_why = GENERATE(false, true);
  const auto start = std::chrono::steady_clock::now();
  const Threads threads(4, [&](GlooGroup& group) {
    group.require_same({});
    if (group.rank() == 2) {
      if (says_why) group.tell_failure("the disk is on fire");
      return;  // the group is left, and its connections are closed
    }
    for (int i = 0; i < 1000; ++i) group.any(false);
  });
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  CHECK(threads.said[2].empty());
  for (const int rank : {0, 1, 3}) {
    CHECK_THAT(threads.said[static_cast<size_t>(rank)], ContainsSubstring("process 2 of 4"));
    CHECK((threads.said[static_cast<size_t>(rank)].find("on fire") != std::string::npos) == says_why);
  }
}

TEST_CASE("a process knows by its starter's variables who it is") {
  const auto torchrun = meeting({{"RANK", "3"},
                                 {"WORLD_SIZE", "4"},
                                 {"LOCAL_WORLD_SIZE", "4"},
                                 {"MASTER_ADDR", "node1"},
                                 {"MASTER_PORT", "29500"},
                                 {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  REQUIRE(torchrun);
  CHECK((torchrun->rank == 3 && torchrun->size == 4 && torchrun->address == "node1" &&
         torchrun->port == 29500));
  CHECK((torchrun->has_store && torchrun->is_local && torchrun->sharing == 4));

  std::map<std::string, std::string> step{
      {"SLURM_JOB_ID", "17"},        {"SLURM_STEP_ID", "0"},        {"SLURM_PROCID", "1"},
      {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_STEP_NUM_NODES", "2"}, {"SLURM_STEP_NODELIST", "gpu[07-09],x"}};
  const auto srun = meeting(step);
  REQUIRE(srun);
  CHECK((srun->rank == 1 && srun->size == 2 && srun->address == "gpu07" && !srun->is_local &&
         !srun->has_store));
  step["SLURM_STEP_ID"] = "1";
  CHECK(meeting(step)->port != srun->port);

  const auto mpirun = meeting(
      {{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  REQUIRE(mpirun);
  CHECK((mpirun->rank == 1 && mpirun->is_local && mpirun->address == "127.0.0.1" && mpirun->port > 1024));
  CHECK_THROWS_WITH(meeting({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}), ContainsSubstring("-x MASTER_ADDR"));
  CHECK(meeting({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "9"}})->port ==
        9);
}

TEST_CASE("a process that was started alone has no group") {
  CHECK_FALSE(meeting({}));
  // What has no place to meet, a batch job's script, a step of one task, and a task of an array.
  CHECK_FALSE(meeting({{"RANK", "0"}, {"WORLD_SIZE", "2"}}));
  CHECK_FALSE(meeting({{"SLURM_JOB_ID", "1"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));
  CHECK_FALSE(meeting(
      {{"SLURM_JOB_ID", "1"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}));
  CHECK_FALSE(meeting({{"SLURM_JOB_ID", "1"}, {"SLURM_ARRAY_TASK_ID", "3"}, {"SLURM_NTASKS", "1"}}));
  CHECK_FALSE(group_of(1, {"variform"}));
  CHECK_THROWS_WITH(meeting({{"RANK", "2"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}}),
                    ContainsSubstring("RANK=2 and WORLD_SIZE=2"));
}

TEST_CASE("the first host of Slurm's lists") {
  CHECK(first_host("node1") == "node1");
  CHECK(first_host("node1,node2") == "node1");
  CHECK(first_host("node[03-07,9],x") == "node03");
  CHECK(first_host("rack[2,4]-n") == "rack2-n");
  CHECK(first_host("node[1") == "");
}

}  // namespace
}  // namespace variform::train::grouping
