// Everything that stock components compose to, on a device that is not the CPU (stand_in.h): the numbers are the CPU's,
// no step keeps the host waiting, and a component that forgets the device is named.

#include "catch.h"
#include "composition/compose.h"
#include "composition/folder.h"
#include "composition/uses.h"
#include "stand_in.h"

#include <ATen/ATen.h>

#include <variform/host.h>

#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "config/experiment.h"
#include "export/pictures.h"
#include "model/batches.h"
#include "model/session.h"
#include "plugins/registry.h"
#include "train/ex_post.h"
#include "train/trainer.h"

namespace variform::composition {
namespace {

using State = std::map<std::string, Tensor>;
using testing::ContainsSubstring;

// In float64, so that another order of sums does not show; learning rates are float32 on a device.
Combination on(const std::string& device, Combination combination) {
  combination.device = device;
  combination.precision = "float64";
  return combination;
}
Combination on_cpu(const Combination& combination) { return on("cpu", combination); }
Combination on_device(const Combination& combination) { return on("auto", combination); }

// What the host waited for in steps that write no line of the log.
class Waits final : public train::Observer {
 public:
  void stepped(int64_t step, int64_t, const std::map<std::string, double>& logged) override {
    if (step > 1 && logged.empty())
      for (const std::string& wait : since_->waits()) found_.insert(wait);
    since_ = std::make_unique<testing::Crossings>();
  }
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {
    since_ = std::make_unique<testing::Crossings>();
  }
  std::string text() const {
    std::string all;
    for (const std::string& wait : found_) all += "the host waits: " + wait + "; ";
    return all;
  }

 private:
  std::set<std::string> found_;
  std::unique_ptr<testing::Crossings> since_ = std::make_unique<testing::Crossings>();
};

// How a training went: its state, or why it is refused.
struct Ended {
  State state;
  std::string refusal;
};
template <class Train>
Ended ended(const Train& train) {
  try {
    return {train(), {}};
  } catch (const Error& error) {
    return {{}, error.what()};
  }
}

bool alike(double a, double b) {
  return a == b || std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b)) + 1e-7;
}

// Where two states differ by more than rounding, and by how much.
std::string difference(const State& expected, const State& found, double rounding = 1e-8) {
  for (const auto& [name, tensor] : expected) {
    if (!found.contains(name)) return name + " is missing";
    const Tensor other = found.at(name);
    if (other.device() != testing::stand_in()) return name + " is on " + other.device().str();
    const Tensor here = other.detach().cpu();
    if (!at::allclose(here, tensor, 10 * rounding, rounding))
      return fmt::format("{} differs by {:.2g}", name, (here - tensor).abs().max().item<double>());
  }
  return {};
}

// The same of two results of an evaluation.
std::string difference(const nlohmann::json& expected, const nlohmann::json& found,
                       const std::string& where = {}) {
  if (expected.is_number() && found.is_number() && alike(expected.get<double>(), found.get<double>()))
    return {};
  if (!expected.is_structured() || expected.type() != found.type() || expected.size() != found.size())
    return expected == found ? ""
                             : where + ": expected " + expected.dump() + ", found " + found.dump() + "\n";
  std::string all;
  if (expected.is_array())
    for (std::size_t i = 0; i < expected.size(); ++i)
      all += difference(expected[i], found[i], where + "/" + std::to_string(i));
  else
    for (const auto& [key, value] : expected.items())
      all += found.contains(key) ? difference(value, found[key], where + "/" + key)
                                 : where + ": no " + key + "\n";
  return all;
}

