#pragma once
// Calls everything that a component of a kind can do, on inputs drawn from a seed, and records the results. Tests of
// shapes, dtypes, determinism, state, gradients and more are statements about that list.

#include <string>
#include <vector>

#include "conformance/test.h"

namespace variform::conformance {

struct Input {
  std::string name;
  Tensor value;
  bool differentiable = false;  ///< observations must be differentiable in it
};

/// One tensor that the component returned.
struct Observation {
  std::string name;            ///< "log_prob"
  Tensor value;                ///< may be undefined, which is then the finding
  Shape expected;              ///< its shape by the interface
  bool differentiable = true;  ///< in the component's parameters and in its differentiable inputs
  int64_t rows = -1;           ///< the dimension along which the batch lies; −1: none
  bool own_dtype = true;       ///< must have the model's dtype; false: must be float64
};

/// A side effect of a call.
struct Deed {
  enum class What { kDrewGlobally, kReadOnHost, kChangedSettings };
  std::string function;  ///< "rsample"
  What what;
  std::string detail;  ///< which settings; how many reads
};

/// Returns inputs for a batch of B, the same for the same seed. `strided`: the same values, not contiguous.
std::vector<Input> make_inputs(Rig& rig, int64_t B, std::uint64_t seed, bool strided = false);

/// Does everything that the component can with them, except what is Unsupported. Draws come from the model's generator,
/// seeded with `seed`, and buffers start from Rig::restore_buffers(). Inputs are compared with copies: a changed one is
/// a failure. Modes that calls leave switched are restored. `deeds` receives side effects of calls.
std::vector<Observation> exercise(Rig& rig, const std::vector<Input>& inputs, std::uint64_t seed,
                                  std::vector<Deed>* deeds = nullptr);

/// make_inputs() and exercise().
std::vector<Observation> exercise(Rig& rig, int64_t B, std::uint64_t seed);

/// Returns a loss made of what is differentiable: Σ w·observation with fixed random weights. Undefined if nothing is.
Tensor weighted_sum(const std::vector<Observation>& observations, std::uint64_t seed);

}  // namespace variform::conformance
