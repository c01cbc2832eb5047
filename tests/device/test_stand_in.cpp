// Everything that stock components compose to, on a device that is not the CPU (stand_in.h): the numbers are the CPU's, no
// step keeps the host waiting, and a component that forgets the device is named.

#include "catch.h"
#include "composition/compose.h"
#include "stand_in.h"

#include <ATen/ATen.h>

#include <fmt/format.h>
#include <map>
#include <set>

#include "model/batches.h"
#include "model/session.h"
#include "train/trainer.h"

namespace variform::composition {
namespace {

using State = std::map<std::string, Tensor>;

// In float64, so that another order of sums does not show; learning rates are float32 on a device.
Combination on(const std::string& device, Combination combination) {
  combination.device = device;
  combination.precision = "float64";
  return combination;
}
Combination on_cpu(const Combination& combination) { return on("cpu", combination); }
Combination on_device(const Combination& combination) { return on("auto", combination); }

// What a training ends with, or the reason why there is none.
std::string outcome(const Combination& combination, State& state) {
  try {
    state = trained_session(combination)->assembly->state();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// Where two states differ by more than rounding, and by how much.
std::string difference(const State& expected, const State& found) {
  for (const auto& [name, tensor] : expected) {
    if (!found.contains(name)) return name + " is missing";
    const Tensor other = found.at(name);
    if (other.device() != testing::stand_in()) return name + " is on " + other.device().str();
    const Tensor here = other.detach().cpu();
    if (!at::allclose(here, tensor, 1e-7, 1e-9))
      return fmt::format("{} differs by {:.2g}", name, (here - tensor).abs().max().item<double>());
  }
  return {};
}

TEST_CASE("every pair trains, resumes or is refused on a device as on the CPU") {
  std::string problems;
  int trained = 0;
  for (const Combination& combination : pairwise()) try {
      State expected, found;
      const std::string refused = outcome(on_cpu(combination), expected);
      std::string problem = outcome(on_device(combination), found);
      if (problem == refused) problem = difference(expected, found);
      if (refused.empty() && problem.empty()) problem = refusal(on_device(combination));
      trained += refused.empty();
      if (!problem.empty() && problem != refused) problems += combination.name() + ": " + problem + "\n";
    } catch (const c10::Error& error) {
      problems += combination.name() + ": LibTorch: " + error.what_without_backtrace() + "\n";
    } catch (const std::exception& error) {
      problems += combination.name() + ": " + error.what() + "\n";
    }
  INFO(problems);
  CHECK(problems.empty());
  CHECK(trained > 10);
}

// What the host waited for in steps that write no line of the log.
class Waits final : public train::Observer {
 public:
  void stepped(int64_t step, int64_t, const std::map<std::string, double>& logged) override {
    if (step > 1 && logged.empty())
      for (const std::string& wait : since_->waits()) found.insert(wait);
    since_ = std::make_unique<testing::Crossings>();
  }
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}
  std::set<std::string> found;

 private:
  std::unique_ptr<testing::Crossings> since_ = std::make_unique<testing::Crossings>();
};

TEST_CASE("no step of what trains keeps the host waiting for the device") {
  std::string problems;
  for (const Combination& combination : pairwise()) {
    if (combination.family == "rotated")
      continue;  // LibTorch's matrix exponential chooses its degree on the host
    Waits waits;
    try {
      train(on_device(combination), 5, waits);
    } catch (const std::exception&) {  // the case above is about refusals
    }
    for (const std::string& wait : waits.found) problems += combination.name() + ": " + wait + "\n";
  }
  INFO(problems);
  CHECK(problems.empty());
}

}  // namespace
}  // namespace variform::composition
