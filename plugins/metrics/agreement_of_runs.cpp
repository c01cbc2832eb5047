// The metric `agreement`: how far the latents of several models agree with each other, and with the truth where it is
// known. agreement.h has the mathematics.

#include "agreement.h"

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

#include "disentanglement/fixed_factor.h"
#include "disentanglement/numbers_of.h"
#include "jackknife.h"

namespace variform::metrics {
namespace {

using Value = std::optional<double>;
using Pairs = std::vector<std::vector<Value>>;  // [R][R], symmetric, nothing on the diagonal

Value mean(const std::vector<double>& values) {
  if (values.empty()) return {};
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Value median(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// Returns a run's values with the other runs among `kept`.
std::vector<double> others(const Pairs& pairs, std::size_t run, const std::vector<std::size_t>& kept) {
  std::vector<double> values;
  for (std::size_t other : kept)
    if (other != run && pairs[run][other]) values.push_back(*pairs[run][other]);
  return values;
}

using Statistic = std::function<Value(const std::vector<std::size_t>&)>;  // of the runs kept

Statistic mean_of_pairs(const Pairs& pairs) {
  return [&pairs](const std::vector<std::size_t>& kept) {
    std::vector<double> values;
    for (std::size_t run : kept)
      for (double value : others(pairs, run, kept)) values.push_back(value);
    return mean(values);
  };
}

Statistic mean_of_medians(const Pairs& pairs) {
  return [&pairs](const std::vector<std::size_t>& kept) {
    std::vector<double> values;
    for (std::size_t run : kept)
      if (const Value value = median(others(pairs, run, kept))) values.push_back(*value);
    return mean(values);
  };
}

Statistic mean_of_runs(const std::vector<Value>& of_run) {
  return [&of_run](const std::vector<std::size_t>& kept) {
    std::vector<double> values;
    for (std::size_t run : kept)
      if (of_run[run]) values.push_back(*of_run[run]);
    return mean(values);
  };
}

// Leaves out one run at a time. Nothing for fewer than three runs, or where a statistic is not defined.
Value jackknife_of_runs(std::size_t runs, const Statistic& statistic) {
  std::vector<double> without;
  if (runs < 3) return {};
  for (std::size_t left_out = 0; left_out < runs; ++left_out) {
    std::vector<std::size_t> kept;
    for (std::size_t run = 0; run < runs; ++run)
      if (run != left_out) kept.push_back(run);
    const Value value = statistic(kept);
    if (!value) return {};
    without.push_back(*value);
  }
  return jackknife_error(without);
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Tensor tensor_of(const std::vector<Value>& values) {
  std::vector<double> plain;
  for (const Value& value : values) plain.push_back(value.value_or(kNaN));
  return at::tensor(plain, at::kDouble);
}
Tensor tensor_of(const Pairs& pairs) {
  std::vector<Tensor> rows;
  for (const std::vector<Value>& row : pairs) rows.push_back(tensor_of(row));
  return at::stack(rows);
}

std::vector<bool> flags_of(const Tensor& flags) {  // [d]
  std::vector<bool> result;
  for (int64_t i = 0; i < flags.size(0); ++i) result.push_back(flags[i].item<bool>());
  return result;
}

// Returns the latents of the wider run that the best matching leaves without a partner, counted from 0.
std::vector<std::size_t> without_partner(const Numbers& wide, const Numbers& narrow) {
  Numbers size = correlations(wide, narrow);
  for (double& value : size.values) value = std::abs(value);
  std::vector<std::size_t> unmatched;
  const auto assignment = best_assignment(size);
  for (std::size_t i = 0; i < assignment.size(); ++i)
    if (!assignment[i]) unmatched.push_back(i);
  return unmatched;
}

constexpr const char* kFloor = "; two latents turned at random score 0.90 ± 0.09: see angle";

// One comparison of several models.
class Comparison {
 public:
  Comparison(Compared& compared, Findings& findings)
      : compared_(compared), findings_(findings), all_(static_cast<std::size_t>(compared.runs())) {
    std::iota(all_.begin(), all_.end(), std::size_t{0});
    for (int64_t run = 0; run < compared.runs(); ++run) {
      codes_.push_back(numbers_of(compared.codes(run)));
      informative_.push_back(flags_of(compared.informative(run)));
    }
    if (const Tensor truth = compared.true_latents(); truth.defined()) truth_ = numbers_of(truth);
  }

  void run() {
    add_unmatched();
    add_angles();
    add_truth();
    add_correlations();
    add_rankings();
  }

 private:
  Pairs for_pairs(std::size_t count, const std::function<Value(std::size_t, std::size_t)>& value) {
    constexpr std::size_t kMeasures = 5;
    const auto all = static_cast<std::int64_t>(kMeasures * count * (count - 1) / 2);
    Pairs pairs(count, std::vector<Value>(count));
    for (std::size_t a = 0; a < count; ++a)
      for (std::size_t b = a + 1; b < count; ++b) {
        compared_.progress(pairs_done_++, all);
        pairs[a][b] = pairs[b][a] = value(a, b);
      }
    return pairs;
  }

  const Numbers& of(std::size_t run) const { return codes_[run]; }
  bool two() const {
    return std::all_of(codes_.begin(), codes_.end(), [](const Numbers& codes) { return codes.columns == 2; });
  }

  template <class Values>
  void add(const char* name, const Values& values, const Statistic& statistic, const char* reason) {
    const Value value = statistic(all_);
    findings_.array(name, tensor_of(values));
    if (value) findings_.number(name, *value, jackknife_of_runs(all_.size(), statistic));
    else findings_.undefined(name, reason);
  }

  // Says which latents of the wider of two models the best matching leaves without a partner.
  void add_unmatched() {
    for (std::size_t a = 0; a < all_.size(); ++a)
      for (std::size_t b = a + 1; b < all_.size(); ++b) {
        if (of(a).columns == of(b).columns) continue;
        const std::size_t wide = of(a).columns > of(b).columns ? a : b, narrow = a + b - wide;
        std::string latents;
        for (std::size_t latent : without_partner(of(wide), of(narrow)))
          latents += (latents.empty() ? "" : ", ") + std::to_string(latent);
        findings_.note("latents of '" + compared_.name(static_cast<int64_t>(wide)) +
                       "' without a partner in '" + compared_.name(static_cast<int64_t>(narrow)) +
                       "', counted from 0: " + latents);
      }
  }

  void add_correlations() {
    const auto both_vary = [&](std::size_t a, std::size_t b) {
      return any_varies(of(a)) && any_varies(of(b));
    };
    const Pairs pearson = for_pairs(all_.size(), [&](std::size_t a, std::size_t b) {
      return both_vary(a, b) ? Value(mean_correlation(correlations(of(a), of(b)))) : Value();
    });
    const Pairs spearman = for_pairs(all_.size(), [&](std::size_t a, std::size_t b) {
      return both_vary(a, b) ? Value(mean_correlation(rank_correlations(of(a), of(b)))) : Value();
    });
    add("mcc", pearson, mean_of_pairs(pearson), kNoPair);
    add("mcc_spearman", spearman, mean_of_pairs(spearman), kNoPair);
    if (two())
      for (const char* name : {"mcc", "mcc_spearman"}) findings_.detail(name, kFloor);
    std::vector<Value> means;
    for (std::size_t run : all_) means.push_back(mean(others(pearson, run, all_)));
    findings_.of_runs("mcc", tensor_of(means));
  }

  void add_rankings() {
    const auto strength = [&](Numbers (*similarity)(const Numbers&, const Numbers&)) {
      return for_pairs(all_.size(), [&, similarity](std::size_t a, std::size_t b) {
        return relative_strength(similarity(of(a), of(b)), informative_[a], informative_[b]);
      });
    };
    const Pairs spearman = strength(rank_correlations), lasso = strength(lasso_weights);
    constexpr const char* kReason = "no run has an informative latent together with another";
    add("udr", spearman, mean_of_medians(spearman), kReason);
    add("udr_lasso", lasso, mean_of_medians(lasso), kReason);
    std::vector<Value> medians;
    for (std::size_t run : all_) medians.push_back(median(others(spearman, run, all_)));
    findings_.of_runs("udr", tensor_of(medians));
  }

  static constexpr const char* kNoPair = "there is no pair of runs in which the latents of both vary";

  const char* why_no_angle() const {
    return two() ? "the codes do not vary" : "a rotation has one angle in two dimensions only";
  }

  void add_angles() {
    const Pairs angles =
        for_pairs(all_.size(), [&](std::size_t a, std::size_t b) { return folded_angle(of(a), of(b)); });
    add("angle", angles, mean_of_pairs(angles), why_no_angle());
  }

  void add_truth() {
    std::vector<Value> pearson(all_.size()), spearman(all_.size()), angles(all_.size());
    const char *reason = "the data have no known latents", *why = reason;
    if (truth_) {
      why = truth_->columns == of(0).columns ? why_no_angle() : "the data have another number of latents";
      for (std::size_t run : all_) {
        pearson[run] = mean_correlation(correlations(of(run), *truth_));
        spearman[run] = mean_correlation(rank_correlations(of(run), *truth_));
        angles[run] = folded_angle(of(run), *truth_);
      }
    }
    add("mcc_truth", pearson, mean_of_runs(pearson), reason);
    add("mcc_truth_spearman", spearman, mean_of_runs(spearman), reason);
    add("angle_truth", angles, mean_of_runs(angles), why);
    if (!truth_) return;
    if (two())
      for (const char* name : {"mcc_truth", "mcc_truth_spearman"}) findings_.detail(name, kFloor);
    findings_.of_runs("mcc_truth", tensor_of(pearson));
    findings_.of_runs("angle_truth", tensor_of(angles));
  }

  Compared& compared_;
  Findings& findings_;
  std::vector<Numbers> codes_;
  std::vector<std::vector<bool>> informative_;
  std::optional<Numbers> truth_;
  std::int64_t pairs_done_ = 0;
  std::vector<std::size_t> all_;
};

class Agreement final : public With<Metric, Compares> {
 public:
  explicit Agreement(const Build& /*build*/) {}

  std::vector<Quantity> quantities() const override { return {}; }
  void measure(Measured& /*at*/, Findings& /*findings*/) override {}

  std::vector<Quantity> comparisons() const override {
    const std::string matched = " correlation| of matched latents, mean over pairs of runs",
                      true_ones = " correlation| of matched latents with the true ones, mean over runs",
                      ranking =
                          "; latents with a KL above 0.01 nats; each run's median over the others, mean over "
                          "the runs";
    return {{"mcc", "", "mean |Pearson" + matched},
            {"mcc_spearman", "", "mean |Spearman" + matched},
            {"udr", "", "unsupervised disentanglement ranking (Duan et al. 2020), Spearman" + ranking},
            {"udr_lasso", "", "the same with lasso weights, α = 0.1" + ranking},
            {"angle", "degrees",
             "the rotation between two runs' codes (Procrustes), folded to [0, 45], mean over pairs (§8); at "
             "random 22.5, sd 13"},
            {"mcc_truth", "", "mean |Pearson" + true_ones},
            {"mcc_truth_spearman", "", "mean |Spearman" + true_ones},
            {"angle_truth", "degrees",
             "the rotation of a run's codes against the true latents, folded to [0, 45] (§8)"}};
  }

  void compare(Compared& runs, Findings& findings) override { Comparison(runs, findings).run(); }
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Agreement>(
    "agreement", "How far the latents of several models agree, and with the truth where it is known.",
    "Duan et al., Unsupervised Model Selection for Variational Disentangled Representation Learning, 2020; "
    "theory §8"))
