// See quick.h.

#include "conformance/quick.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace variform::conformance {
namespace {

// Chosen by their cost: a family takes a second or two for all of them.
constexpr std::array<std::string_view, 32> kQuick{"create",
                                                  "runs",
                                                  "inputs",
                                                  "shapes",
                                                  "dtypes",
                                                  "finite",
                                                  "global-rng",
                                                  "determinism",
                                                  "rows",
                                                  "call-settings",
                                                  "repeats",
                                                  "registered",
                                                  "rounding",
                                                  "host-reads",
                                                  "dependence",
                                                  "no-grad",
                                                  "state",
                                                  "gradients-finite",
                                                  "gradients",
                                                  "trained",
                                                  "normalised",
                                                  "sample-density",
                                                  "draw-density",
                                                  "independence",
                                                  "part-values",
                                                  "loss-per-example",
                                                  "mean",
                                                  "schedules",
                                                  "marginals",
                                                  "evaluation",
                                                  "curvature-symmetric",
                                                  "hessian"};
// For families and priors.
constexpr std::array<std::string_view, 6> kOfDistributions{"entropy",       "moments",  "kl",
                                                           "cross-entropy", "gaussian", "reduction"};
constexpr std::array<std::string_view, 2> kOfDecoders{"pushforward-value", "pushforward-gradient"};

// A component may need an environment that a test lacks, may read values on the host if it must, and may work only in
// the config's precision; its caller restores settings; nothing is learned in evaluation mode.
constexpr std::array<std::string_view, 7> kIndecisive{"create",     "runs",   "host-reads", "call-settings",
                                                      "dependence", "dtypes", "evaluation"};

template <std::size_t n>
bool is_among(const std::array<std::string_view, n>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool is_quick(const Test& test, const std::string& component) {
  if (component == "library") return false;
  return is_among(kQuick, test.name) || is_among(kOfDistributions, test.name) ||
         is_among(kOfDecoders, test.name);
}

bool is_decisive(const std::string& test) { return !is_among(kIndecisive, test); }

// Modes are restored after each call, in tests as in training, so that other faults are still visible.
bool blocks_quick_run(const std::string& test) { return test != "call-settings"; }

}  // namespace variform::conformance
