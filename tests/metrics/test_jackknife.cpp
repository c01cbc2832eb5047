// The jackknife's error: for a mean it is the usual standard error, in closed form.

#include "metrics/jackknife.h"

#include <variform/testing.h>

#include <vector>

#include "catch.h"

namespace variform::metrics {
namespace {

using testing::Approx;

TEST_CASE("the jackknife of a mean is s/√n; with groups left out, that of the groups' means") {
  const std::vector<double> values{1.5, -2, 0.25, 7, 3, 3.5, -1, 4};
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value, squares += value * value;
  std::vector<double> without, groups;
  for (const double value : values) without.push_back((sum - value) / (n - 1));
  const double variance = (squares - sum * sum / n) / (n - 1);
  CHECK(jackknife_error(without) == Approx(std::sqrt(variance / n)).epsilon(1e-13));
  // Four groups of two: the means' standard error over √4.
  double spread = 0;
  for (std::size_t k = 0; k < values.size(); k += 2) {
    groups.push_back((sum - values[k] - values[k + 1]) / (n - 2));
    spread += std::pow((values[k] + values[k + 1]) / 2 - sum / n, 2);
  }
  CHECK(jackknife_error(groups) == Approx(std::sqrt(spread / 3 / 4)).epsilon(1e-13));
}

TEST_CASE("a statistic that does not depend on what is left out has no error") {
  CHECK(jackknife_error({2.5, 2.5, 2.5}) == 0);
}

}  // namespace
}  // namespace variform::metrics
