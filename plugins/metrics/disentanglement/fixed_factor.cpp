// See fixed_factor.h.

#include "fixed_factor.h"

#include <algorithm>
#include <cmath>

#include <variform/shuffle.h>
#include "linear.h"

namespace variform::metrics {
namespace {

// Draws rows that share a factor's value.
class Sampler {
 public:
  Sampler(const Classes& factors, std::uint64_t seed)
      : factors_(factors), bits_(seed), rows_(factors.columns) {
    for (std::size_t j = 0; j < factors.columns; ++j)
      for (std::size_t n = 0; n < factors.rows; ++n) {
        auto& groups = rows_[j];
        const auto k = static_cast<std::size_t>(factors(n, j));
        if (groups.size() <= k) groups.resize(k + 1);
        groups[k].push_back(n);
      }
  }
  std::size_t any_factor() { return bits_.below(factors_.columns); }
  std::size_t any_row() { return bits_.below(factors_.rows); }
  /// Returns a row whose factor j has the same value as in row n.
  std::size_t like(std::size_t n, std::size_t j) {
    const std::vector<std::size_t>& group = rows_[j][static_cast<std::size_t>(factors_(n, j))];
    return group[bits_.below(group.size())];
  }

 private:
  const Classes& factors_;
  SplitMix bits_;
  std::vector<std::vector<std::vector<std::size_t>>> rows_;  // of every factor and value
};

Accuracy with_error(double share, std::size_t count) {
  return {share, std::sqrt(share * (1 - share) / static_cast<double>(count))};
}

// Returns the active latent that varies least, relative to `all`, in a batch with factor j fixed.
std::size_t least_varying(const Numbers& codes, Sampler& sampler, std::size_t j,
                          const std::vector<double>& all, const std::vector<std::size_t>& active,
                          std::size_t size) {
  const std::size_t first = sampler.any_row();
  Numbers batch(size, active.size());
  for (std::size_t b = 0; b < size; ++b) {
    const std::size_t n = sampler.like(first, j);
    for (std::size_t i = 0; i < active.size(); ++i) batch(b, i) = codes(n, active[i]);
  }
  std::vector<double> relative = variances(batch);
  for (std::size_t i = 0; i < active.size(); ++i) relative[i] /= all[active[i]];
  return static_cast<std::size_t>(std::min_element(relative.begin(), relative.end()) - relative.begin());
}

// Returns `count` points of β-VAE's score, and the factors that were fixed.
std::pair<Numbers, std::vector<int>> differences(const Numbers& codes, Sampler& sampler, std::size_t count,
                                                 std::size_t batch) {
  Numbers points(count, codes.columns);
  std::vector<int> fixed(count);
  for (std::size_t p = 0; p < count; ++p) {
    const std::size_t j = sampler.any_factor();
    fixed[p] = static_cast<int>(j);
    for (std::size_t b = 0; b < batch; ++b) {
      const std::size_t n = sampler.any_row(), m = sampler.like(n, j);
      for (std::size_t i = 0; i < codes.columns; ++i)
        points(p, i) += std::abs(codes(n, i) - codes(m, i)) / static_cast<double>(batch);
    }
  }
  return {std::move(points), std::move(fixed)};
}

}  // namespace

bool any_varies(const Numbers& codes) {
  constexpr double kRounding = 1e-6;
  for (std::size_t i = 0; i < codes.columns; ++i) {
    const std::vector<double> column = codes.column(i);
    const auto [low, high] = std::minmax_element(column.begin(), column.end());
    if (*high - *low > kRounding * std::max(std::abs(*low), std::abs(*high))) return true;
  }
  return false;
}

std::vector<double> variances(const Numbers& codes) {
  std::vector<double> mean(codes.columns), result(codes.columns);
  for (std::size_t n = 0; n < codes.rows; ++n)
    for (std::size_t i = 0; i < codes.columns; ++i) mean[i] += codes(n, i) / static_cast<double>(codes.rows);
  for (std::size_t n = 0; n < codes.rows; ++n)
    for (std::size_t i = 0; i < codes.columns; ++i)
      result[i] += (codes(n, i) - mean[i]) * (codes(n, i) - mean[i]);
  for (double& variance : result) variance /= static_cast<double>(codes.rows - 1);
  return result;
}

Accuracy factor_vae_score(const Numbers& codes, const Classes& factors, std::uint64_t seed,
                          double least_variance, const BatchProtocol& protocol) {
  const std::vector<double> all = variances(codes);
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] >= least_variance) active.push_back(i);
  if (active.empty()) return {};
  Sampler sampler(factors, seed);
  Array<int> votes(active.size(), factors.columns);
  const auto vote = [&](std::size_t j) {
    return least_varying(codes, sampler, j, all, active, protocol.batch);
  };
  for (std::size_t p = 0; p < protocol.train; ++p) {
    const std::size_t j = sampler.any_factor();
    ++votes(vote(j), j);
  }
  std::vector<std::size_t> meaning;
  for (std::size_t i = 0; i < active.size(); ++i) {
    const auto row = votes.values.begin() + static_cast<std::ptrdiff_t>(i * votes.columns);
    meaning.push_back(static_cast<std::size_t>(
        std::max_element(row, row + static_cast<std::ptrdiff_t>(votes.columns)) - row));
  }
  std::size_t right = 0;
  for (std::size_t p = 0; p < protocol.test; ++p) {
    const std::size_t j = sampler.any_factor();
    right += meaning[vote(j)] == j;
  }
  return with_error(static_cast<double>(right) / static_cast<double>(protocol.test), protocol.test);
}

Accuracy beta_vae_score(const Numbers& codes, const Classes& factors, std::uint64_t seed,
                        const BatchProtocol& protocol) {
  Sampler sampler(factors, seed);
  const auto [train, train_of] = differences(codes, sampler, protocol.train, protocol.batch);
  const auto [test, test_of] = differences(codes, sampler, protocol.test, protocol.batch);
  const LinearClassifier classifier(train, train_of, {LinearOptions::Loss::kLogistic, 1, false});
  return with_error(accuracy(classifier.predict(test), test_of), protocol.test);
}

}  // namespace variform::metrics
