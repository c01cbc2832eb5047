// See section.h.

#include "measure/disentanglement/section.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/random.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "data/shuffle.h"
#include "measure/disentanglement/boosting.h"
#include "measure/disentanglement/fixed_factor.h"
#include "measure/disentanglement/information.h"
#include "measure/disentanglement/prediction.h"
#include "model/rows.h"
#include "model/session.h"

namespace variform::measure {
namespace {

using nlohmann::json;

constexpr std::size_t kTrain = 10000, kTest = 5000;  // points of the protocol
constexpr std::size_t kFewestRows = 60;
constexpr std::int64_t kMostRows = 60000;  // encoded at most
constexpr double kActiveVariance = 0.05;   // of FactorVAE's score
constexpr const char* kLocatelloProtocol = "; protocol of Locatello et al. 2019";

struct Metric {
  const char* name;
  const char* what;
};
constexpr Metric kMig{"mig", "mutual information gap (Chen et al. 2018), 20 bins"};
constexpr Metric kModularity{"modularity", "modularity (Ridgeway and Mozer 2018), 20 bins"};
constexpr Metric kExplicitness{
    "explicitness",
    "explicitness (Ridgeway and Mozer 2018): area under the ROC curve, logistic regression by liblinear, C = "
    "1; chance 0.5"};
constexpr Metric kSap{
    "sap", "separated attribute predictability (Kumar et al. 2018), linear SVMs by liblinear, C = 0.01"};
constexpr Metric kDisentanglement{"dci_disentanglement",
                                  "D of DCI (Eastwood and Williams 2018), importance by "};
constexpr Metric kCompleteness{"dci_completeness", "C of DCI, by the same trees"};
constexpr Metric kInformativeness{"dci_informativeness", "I of DCI: the same trees' test accuracy"};
constexpr Metric kFactorVae{"factor_vae_score",
                            "score of FactorVAE (Kim and Mnih 2018), latents of variance ≥ 0.05"};
constexpr Metric kBetaVae{"beta_vae_score",
                          "score of β-VAE (Higgins et al. 2017), logistic regression by liblinear, C = 1"};
constexpr Metric kRobustness{"irs", "interventional robustness score (Suter et al. 2019), 0.99 quantiles"};
constexpr const Metric* kMetrics[] = {
    &kMig,       &kSap,     &kDisentanglement, &kCompleteness, &kInformativeness,
    &kFactorVae, &kBetaVae, &kModularity,      &kExplicitness, &kRobustness};

std::string what_of(const Metric& metric) {
  return metric.what + std::string(&metric == &kDisentanglement ? kBoosting : "");
}

// "10,000"
std::string number(std::size_t n) {
  const std::string last = std::to_string(n % 1000);
  if (n < 1000) return last;
  return number(n / 1000) + "," + std::string(3 - last.size(), '0') + last;
}

json matrix(const Numbers& numbers) {
  json rows = json::array();
  for (std::size_t i = 0; i < numbers.rows; ++i) {
    const auto row = numbers.values.begin() + static_cast<std::ptrdiff_t>(i * numbers.columns);
    rows.push_back(std::vector<double>(row, row + static_cast<std::ptrdiff_t>(numbers.columns)));
  }
  return rows;
}

json nothing(const std::string& reason, const std::vector<std::string>& notes = {}) {
  json section;
  for (const Metric* metric : kMetrics)
    section[metric->name] = {{"undefined", "not defined: " + reason + "."},
                             {"what", what_of(*metric) + kLocatelloProtocol}};
  json result = {{"disentanglement", section}};
  if (!notes.empty()) result["disentanglement_notes"] = notes;
  return result;
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

// Returns √((g − 1)/g Σ(θ_k − mean)²) over statistics with one of g groups of rows left out.
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
  const double mean = std::accumulate(without.begin(), without.end(), 0.0) / kGroups;
  double squares = 0;
  for (double value : without) squares += (value - mean) * (value - mean);
  return std::sqrt(squares * (kGroups - 1) / kGroups);
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
         std::size_t train, std::size_t test, std::uint64_t seed, std::string note)
      : codes_(codes),
        factors_(factors),
        parts_{codes.some(order, 0, train), codes.some(order, train, test), factors.some(order, 0, train),
               factors.some(order, train, test)},
        seed_(seed),
        note_(std::move(note)) {}

