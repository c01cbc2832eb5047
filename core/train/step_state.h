#pragma once
// All that a training step changes, kept and put back: by it a replayed step is compared with the plain one.

#include <variform/objective.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace variform::train {

/// Where a step's state lives.
struct StepState {
  std::function<std::map<std::string, Tensor>()> tensors;  ///< by name, the live ones
  Generator rng;
};

/// A copy of a step's state at one moment.
class KeptState {
 public:
  explicit KeptState(const StepState& state);
  /// Copies it back, in place.
  void put_back(const StepState& state) const;
  /// Returns the name of what has other bits in `other`; empty: nothing.
  std::string difference(const KeptState& other) const;

 private:
  std::map<std::string, Tensor> tensors_;
  Tensor rng_;
};

/// Whether shape, dtype and all bits are equal.
bool same_bits(const Tensor& a, const Tensor& b);

/// Returns the name of the term ("loss", or a part's name) that has other bits; empty: none has.
std::string difference(const Terms& a, const Terms& b);

/// Addresses of a step's tensors: whether a recording's memory is still theirs.
std::vector<const void*> places_of(const StepState& state);

}  // namespace variform::train
