// Sample quality: distances with a closed form, and neighbourhoods counted by hand.

#include "metrics/quality.h"

#include <ATen/ATen.h>

#include <variform/testing.h>

#include <vector>

#include "catch.h"

namespace variform::metrics {
namespace {

using testing::Approx;
using testing::ContainsSubstring;

at::Tensor random_rows(at::IntArrayRef shape, uint64_t seed) {
  at::Generator rng = testing::generator(seed);
  return at::randn(shape, rng, at::kDouble);
}

// RᵀDR for a random orthogonal R.
at::Tensor rotated(const at::Tensor& variances, uint64_t seed) {
  const at::Tensor r = std::get<0>(at::linalg_qr(random_rows({variances.size(0), variances.size(0)}, seed)));
  return r.t().mm(variances.diag()).mm(r);
}

TEST_CASE("the Fréchet distance of Gaussians has the closed forms of equal, shifted and commuting ones") {
  const at::Tensor mean = random_rows({6}, 1), shift = random_rows({6}, 2);
  const at::Tensor a = random_rows({6}, 3).square() + 0.1, b = random_rows({6}, 4).square() + 0.1;
  const at::Tensor first = rotated(a, 5), second = rotated(b, 5), other = rotated(b, 6);
  CHECK(frechet_distance(mean, first, mean, first) < 1e-13);
  CHECK(frechet_distance(mean, first, mean + shift, first) ==
        Approx(shift.square().sum().item<double>()).epsilon(1e-12));
  const double commuting = (a.sqrt() - b.sqrt()).square().sum().item<double>();
  CHECK(frechet_distance(mean, first, mean, second) == Approx(commuting).epsilon(1e-12));
  CHECK(frechet_distance(mean, first, mean, other) ==
        Approx(frechet_distance(mean, other, mean, first)).epsilon(1e-12));
  // Between those of the same eigenvectors, in the same order of eigenvalues and in the opposite one.
  const at::Tensor rising = std::get<0>(a.sort()).sqrt(), matched = std::get<0>(b.sort()).sqrt();
  CHECK(frechet_distance(mean, first, mean, other) > (rising - matched).square().sum().item<double>());
  CHECK(frechet_distance(mean, first, mean, other) <
        (rising - matched.flip(0)).square().sum().item<double>());
}

TEST_CASE("the Fréchet distance of degenerate Gaussians is finite") {
  const at::Tensor zero = at::zeros({5}, at::kDouble), none = at::zeros({5, 5}, at::kDouble);
  const at::Tensor line = at::outer(zero + 2, zero + 2);  // rank 1, trace 20
  CHECK(frechet_distance(zero, none, zero, none) == 0);
  CHECK(frechet_distance(zero, none, zero, line) == Approx(20));
  CHECK(frechet_distance(zero, line, zero, 4 * line) == Approx(20));  // (2 − 1)² of the trace
}

TEST_CASE("precision and recall count rows within neighbourhoods") {
  const auto rows = [](std::vector<double> x) { return at::tensor(x, at::kDouble).unsqueeze(1); };
  // Radii with k = 1: 1 for 0 and 1, 2 for 3, 7 for 10.
  const at::Tensor real = rows({0, 1, 3, 10});
  // Radii with k = 1: 0.5, 0.5, 2.5, 2.5.
  const PrecisionRecall one = precision_recall(real, rows({-0.75, -1.25, 11, 13.5}), 1);
  CHECK(one.precision == Approx(3.0 / 4));  // −1.25 is more than 1 from 0
  CHECK(one.recall == Approx(1.0 / 4));     // only 10 is within 2.5 of 11
  const PrecisionRecall same = precision_recall(real, real, 1);
  CHECK(same.precision == 1);
  CHECK(same.recall == 1);
  // A collapsed model: within the data, but covering nothing.
  const PrecisionRecall collapsed =
      precision_recall(random_rows({50, 2}, 1), at::zeros({50, 2}, at::kDouble), 3);
  CHECK(collapsed.precision == 1);
  CHECK(collapsed.recall == 0);
  CHECK_THROWS_WITH(precision_recall(real, rows({1, 2, 3}), 3), ContainsSubstring("more than 3 rows"));
}

TEST_CASE("precision and recall are the same in chunks") {
  const at::Tensor real = random_rows({3000, 3}, 7),
                   made = 0.8 * random_rows({3000, 3}, 8);  // 1398 rows at once
  const at::Tensor all = at::cdist(made, real), own = at::cdist(real, real);
  const at::Tensor radius = std::get<0>(own.sort(1)).select(1, 3);  // the row itself comes first
  const double expected = (all <= radius).any(1).to(at::kDouble).mean().item<double>();
  CHECK(expected < 0.999);
  CHECK(precision_recall(real, made, 3).precision == Approx(expected).epsilon(1e-12));
}

}  // namespace
}  // namespace variform::metrics