  json run(const base::Watch& watch) {
    constexpr std::int64_t kGroups = 4;
    const auto group_begins = [&](std::int64_t group) {
      base::tell(watch, "disentanglement", group, kGroups);
    };
    group_begins(0);
    add_information();
    group_begins(1);
    add_accuracies();
    group_begins(2);
    add_importance();
    group_begins(3);
    add_fixed_factor();
    arrays_["variances"] = variances(codes_);
    return {{"disentanglement", section_}, {"disentanglement_arrays", arrays_}};
  }

 private:
  bool two_latents() const { return codes_.columns > 1; }
  bool two_factors() const { return factors_.columns > 1; }
  std::string points(bool test) const {
    return ", " + number(parts_.train.rows) + (test ? " + " + number(parts_.test.rows) : "") + " points";
  }
  static std::string batches() { return ", 10,000 + 5,000 batches of 64"; }

  void add(const Metric& metric, const std::string& size, double value, json error = nullptr) {
    section_[metric.name] = {
        {"value", value}, {"se", std::move(error)}, {"what", what_of(metric) + size + note_}};
  }
  void undefined(const Metric& metric, const std::string& size, const std::string& reason) {
    section_[metric.name] = {{"undefined", "not defined: " + reason + "."},
                             {"what", what_of(metric) + size + note_}};
  }
  static constexpr const char* kOneLatent = "it compares the two best latents, and there is one";
  static constexpr const char* kOneFactor = "it needs two factors that vary in these rows, and there is one";

  void add_information() {
    const Numbers information = mutual_information(parts_.train, parts_.train_of);
    arrays_["mutual_information"] = matrix(information);
    arrays_["factor_entropies"] = entropies(parts_.train_of);
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
    arrays_["interventional_robustness"] = matrix(robustness);
    add(kRobustness, points(false), interventional_robustness_score(parts_.train, robustness));
  }

  void add_accuracies() {
    const Numbers accuracies = separate_accuracies(parts_);
    arrays_["svm_accuracies"] = matrix(accuracies);
    if (two_latents()) add(kSap, points(true), attribute_predictability(accuracies));
    else undefined(kSap, points(true), kOneLatent);
    const std::vector<double> areas = explicitness(parts_);
    arrays_["explicitness"] = areas;
    add(kExplicitness, points(true),
        std::accumulate(areas.begin(), areas.end(), 0.0) / static_cast<double>(areas.size()));
  }

  void add_importance() {
    const FactorImportance found = importance(parts_);
    arrays_["importance"] = matrix(found.matrix);
    arrays_["tree_accuracies"] = found.accuracy;
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
    for (const Metric* metric : {&kFactorVae, &kBetaVae}) {
      if (!two_factors()) {
        undefined(*metric, batches(), kOneFactor);
        continue;
      }
      if (metric == &kFactorVae && !any_active()) {
        undefined(*metric, batches(), no_active());
        continue;
      }
      const Accuracy score =
          metric == &kFactorVae
              ? factor_vae_score(codes_, factors_, hash(seed_, "FactorVAE score"), kActiveVariance)
              : beta_vae_score(codes_, factors_, hash(seed_, "β-VAE score"));
      add(*metric, batches() + chance(), score.value, score.error);
    }
  }

