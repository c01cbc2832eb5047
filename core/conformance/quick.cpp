// See quick.h.

#include "conformance/quick.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace variform::conformance {
namespace {

// By what they have cost: a family takes a second or two for all of them.
constexpr std::array<std::string_view, 27> kQuick{
    "create",      "runs",           "inputs",     "shapes",         "dtypes",       "finite",
    "global-rng",  "determinism",    "rows",       "call-settings",  "repeats",      "registered",
    "rounding",    "host-reads",     "dependence", "no-grad",        "state",        "gradients-finite",
    "gradients",   "trained",        "normalised", "sample-density", "draw-density", "independence",
    "part-values", "loss-per-datum", "mean"};
// Of families and priors.
constexpr std::array<std::string_view, 6> kOfDistributions{"entropy",       "moments",  "kl",
                                                           "cross-entropy", "gaussian", "reduction"};
constexpr std::array<std::string_view, 2> kOfDecoders{"pushforward-value", "pushforward-gradient"};

// A component may need surroundings that a test has not, and may read values on the host if it must; who called it puts
// settings back.
constexpr std::array<std::string_view, 5> kIndecisive{"create", "runs", "host-reads", "call-settings",
                                                      "dependence"};

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

}  // namespace variform::conformance
