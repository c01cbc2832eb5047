#pragma once
// Calls everything that a component of a kind can do, on inputs drawn from a seed, and keeps what came back: shapes,
// dtypes, determinism, state, gradients and more are statements about that list.

#include <string>
#include <vector>

#include "conformance/test.h"

namespace variform::conformance {

struct Input {
  std::string name;
  Tensor value;
  bool differentiable = false;  ///< what is observed must be differentiable in it
};

/// One tensor that the component returned.
struct Observation {
  std::string name;            ///< "log_prob"
  Tensor value;                ///< may be undefined: then that is the finding
  Shape expected;              ///< its shape by the interface
  bool differentiable = true;  ///< in the component's parameters and in its differentiable inputs
  int64_t rows = -1;           ///< the dimension along which the batch lies; −1: none
  bool own_dtype = true;       ///< must have the model's dtype; false: float64 is asked for
};

/// What a call did beside what it returned.
struct Deed {
  enum class What { kDrewGlobally, kReadOnHost, kChangedSettings };
  std::string function;  ///< "rsample"
  What what;
  std::string detail;  ///< which settings; how many reads
};

/// Inputs for a batch of B, the same for the same seed. `strided`: the same values in tensors that are not contiguous.
std::vector<Input> make_inputs(Rig& rig, int64_t B, std::uint64_t seed, bool strided = false);

/// Everything that the component does with them; abilities that it does not have (Unsupported) are left out. Draws come
/// from the model's generator, seeded with `seed`, and buffers start from Rig::restore_buffers(). Inputs are held
/// against copies: a changed one is a failure.
/// Modes that calls leave switched are put back. `deeds`: where to put what calls did beside.
std::vector<Observation> exercise(Rig& rig, const std::vector<Input>& inputs, std::uint64_t seed,
                                  std::vector<Deed>* deeds = nullptr);

/// make_inputs and exercise.
std::vector<Observation> exercise(Rig& rig, int64_t B, std::uint64_t seed);

/// A loss made of what is differentiable: Σ w·observation with fixed random weights. Undefined if nothing is.
Tensor weighted_sum(const std::vector<Observation>& observations, std::uint64_t seed);

}  // namespace variform::conformance