  const Numbers& codes_;
  const Classes& factors_;
  const Parts parts_;
  const std::uint64_t seed_;
  const std::string note_;
  json section_, arrays_;
};

Numbers factor_numbers(const at::Tensor& factors) {
  const at::Tensor all = factors.to(at::kCPU, at::kDouble).reshape({factors.size(0), -1}).contiguous();
  Numbers numbers(static_cast<std::size_t>(all.size(0)), static_cast<std::size_t>(all.size(1)));
  std::copy_n(all.const_data_ptr<double>(), all.numel(), numbers.values.begin());
  return numbers;
}

// Returns a note when the model is collapsed: most scores ignore how little a latent varies, and are numbers then, too.
std::string note_on_collapse(const Numbers& codes) {
  constexpr double kActive = 0.01;  // as for active_units
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

}  // namespace

json disentanglement(const Numbers& codes, const KnownFactors& factors, std::uint64_t seed,
                     const std::string& rows, const base::Watch& watch) {
  if (codes.rows < kFewestRows)
    return nothing("it needs at least " + std::to_string(kFewestRows) + " rows, found " +
                   std::to_string(codes.rows));
  if (factors.values.columns == 0) return nothing(no_classes(factors), factors.notes);
  if (!std::all_of(codes.values.begin(), codes.values.end(),
                   [](double value) { return std::isfinite(value); }))
    return nothing("some codes are not finite", factors.notes);
  if (!any_varies(codes))
    return nothing("no latent varies over these rows: the model is collapsed", factors.notes);
  const std::size_t train = std::min(kTrain, codes.rows * 2 / 3), test = std::min(kTest, codes.rows - train);
  const std::vector<std::int64_t> order =
      data::permutation(static_cast<std::int64_t>(codes.rows), hash(seed, "disentanglement rows"));
  const std::vector<std::size_t> columns = varying(factors.values, order, train);
  if (columns.empty()) return nothing("no factor has two values in these rows", factors.notes);
  std::string left_out;
  json names = json::array();
  for (std::size_t j = 0; j < factors.values.columns; ++j) {
    const std::string name = j < factors.names.size() ? factors.names[j] : "factor " + std::to_string(j + 1);
    if (std::find(columns.begin(), columns.end(), j) != columns.end()) names.push_back(name);
    else left_out += (left_out.empty() ? " without the factor of one value " : ", ") + name;
  }
  const std::string note =
      " of " + number(codes.rows) + " rows (" + rows + ")" + left_out + kLocatelloProtocol;
  const Classes kept = only(factors.values, columns);
  json result = Scores(codes, kept, order, train, test, seed, note).run(watch);
  result["disentanglement_arrays"]["factors"] = names;
  std::vector<std::string> notes = factors.notes;
  if (const std::string collapse = note_on_collapse(codes); !collapse.empty()) notes.push_back(collapse);
  if (!notes.empty()) result["disentanglement_notes"] = notes;
  return result;
}

json disentanglement(model::Session& session, const std::string& split, std::int64_t limit,
                     const base::Watch& watch) {
  constexpr std::int64_t kBatch = 500;
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  model::Rows rows(session, split);
  if (!rows.dataset() || !rows.dataset()->factors().defined())
    return nothing("these data have no known factors");
  const std::uint64_t seed = hash(session.experiment.seed, "evaluate", rows.split(), "disentanglement");
  const std::int64_t count = limit > 0 ? std::min(limit, rows.size()) : rows.size();
  std::vector<std::int64_t> chosen = data::permutation(count, hash(seed, "rows"));
  chosen.resize(static_cast<std::size_t>(std::min(count, kMostRows)));
  std::sort(chosen.begin(), chosen.end());
  const at::Tensor index = at::tensor(chosen, at::kLong);
  const KnownFactors factors =
      factors_as_classes(factor_numbers(rows.dataset()->gather_column(rows.dataset()->factors(), index)),
                         rows.dataset()->factor_names);
  Numbers codes(chosen.size(), static_cast<std::size_t>(session.assembly->model().latent));
  auto place = codes.values.begin();
  std::int64_t done = 0;
  for (const at::Tensor& some : index.split(kBatch)) {
    base::tell(watch, "codes", done, index.size(0));
    done += some.size(0);
    const at::Tensor h = session.assembly->model()
                             .posterior(rows.at(some).x)
                             ->location()
                             .to(at::kCPU, at::kDouble)
                             .contiguous();
    place = std::copy_n(h.const_data_ptr<double>(), h.numel(), place);
  }
  return disentanglement(codes, factors, seed, rows.split(), watch);
}

}  // namespace variform::measure
