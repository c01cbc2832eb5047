// The metric `disentanglement`: the scores of this folder on a model's codes, with the protocol of Locatello et al. 2019
// (Challenging Common Assumptions in the Unsupervised Learning of Disentangled Representations).

#include "metric.h"

#include <variform/plugin.h>
#include <variform/random.h>
#include <variform/shuffle.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>

#include "../activity.h"
#include "../jackknife.h"
#include "boosting.h"
#include "fixed_factor.h"
#include "information.h"
#include "numbers_of.h"
#include "prediction.h"

namespace variform::metrics {
namespace {

constexpr std::size_t kTrain = 10000, kTest = 5000;  // points of the protocol
constexpr std::size_t kFewestRows = 60;
constexpr std::int64_t kMostRows = 60000;  // encoded at most
constexpr double kActiveVariance = 0.05;   // of FactorVAE's score
constexpr const char* kLocatelloProtocol = "; protocol of Locatello et al. 2019";

struct Score {
  const char* name;
  const char* what;
};
constexpr Score kMig{"mig", "mutual information gap (Chen et al. 2018), 20 bins"};
constexpr Score kModularity{"modularity", "modularity (Ridgeway and Mozer 2018), 20 bins"};
constexpr Score kExplicitness{
    "explicitness",
    "explicitness (Ridgeway and Mozer 2018): area under the ROC curve, logistic regression by liblinear, C = "
    "1; chance 0.5"};
constexpr Score kSap{
    "sap", "separated attribute predictability (Kumar et al. 2018), linear SVMs by liblinear, C = 0.01"};
constexpr Score kDisentanglement{"dci_disentanglement",
                                 "D of DCI (Eastwood and Williams 2018), importance by "};
constexpr Score kCompleteness{"dci_completeness", "C of DCI, by the same trees"};
constexpr Score kInformativeness{"dci_informativeness", "I of DCI: the same trees' test accuracy"};
constexpr Score kFactorVae{"factor_vae_score",
                           "score of FactorVAE (Kim and Mnih 2018), latents of variance ≥ 0.05"};
constexpr Score kBetaVae{"beta_vae_score",
                         "score of β-VAE (Higgins et al. 2017), logistic regression by liblinear, C = 1"};
constexpr Score kRobustness{"irs", "interventional robustness score (Suter et al. 2019), 0.99 quantiles"};
constexpr const Score* kScores[] = {
    &kMig,       &kSap,     &kDisentanglement, &kCompleteness, &kInformativeness,
    &kFactorVae, &kBetaVae, &kModularity,      &kExplicitness, &kRobustness};

std::string what_of(const Score& score) {
  return score.what + std::string(&score == &kDisentanglement ? kBoosting : "");
}

// "10,000"
std::string number(std::size_t n) {
  const std::string last = std::to_string(n % 1000);
  if (n < 1000) return last;
  return number(n / 1000) + "," + std::string(3 - last.size(), '0') + last;
}

Tensor matrix(const Numbers& numbers) {
  return at::tensor(numbers.values, at::kDouble)
      .reshape({static_cast<int64_t>(numbers.rows), static_cast<int64_t>(numbers.columns)});
}
Tensor vector(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

// Leaves out one of twenty groups of rows at a time.
double jackknife_of_groups(std::size_t rows,
                           const std::function<double(const std::vector<std::int64_t>&)>& statistic) {
  constexpr std::size_t kGroups = 20;
  std::vector<double> without;
  for (std::size_t g = 0; g < kGroups; ++g) {
    std::vector<std::int64_t> kept;
    for (std::size_t n = 0; n < rows; ++n)
      if (n < g * rows / kGroups || n >= (g + 1) * rows / kGroups)
        kept.push_back(static_cast<std::int64_t>(n));
    without.push_back(statistic(kept));
  }
  return jackknife_error(without);
}

std::vector<double> entropies(const Classes& factors) {
  std::vector<double> result;
  for (std::size_t j = 0; j < factors.columns; ++j) result.push_back(entropy(factors.column(j)));
  return result;
}

// Returns the columns that have at least two values among the first `count` rows of the order.
std::vector<std::size_t> varying(const Classes& factors, const std::vector<std::int64_t>& order,
                                 std::size_t count) {
  std::vector<std::size_t> columns;
  const Classes some = factors.some(order, 0, count);
  for (std::size_t j = 0; j < factors.columns; ++j) {
    const std::vector<int> column = some.column(j);
    if (std::any_of(column.begin(), column.end(), [&](int k) { return k != column[0]; }))
      columns.push_back(j);
  }
  return columns;
}

Classes only(const Classes& factors, const std::vector<std::size_t>& columns) {
  Classes result(factors.rows, columns.size());
  for (std::size_t n = 0; n < factors.rows; ++n)
    for (std::size_t j = 0; j < columns.size(); ++j) result(n, j) = factors(n, columns[j]);
  return result;
}

class Scores {
 public:
  Scores(const Numbers& codes, const Classes& factors, const std::vector<std::int64_t>& order,
         std::size_t train, std::size_t test, std::uint64_t seed, std::string note, Findings& findings)
      : codes_(codes),
        factors_(factors),
        parts_{codes.some(order, 0, train), codes.some(order, train, test), factors.some(order, 0, train),
               factors.some(order, train, test)},
        seed_(seed),
        note_(std::move(note)),
        findings_(findings) {}

  void run(const Progress& progress) {
    constexpr std::int64_t kGroups = 4;
    progress(0, kGroups);
    add_information();
    progress(1, kGroups);
    add_accuracies();
    progress(2, kGroups);
    add_importance();
    progress(3, kGroups);
    add_fixed_factor();
    findings_.array("variances", vector(variances(codes_)));
  }

 private:
  bool two_latents() const { return codes_.columns > 1; }
  bool two_factors() const { return factors_.columns > 1; }
  std::string points(bool test) const {
    return ", " + number(parts_.train.rows) + (test ? " + " + number(parts_.test.rows) : "") + " points";
  }
  static std::string batches() { return ", 10,000 + 5,000 batches of 64"; }

  void add(const Score& score, const std::string& size, double value, std::optional<double> error = {}) {
    findings_.number(score.name, value, error);
    findings_.detail(score.name, size + note_);
  }
  void undefined(const Score& score, const std::string& size, const std::string& reason) {
    findings_.undefined(score.name, reason);
    findings_.detail(score.name, size + note_);
  }
  static constexpr const char* kOneLatent = "it compares the two best latents, and there is one";
  static constexpr const char* kOneFactor = "it needs two factors that vary in these rows, and there is one";

  void add_information() {
    const Numbers information = mutual_information(parts_.train, parts_.train_of);
    findings_.array("mutual_information", matrix(information));
    findings_.array("factor_entropies", vector(entropies(parts_.train_of)));
    if (two_latents())
      add(kMig, points(false), mutual_information_gap(information, entropies(parts_.train_of)),
          jackknife_of_groups(parts_.train.rows, [&](const std::vector<std::int64_t>& rows) {
            const Classes factors = parts_.train_of.some(rows, 0, rows.size());
            return mutual_information_gap(
                mutual_information(parts_.train.some(rows, 0, rows.size()), factors), entropies(factors));
          }));
    else undefined(kMig, points(false), kOneLatent);
    if (two_factors())
      add(kModularity, points(false), modularity(information),
          jackknife_of_groups(parts_.train.rows, [&](const std::vector<std::int64_t>& rows) {
            return modularity(mutual_information(parts_.train.some(rows, 0, rows.size()),
                                                 parts_.train_of.some(rows, 0, rows.size())));
          }));
    else undefined(kModularity, points(false), kOneFactor);
    const Numbers robustness = interventional_robustness(parts_.train, parts_.train_of);
    findings_.array("interventional_robustness", matrix(robustness));
    add(kRobustness, points(false), interventional_robustness_score(parts_.train, robustness));
  }

  void add_accuracies() {
    const Numbers accuracies = separate_accuracies(parts_);
    findings_.array("svm_accuracies", matrix(accuracies));
    if (two_latents()) add(kSap, points(true), attribute_predictability(accuracies));
    else undefined(kSap, points(true), kOneLatent);
    const std::vector<double> areas = explicitness(parts_);
    findings_.array("explicitness", vector(areas));
    add(kExplicitness, points(true),
        std::accumulate(areas.begin(), areas.end(), 0.0) / static_cast<double>(areas.size()));
  }

  void add_importance() {
    const FactorImportance found = importance(parts_);
    findings_.array("importance", matrix(found.matrix));
    findings_.array("tree_accuracies", vector(found.accuracy));
    if (two_factors()) add(kDisentanglement, points(true), importance_disentanglement(found.matrix));
    else undefined(kDisentanglement, points(true), kOneFactor);
    if (two_latents()) add(kCompleteness, points(true), importance_completeness(found.matrix));
    else undefined(kCompleteness, points(true), kOneLatent);
    double sum = 0, variance = 0;
    const auto count = static_cast<double>(found.accuracy.size());
    for (double share : found.accuracy) {
      sum += share / count;
      variance += share * (1 - share) / (static_cast<double>(parts_.test.rows) * count * count);
    }
    add(kInformativeness, points(true), sum, std::sqrt(variance));
  }

  double largest_variance() const {
    const std::vector<double> all = variances(codes_);
    return *std::max_element(all.begin(), all.end());
  }
  bool any_active() const { return largest_variance() >= kActiveVariance; }
  std::string no_active() const {
    return "no latent varies: the largest variance of a latent over these rows is " +
           text_of(largest_variance()) + ", below " + text_of(kActiveVariance);
  }

  void add_fixed_factor() {
    const auto chance = [&] { return "; chance 1/" + std::to_string(factors_.columns); };
    for (const Score* score : {&kFactorVae, &kBetaVae}) {
      if (!two_factors()) {
        undefined(*score, batches(), kOneFactor);
        continue;
      }
      if (score == &kFactorVae && !any_active()) {
        undefined(*score, batches(), no_active());
        continue;
      }
      const Accuracy found =
          score == &kFactorVae
              ? factor_vae_score(codes_, factors_, hash(seed_, "FactorVAE score"), kActiveVariance)
              : beta_vae_score(codes_, factors_, hash(seed_, "β-VAE score"));
      add(*score, batches() + chance(), found.value, found.error);
    }
  }

  const Numbers& codes_;
  const Classes& factors_;
  const Parts parts_;
  const std::uint64_t seed_;
  const std::string note_;
  Findings& findings_;
};

// Returns a note when the model is collapsed: most scores ignore how little a latent varies, and are numbers then, too.
std::string note_on_collapse(const Numbers& codes) {
  const std::vector<double> all = variances(codes);
  const double largest = *std::max_element(all.begin(), all.end());
  if (largest > kActive) return {};
  return "no latent is active (the largest variance of a latent over these rows is " + text_of(largest) +
         "): the scores of disentanglement are those of a collapsed model.";
}

// Returns the reason when all factors were left out; the notes say more.
std::string no_classes(const KnownFactors& factors) {
  std::string reasons;
  for (const std::string& reason : factors.left_out) reasons += (reasons.empty() ? ": " : ", ") + reason;
  return "no factor can be taken as classes" + reasons;
}

// Returns why no score is defined for these codes and factors; empty: they are.
std::string why_none(const Numbers& codes, const KnownFactors& factors) {
  if (codes.rows < kFewestRows)
    return "it needs at least " + std::to_string(kFewestRows) + " rows, found " + std::to_string(codes.rows);
  if (factors.values.columns == 0) return no_classes(factors);
  if (!std::all_of(codes.values.begin(), codes.values.end(),
                   [](double value) { return std::isfinite(value); }))
    return "some codes are not finite";
  if (!any_varies(codes)) return "no latent varies over these rows: the model is collapsed";
  return {};
}

}  // namespace

void report_disentanglement(const Numbers& codes, const KnownFactors& factors, std::uint64_t seed,
                            const std::string& rows, const Progress& progress, Findings& findings) {
  for (const std::string& note : factors.notes) findings.note(note);
  if (const std::string reason = why_none(codes, factors); !reason.empty()) throw Unsupported(reason);
  const std::size_t train = std::min(kTrain, codes.rows * 2 / 3), test = std::min(kTest, codes.rows - train);
  const std::vector<std::int64_t> order =
      permutation(static_cast<std::int64_t>(codes.rows), hash(seed, "disentanglement rows"));
  const std::vector<std::size_t> columns = varying(factors.values, order, train);
  if (columns.empty()) throw Unsupported("no factor has two values in these rows");
  std::string left_out;
  std::vector<std::string> names;
  for (std::size_t j = 0; j < factors.values.columns; ++j) {
    const std::string name = j < factors.names.size() ? factors.names[j] : "factor " + std::to_string(j + 1);
    if (std::find(columns.begin(), columns.end(), j) != columns.end()) names.push_back(name);
    else left_out += (left_out.empty() ? " without the factor of one value " : ", ") + name;
  }
  const std::string note = " of " + number(codes.rows) + " rows (" + rows + ")" + left_out;
  const Classes kept = only(factors.values, columns);
  Scores(codes, kept, order, train, test, seed, note, findings).run(progress);
  findings.labels("factors", names);
  if (const std::string collapse = note_on_collapse(codes); !collapse.empty()) findings.note(collapse);
}

namespace {

class Disentanglement final : public With<Metric, Finishes, MostRows> {
 public:
  explicit Disentanglement(const Build& /*build*/) {}

  std::vector<Quantity> quantities() const override {
    std::vector<Quantity> all;
    for (const Score* score : kScores) all.push_back({score->name, "", what_of(*score) + kLocatelloProtocol});
    return all;
  }

  int64_t most_rows() const override { return kMostRows; }

  void measure(Measured& at, Findings& /*findings*/) override {
    factors_.push_back(at.factors());
    codes_.push_back(at.codes().to(at::kCPU, at::kDouble));
  }

  void finish(Measured& at, Findings& findings) override {
    report_disentanglement(
        numbers_of(at::cat(codes_)), factors_as_classes(numbers_of(at::cat(factors_)), at.factor_names()),
        at.seed("disentanglement"), at.split(),
        [&](std::int64_t done, std::int64_t all) { at.progress(done, all); }, findings);
  }

 private:
  std::vector<Tensor> codes_, factors_;
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Disentanglement>(
    "disentanglement", "Scores of disentanglement against known factors: MIG, SAP, DCI and their relatives.",
    "Locatello et al., Challenging Common Assumptions …, ICML 2019"))