// Calls for every combination; what goes wrong, by its name.
template <class Try>
std::string problems_of(const std::vector<Combination>& combinations, const Try& attempt) {
  std::string problems;
  for (const Combination& combination : combinations) {
    std::string problem;
    try {
      problem = attempt(combination);
    } catch (const c10::Error& error) {
      problem = std::string("LibTorch: ") + error.what_without_backtrace();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    if (!problem.empty()) problems += combination.name() + ": " + problem + "\n";
  }
  return problems;
}

// What is wrong with a training on the device, and in which steps the host waits; empty: it is as on the CPU.
std::string compared(const Combination& combination, bool may_wait, int& trained) {
  Waits waits;
  const Ended expected = ended([&] { return trained_session(on_cpu(combination))->assembly->state(); });
  const Ended found = ended([&] { return trained_in_parts(on_device(combination), waits); });
  if (found.refusal != expected.refusal)
    return "refused: " + found.refusal + "; on the CPU: " + expected.refusal;
  trained += found.refusal.empty();
  return (may_wait ? "" : waits.text()) + difference(expected.state, found.state);
}

TEST_CASE(
    "every pair trains, resumes or is refused on a device as on the CPU, and no step keeps the host waiting") {
  int trained = 0;
  const std::string problems = problems_of(pairwise(), [&](const Combination& combination) {
    // LibTorch's matrix exponential chooses its degree on the host.
    return compared(combination, combination.family == "rotated", trained);
  });
  INFO(problems);
  CHECK(problems.empty());
  CHECK(trained > 10);
}

std::string images(const std::string& more) {
  return "[data.dataset]\ntype = \"model\"\nlatent = 2\nshape = [1, 8, 8]\ndecoder = { type = \"linear\" }\n"
         "prior = { type = \"gaussian\" }\nlikelihood = { type = \"gaussian\" }\n" +
         more;
}

// Models whose evaluation takes all ways: curvature and penalties, conditions and missing values.
std::vector<Combination> evaluated_ones() {
  std::vector<Combination> all;
  for (const Rows rows : {Rows::kComplete, Rows::kCondition, Rows::kMissing, Rows::kBoth}) {
    all.emplace_back();
    all.back().rows = rows;
  }
  all.push_back({.family = "full", .likelihood = "bernoulli", .objective = "grae-approx"});
  all.push_back({.family = "optimal", .likelihood = "student-t", .objective = "grae"});
  all.push_back({.family = "iaf", .prior = "mixture", .likelihood = "categorical"});
  all.push_back({.prior = "conditional", .rows = Rows::kCondition});
  return all;
}

constexpr int kRowsOfBytes = 16384;  // four each

// Bytes in a file, which are read where they lie, made densities, and drawn as bits.
std::string bytes(const std::string& more) {
  static const Folder folder;
  static const bool is_written = [] {
    std::string header =
        fmt::format("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}, 1, 2, 2), }}", kRowsOfBytes);
    header.resize(117, ' ');
    std::ofstream file(folder.path() / "x.npy", std::ios::binary);
    file << "\x93NUMPY\x01" << '\0' << "v" << '\0' << header << "\n";
    for (int i = 0; i < 4 * kRowsOfBytes; ++i) file << static_cast<char>(i * 37 % 251);
    return file.good();
  }();
  REQUIRE(is_written);
  return "[data]\n" + more + "[data.dataset]\nname = \"bytes\"\nfolder = \"" + folder.path().string() +
         "\"\nshape = [1, 2, 2]\nx = \"x.npy\"\n";
}

// Other networks, optimizers and data than the pairs have.
std::vector<Combination> others() {
  const std::string drawn = images("size = 12\ntest = 6\n");
  const std::string optimizer = "clip_norm = 0.1\n[train.optimizer]\ntype = ";
  std::vector<Combination> all;
  all.push_back(
      {.objective = "grae",
       .data = drawn,
       .encoder = "type = \"conv\", channels = [4], hidden = [4]",
       .decoder = "type = \"conv\", channels = [4], hidden = [4], normalisation = \"group\", groups = 2",
       .train = "evaluate_every = 3\n"});
  all.push_back({.objective = "grae-approx",
                 .data = drawn,
                 .encoder = "type = \"resnet\", channels = [4], hidden = [4]",
                 .decoder = "type = \"resnet\", channels = [4], hidden = [4], normalisation = \"layer\"",
                 .train = "evaluate_every = 0\n" + optimizer + "\"sgd\"\nmomentum = 0.9\n"});
  all.push_back({.data = drawn,
                 .encoder = "type = \"mlp\", hidden = [4], normalisation = \"spectral\"",
                 .decoder = "type = \"mlp\", hidden = [4], normalisation = \"layer\"",
                 .train = "evaluate_every = 0\n" + optimizer + "\"rmsprop\"\nweight_decay = 0.1\n"});
  all.push_back({.objective = "grae",
                 .data = drawn,
                 .encoder = "type = \"linear\"",
                 .decoder = "type = \"linear\"",
                 .train = "evaluate_every = 0\n" + optimizer + "\"adamw\"\n"});
  all.push_back({.data = images("fresh = true\ntest = 6\n")});
  all.push_back({.data = bytes("stream = true\ndequantise = true\n")});
  all.push_back({.likelihood = "bernoulli", .data = bytes("binarise = \"dynamic\"\n")});
  all.push_back({.decoder = "type = \"rotated\", of = { type = \"linear\" }"});
  return all;
}

TEST_CASE("networks, optimizers, evaluations and fresh data do on a device what they do on the CPU") {
  int trained = 0;
  const std::string problems = problems_of(
      others(), [&](const Combination& combination) { return compared(combination, false, trained); });
  INFO(problems);
  CHECK(problems.empty());
  CHECK(trained == static_cast<int>(others().size()));
}

TEST_CASE("data that the device has no memory for are sent batch by batch") {
  const testing::SmallMemory small(2 * kRowsOfBytes);
  int trained = 0;
  Combination combination;
  combination.data = bytes("");
  CHECK(compared(combination, false, trained) == "");
  combination.likelihood = "bernoulli";
  combination.data = bytes("binarise = \"dynamic\"\n");
  CHECK(compared(combination, false, trained) == "");
  CHECK(trained == 2);
}

double loss(Combination combination, const std::string& device) {
  combination.device = device;
  combination.precision = "bfloat16";
  const auto session = trained_session(combination);
  session->assembly->model().rng.set_current_seed(5);
  return session->assembly->model().evaluate(session->batches->training(0)).loss.mean().item<double>();
}

TEST_CASE("mixed precision is that of GPUs, and near the CPU's") {
  for (const Combination& combination : evaluated_ones()) {
    INFO(combination.name());
    CHECK(loss(combination, "auto") == testing::Approx(loss(combination, "cpu")).epsilon(0.02));
  }
}

TEST_CASE("float32 does on a device what it does on the CPU") {
  for (const char* objective : {"beta-vae", "grae", "grae-approx", "dip-vae-ii"}) {
    Combination here, there;
    here.objective = there.objective = objective;
    there.device = "auto";
    CHECK(difference(trained_session(here)->assembly->state(), trained_session(there)->assembly->state(),
                     1e-5) == "");
  }
}

TEST_CASE("a training goes on from one device to the other") {
  const State expected = trained_session(on_cpu({}))->assembly->state();
  CHECK(difference(expected, handed_over(on_cpu({}), on_device({}))).empty());
  const State back = handed_over(on_device({}), on_cpu({}));
  for (const auto& [name, tensor] : expected) CHECK(at::allclose(back.at(name), tensor, 1e-7, 1e-8));
}

TEST_CASE("recorded steps of a device are its plain steps") {
  for (const char* objective : {"beta-vae", "grae", "grae-approx", "factor-vae"}) {
    Combination combination;
    combination.objective = objective;
    CHECK(not_recordable(on_device(combination)) == "");
  }
}

TEST_CASE("all metrics and commands give on a device what they give on the CPU") {
  const std::string problems = problems_of(evaluated_ones(), [](const Combination& combination) {
    const auto here = trained_session(on_cpu(combination)), there = trained_session(on_device(combination));
    std::string found = difference(evaluated(*here), evaluated(*there));
    const std::vector<Answer> expected = answers_of_commands(*here, *here),
                              answers = answers_of_commands(*there, *here);
    for (std::size_t i = 0; i < expected.size(); ++i)
      if (answers[i].without != expected[i].without)
        found += answers[i].name + ": " + answers[i].without.begin()->second + "\n";
    return found;
  });
  INFO(problems);
  CHECK(problems.empty());
}

TEST_CASE("draws of a device are pictures like the CPU's") {
  Combination complete;
  complete.rows = Rows::kComplete;
  complete.likelihood = "bernoulli";
  const auto here = trained_session(on_cpu(complete)), there = trained_session(on_device(complete));
  for (const bool noise : {false, true})
    CHECK((exports::samples(*here, 4, noise).pixels == exports::samples(*there, 4, noise).pixels));
  CHECK((exports::traversals(*here).pixels == exports::traversals(*there).pixels));
}

TEST_CASE("a prior is fitted ex post on a device as on the CPU") {
  const Folder folder;
  const auto fitted = [&](const Combination& combination, const char* name) {
    config::Diagnostics diagnostics;
    const auto prior = config::parse_component("{ type = \"mixture\", components = 2 }", "--prior",
                                               Kind::kPrior, registry(), diagnostics);
    diagnostics.throw_if_any();
    const auto session = trained_session(combination);
    return train::use_ex_post_prior(*session, *session, prior, registry(), folder.path() / name);
  };
  const train::ExPostFit here = fitted(on_cpu({}), "here"), there = fitted(on_device({}), "there");
  CHECK(there.latents_before == testing::Approx(here.latents_before).epsilon(1e-6));
  CHECK(there.latents_after == testing::Approx(here.latents_after).epsilon(1e-4));
}

TEST_CASE("what is known of rows lies on the device") {
  Combination both;
  both.rows = Rows::kBoth;
  const auto session = trained_session(on_device(both));
  for (const Batch& batch :
       {session->batches->training(0), session->batches->evaluation(0, 2), session->rows(2)})
    for (const Tensor& tensor :
         {batch.x, batch.context.labels, batch.context.condition, batch.context.mask, batch.context.index}) {
      REQUIRE(tensor.defined());
      CHECK(tensor.device() == testing::stand_in());
    }
}

// A standard normal prior, parts of which forget the device.
class Forgetful final : public Prior {
 public:
  enum class What { kBuffer, kResult, kGenerator };
  explicit Forgetful(What what) : what_(what) {}
  Tensor log_prob(const Tensor& z, const Context&) override {
    if (what_ == What::kBuffer)
      return (z - at::zeros({z.size(-1)}, z.options().device(at::kCPU))).square().sum(-1);
    return what_ == What::kResult ? z.square().sum(-1).cpu() : z.square().sum(-1);
  }
  Tensor sample(int64_t n, Generator&, const Context&) override {
    Generator own = model::make_generator(at::kCPU, 1);
    return at::randn({n, 2}, own, at::TensorOptions(at::kDouble).device(testing::stand_in()));
  }

 private:
  What what_;
};

TEST_CASE("a component that forgets the device is named before the training") {
  const auto session = trained_session(on_device({}));
  HostModel& model = session->assembly->model();
  const auto forget = [&](Forgetful::What what) {
    model.set(Kind::kPrior, std::make_shared<Forgetful>(what), "forgetful (tests)");
  };
  const auto message = [&](const auto& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "it was not noticed";
  };
  forget(Forgetful::What::kBuffer);
  const std::string mixed = message([&] { session->preflight(registry()); });
  CHECK_THAT(mixed, ContainsSubstring("prior forgetful (tests), in log_prob"));
  CHECK_THAT(mixed, ContainsSubstring("standin:0 and cpu"));
  forget(Forgetful::What::kResult);
  CHECK_THAT(
      message([&] { session->preflight(registry()); }),
      ContainsSubstring("prior forgetful (tests), in log_prob: log_prob returned a tensor on cpu; expected "
                        "standin:0"));
  forget(Forgetful::What::kGenerator);
  CHECK_THAT(message([&] { model.sample_prior(3, {}); }),
             ContainsSubstring("prior forgetful (tests), in sample"));
}

}  // namespace
}  // namespace variform::composition
