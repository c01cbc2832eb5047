#pragma once
// Random permutations and uniform numbers that are the same on every platform and standard library: resuming a run and
// comparing runs between machines depend on it. <random> does not specify its distributions that far.

#include <cstdint>
#include <utility>
#include <vector>

#include <variform/random.h>

namespace variform {
inline namespace v2 {

/// splitmix64: 64 random bits per step; the state is one number.
class SplitMix {
 public:
  /// Starts at `seed`.
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}

  /// 64 random bits.
  std::uint64_t next() {
    const std::uint64_t bits = mix(state_);
    state_ += 0x9E3779B97F4A7C15ull;
    return bits;
  }
  /// Uniform in [0, bound), without bias (Lemire 2019). bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(next()) * bound;
    if (static_cast<std::uint64_t>(product) < bound) {
      const std::uint64_t threshold = (0 - bound) % bound;
      while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>(next()) * bound;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

 private:
  std::uint64_t state_;
};

/// A uniformly random permutation of 0 … size − 1 (Fisher and Yates), a pure function of its arguments.
inline std::vector<std::int64_t> permutation(std::int64_t size, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  SplitMix bits(seed);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[bits.below(i)]);
  return order;
}

}  // namespace v2
}  // namespace variform
