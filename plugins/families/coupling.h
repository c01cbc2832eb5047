#pragma once
// How families that contain the diagonal Gaussian begin beside it, and how fast they may leave it.

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

/// What each of `count` numbers beyond the diagonal family is multiplied by, 0-dim. A step of Adam changes every
/// number by about as much, and the KL divergence from the diagonal Gaussian is about half the sum of their squares:
/// so neither depends on how many there are (theory §11). It is state of the family: a checkpoint holds the factor
/// that it was trained with, and one that holds none (the numbers meant something else then) is refused.
inline Tensor register_coupling(Component& family, const Build& build, std::int64_t count) {
  const double numbers = static_cast<double>(count < 1 ? 1 : count);
  return family.register_buffer("coupling",
                                at::full({}, build.number("coupling") / std::sqrt(numbers), build.options));
}

}  // namespace variform
