#pragma once
// The parameter `coupling` of families that contain the diagonal Gaussian: how near to it they start, and how fast they
// may leave it.

#include <variform/component.h>
#include <variform/schema.h>

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>

namespace variform {

/// The parameter `coupling` of such families.
constexpr Parameter coupling_parameter() {
  return number("coupling", 0.1)
      .above(0)
      .doc(
          "How far the encoder's first outputs, and its first steps, take the posterior from a diagonal one: "
          "the numbers that go beyond it are multiplied by coupling / √N, where N is how many there are.");
}

/// Returns the factor of each of `count` numbers beyond the diagonal family, 0-dim. A step of Adam changes every number
/// by about the same, and the KL divergence from the diagonal Gaussian is about half the sum of their squares: with the
/// factor, neither depends on `count` (theory §11). It is state of the family: a checkpoint holds the factor that it
/// was trained with. One without a factor is refused, since its numbers had another meaning.
inline Tensor register_coupling(Component& family, const Build& build, std::int64_t count) {
  const double numbers = static_cast<double>(count < 1 ? 1 : count);
  return family.register_buffer("coupling",
                                at::full({}, build.number("coupling") / std::sqrt(numbers), build.options));
}

}  // namespace variform
