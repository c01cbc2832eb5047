// The metrics of disentanglement and agreement on codes whose scores are known: factors as they are, mixed, permuted,
// constant. tests/reference/test_disentanglement.py holds the same functions against scikit-learn on trained models.

#include "catch.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include <variform/shuffle.h>
#include "metrics/agreement.h"
#include "metrics/disentanglement/fixed_factor.h"
#include "metrics/disentanglement/information.h"
#include "metrics/disentanglement/linear.h"
#include "metrics/disentanglement/prediction.h"
#include "metrics/report.h"

using namespace variform;
using namespace variform::metrics;
using variform::testing::Approx;

namespace {

double uniform(SplitMix& bits) { return static_cast<double>(bits.next() >> 11) * 0x1p-53; }
double normal(SplitMix& bits) {
  return std::sqrt(-2 * std::log(1 - uniform(bits))) * std::cos(2 * std::numbers::pi * uniform(bits));
}

// A complete grid of three factors with 5, 4 and 6 values, each point 10 times: 1,200 rows in a random order.
Classes grid() {
  Classes factors(1200, 3);
  const std::vector<std::int64_t> order = permutation(1200, 1);
  for (std::size_t n = 0; n < 1200; ++n) {
    const auto k = static_cast<int>(order[n] % 120);
    factors(n, 0) = k % 5, factors(n, 1) = k / 5 % 4, factors(n, 2) = k / 20;
  }
  return factors;
}

// Each factor centred in [−1.5, 1.5], times its sign, in the column order[j] of `width`; noise elsewhere and on top.
Numbers codes_of(const Classes& factors, const std::vector<std::size_t>& order, std::size_t width,
                 double noise, const std::vector<double>& signs = {1, 1, 1}) {
  Numbers codes(factors.rows, width);
  SplitMix bits(7);
  for (double& value : codes.values) value = noise * normal(bits);
  const double sizes[] = {5, 4, 6};
  for (std::size_t n = 0; n < codes.rows; ++n)
    for (std::size_t j = 0; j < 3; ++j)
      codes(n, order[j]) += signs[j] * (3 * factors(n, j) / (sizes[j] - 1) - 1.5);
  return codes;
}

// Columns a and b turned by 45°.
Numbers turned(Numbers codes, std::size_t a, std::size_t b, double angle = std::numbers::pi / 4) {
  for (std::size_t n = 0; n < codes.rows; ++n) {
    const double x = codes(n, a), y = codes(n, b);
    codes(n, a) = std::cos(angle) * x - std::sin(angle) * y;
    codes(n, b) = std::sin(angle) * x + std::cos(angle) * y;
  }
  return codes;
}

std::vector<double> entropies(const Classes& factors) {
  return {entropy(factors.column(0)), entropy(factors.column(1)), entropy(factors.column(2))};
}

Parts parts_of(const Numbers& codes, const Classes& factors) {
  std::vector<std::int64_t> order(codes.rows);
  for (std::size_t n = 0; n < order.size(); ++n) order[n] = static_cast<std::int64_t>(n);
  return {codes.some(order, 0, 800), codes.some(order, 800, 400), factors.some(order, 0, 800),
          factors.some(order, 800, 400)};
}

double gap(const Numbers& codes, const Classes& factors) {
  return mutual_information_gap(mutual_information(codes, factors), entropies(factors));
}

constexpr BatchProtocol kSmall{600, 300, 64};

Approx exactly(double value) { return Approx(value).epsilon(1e-12).margin(1e-12); }

}  // namespace

TEST_CASE("histogram bins are numpy's: equal, edges in the bin above, the largest value in the last") {
  CHECK(histogram_bins({0, 0.49, 0.5, 1, 1.99, 2}, 4) == std::vector<int>{0, 0, 1, 2, 3, 3});
  CHECK(histogram_bins({3, 3, 3}) == std::vector<int>{0, 0, 0});
}

TEST_CASE("mutual information of a known joint distribution") {
  // p = (½, 0; ¼, ¼): I = ½ log(4/3) + ¼ log(2/3) + ¼ log 2
  const std::vector<int> a{0, 0, 1, 1}, b{0, 0, 0, 1};
  CHECK(mutual_information(a, b) ==
        exactly(0.5 * std::log(4.0 / 3) + 0.25 * std::log(2.0 / 3) + 0.25 * std::log(2.0)));
  CHECK(entropy(a) == exactly(std::log(2.0)));
  CHECK(mutual_information({0, 0, 1, 1}, {0, 1, 0, 1}) == exactly(0));
}

TEST_CASE("codes that are the factors, in any order and with any signs, have the best scores") {
  const Classes factors = grid();
  const auto [order, signs] =
      GENERATE(std::pair<std::vector<std::size_t>, std::vector<double>>{{0, 1, 2}, {1, 1, 1}},
               std::pair<std::vector<std::size_t>, std::vector<double>>{{2, 0, 1}, {-1, 1, -1}});
  const Numbers codes = codes_of(factors, order, 3, 0, signs);
  const Numbers information = mutual_information(codes, factors);
  CHECK(gap(codes, factors) == exactly(1));
  CHECK(modularity(information) == exactly(1));
  CHECK(interventional_robustness_score(codes, interventional_robustness(codes, factors)) == exactly(1));
  CHECK(factor_vae_score(codes, factors, 1, 0.05, kSmall).value == 1);
  CHECK(beta_vae_score(codes, factors, 1, kSmall).value == 1);
  const Parts parts = parts_of(codes, factors);
  const FactorImportance found = importance(parts);
  CHECK(importance_disentanglement(found.matrix) > 0.97);
  CHECK(importance_completeness(found.matrix) > 0.97);
  for (double share : found.accuracy) CHECK(share == 1);
  for (double area : explicitness(parts))
    CHECK(area > 0.7);  // linear scores of middle values are poor: 1 is not reached
  const Numbers accuracies = separate_accuracies(parts);
  for (std::size_t j = 0; j < 3; ++j)
    CHECK(accuracies(order[j], j) > accuracies(order[(j + 1) % 3], j) + 0.1);
}

TEST_CASE("the scores fall when two latents are turned by 45°") {
  const Classes factors = grid();
  const Numbers straight = codes_of(factors, {0, 1, 2}, 3, 0.05), mixed = turned(straight, 0, 1);
  // Two latents that mix two factors alike tell as much of each: two of the three gaps are gone.
  CHECK(gap(straight, factors) > 0.95);
  CHECK(gap(mixed, factors) < 0.45);
  CHECK(modularity(mutual_information(mixed, factors)) <
        modularity(mutual_information(straight, factors)) - 0.15);
  CHECK(interventional_robustness_score(mixed, interventional_robustness(mixed, factors)) < 0.75);
  const Parts good = parts_of(straight, factors), bad = parts_of(mixed, factors);
  CHECK(attribute_predictability(separate_accuracies(bad)) <
        attribute_predictability(separate_accuracies(good)) - 0.1);
  CHECK(importance_disentanglement(importance(bad).matrix) <
        importance_disentanglement(importance(good).matrix) - 0.2);
  CHECK(factor_vae_score(mixed, factors, 1, 0.05, kSmall).value < 1);
}

TEST_CASE("scores do not depend on the order and the signs of the latents") {
  const Classes factors = grid();
  const Numbers codes = turned(codes_of(factors, {0, 1, 2}, 4, 0.3), 0, 2, 0.3);
  Numbers other(codes.rows, 4);
  for (std::size_t n = 0; n < codes.rows; ++n)
    for (std::size_t i = 0; i < 4; ++i) other(n, (i + 1) % 4) = codes(n, i);
  const Numbers &information = mutual_information(codes, factors),
                &changed = mutual_information(other, factors);
  CHECK(mutual_information_gap(information, entropies(factors)) ==
        exactly(mutual_information_gap(changed, entropies(factors))));
  CHECK(modularity(information) == exactly(modularity(changed)));
  CHECK(factor_vae_score(codes, factors, 3, 0.05, kSmall).value ==
        exactly(factor_vae_score(other, factors, 3, 0.05, kSmall).value));
  CHECK(attribute_predictability(separate_accuracies(parts_of(codes, factors))) ==
        exactly(attribute_predictability(separate_accuracies(parts_of(other, factors)))));
  for (double& value : other.values) value = -value;
  CHECK(interventional_robustness_score(codes, interventional_robustness(codes, factors)) ==
        exactly(interventional_robustness_score(other, interventional_robustness(other, factors))));
  CHECK(attribute_predictability(separate_accuracies(parts_of(codes, factors))) ==
        exactly(attribute_predictability(separate_accuracies(parts_of(other, factors)))));
}

TEST_CASE("constant latents take no part, and nothing fails when all are constant") {
  const Classes factors = grid();
  Numbers codes = codes_of(factors, {0, 1, 2}, 4, 0);  // the fourth is 0
  CHECK(gap(codes, factors) == exactly(1));
  CHECK(interventional_robustness_score(codes, interventional_robustness(codes, factors)) == exactly(1));
  CHECK(modularity(mutual_information(codes, factors)) ==
        exactly(0.75));  // it counts 0, as in Locatello et al.
  CHECK(factor_vae_score(codes, factors, 1, 0.05, kSmall).value == 1);
  const Parts parts = parts_of(codes, factors);
  CHECK(separate_accuracies(parts)(3, 0) == 0);
  CHECK(importance(parts).matrix(3, 1) == 0);

  std::fill(codes.values.begin(), codes.values.end(), 0.5);
  CHECK(gap(codes, factors) == exactly(0));
  CHECK(interventional_robustness_score(codes, interventional_robustness(codes, factors)) == 0);
  CHECK(factor_vae_score(codes, factors, 1, 0.05, kSmall).value == 0);
  CHECK(importance_disentanglement(importance(parts_of(codes, factors)).matrix) == 0);
  const double chance = beta_vae_score(codes, factors, 1, kSmall).value;
  CHECK(chance < 0.45);
}

TEST_CASE("DCI's entropies of given importances") {
  Numbers matrix(2, 2);
  matrix.values = {0.75, 0.25, 0.25, 0.75};
  const double entropy_of = (-0.75 * std::log(0.75) - 0.25 * std::log(0.25)) / std::log(2.0);
  CHECK(importance_disentanglement(matrix) == Approx(1 - entropy_of).epsilon(1e-9));
  matrix.values = {1, 1, 0, 0};  // one latent for both factors: complete, not disentangled
  CHECK(importance_disentanglement(matrix) == Approx(0).margin(1e-9));
  CHECK(importance_completeness(matrix) == Approx(1).epsilon(1e-8));
}

TEST_CASE("SAP's gap of given accuracies") {
  Numbers accuracies(3, 2);
  accuracies.values = {0.9, 0.4, 0.2, 0.45, 0.5, 0.1};
  CHECK(attribute_predictability(accuracies) == exactly((0.4 + 0.05) / 2));
}

TEST_CASE("logistic regression of two points is where its gradient vanishes") {
  Numbers x(2, 1);
  x.values = {-1, 1};
  const double cost = GENERATE(0.3, 1.0, 5.0);
  // ½w² + 2C log(1 + e^−w): w = 2C (1 − p), p = 1/(1 + e^−w), and no constant term by symmetry.
  const LinearClassifier classifier(x, {4, 7}, {LinearOptions::Loss::kLogistic, cost, false});
  const Numbers probabilities = classifier.probabilities(x);
  const std::size_t of_seven = classifier.classes()[0] == 7 ? 0 : 1;
  const double p = probabilities(1, of_seven);
  CHECK(std::log(p / (1 - p)) == Approx(2 * cost * (1 - p)).epsilon(1e-4));
  CHECK(probabilities(0, of_seven) == Approx(1 - p).epsilon(1e-4));
  CHECK(classifier.predict(x) == std::vector<int>{4, 7});
  CHECK_THROWS_WITH(LinearClassifier(x, {4, 4}, {}),
                    "a classifier needs examples of at least two classes, found 1.");
}

TEST_CASE("the area under the curve counts ties half") {
  CHECK(area_under_curve({0.1, 0.4, 0.35, 0.8}, {false, false, true, true}) == exactly(0.75));
  CHECK(area_under_curve({1, 1, 1, 1}, {false, true, false, true}) == exactly(0.5));
  CHECK(area_under_curve({2, 1, 2}, {true, false, false}) == exactly(0.75));
}

TEST_CASE("a section names protocol and sizes, and says what is not defined") {
  const Classes factors = grid();
  const nlohmann::json full =
      disentanglement_of(codes_of(factors, {0, 1, 2}, 3, 0.1), {factors, {"a", "b", "c"}}, 5, "test");
  const nlohmann::json& section = full.at("disentanglement");
  CHECK(section.size() == 10);
  CHECK(
      section.at("mig").at("what") ==
      "mutual information gap (Chen et al. 2018), 20 bins; protocol of Locatello et al. 2019, 800 points of "
      "1,200 rows (test)");
  CHECK(section.at("sap").at("what").get<std::string>().find(
            "liblinear, C = 0.01; protocol of Locatello et al. 2019, 800 + 400 points") != std::string::npos);
  CHECK(section.at("dci_disentanglement").at("what").get<std::string>().find("xgboost") != std::string::npos);
  CHECK(section.at("mig").at("value").get<double>() > 0.8);
  CHECK(section.at("mig").at("se").get<double>() > 0);
  CHECK(section.at("mig").at("se").get<double>() < 0.05);
  CHECK(full.at("disentanglement_arrays").at("importance").size() == 3);
  CHECK(disentanglement_of(codes_of(factors, {0, 1, 2}, 3, 0.1), {factors, {"a", "b", "c"}}, 5, "test") ==
        full);

  SECTION("a factor of one value is left out") {
    Classes constant = factors;
    for (std::size_t n = 0; n < constant.rows; ++n) constant(n, 1) = 0;
    const nlohmann::json result =
        disentanglement_of(codes_of(factors, {0, 1, 2}, 3, 0.1), {constant, {"a", "b", "c"}}, 5, "test");
    CHECK(result.at("disentanglement_arrays").at("factors") == nlohmann::json{"a", "c"});
    CHECK(result.at("disentanglement")
              .at("mig")
              .at("what")
              .get<std::string>()
              .find("without the factor of one value b") != std::string::npos);
  }
  SECTION("one factor, one latent, no varying factor, few rows") {
    Classes one(factors.rows, 1);
    for (std::size_t n = 0; n < one.rows; ++n) one(n, 0) = factors(n, 0);
    Numbers latent(factors.rows, 1);
    for (std::size_t n = 0; n < one.rows; ++n) latent(n, 0) = factors(n, 0);
    const nlohmann::json few = disentanglement_of(latent, {one, {"a"}}, 5, "test").at("disentanglement");
    for (const char* name : {"mig", "sap", "dci_completeness"})
      CHECK(few.at(name).at("undefined") ==
            "not defined: it compares the two best latents, and there is one.");
    for (const char* name : {"modularity", "dci_disentanglement", "factor_vae_score", "beta_vae_score"})
      CHECK(few.at(name).at("undefined").get<std::string>().find("two factors") != std::string::npos);
    CHECK(few.at("dci_informativeness").at("value") == 1);
    for (int& k : one.values) k = 0;
    CHECK(
        disentanglement_of(latent, {one, {"a"}}, 5, "test").at("disentanglement").at("irs").at("undefined") ==
        "not defined: no factor has two values in these rows.");
    CHECK(disentanglement_of(Numbers(10, 2), {Classes(10, 2), {}}, 5, "test")
              .at("disentanglement")
              .at("mig")
              .at("undefined") == "not defined: it needs at least 60 rows, found 10.");
  }
}

TEST_CASE("the best assignment is the best of all permutations") {
  SplitMix bits(11);
  for (int round = 0; round < 50; ++round) {
    Numbers gain(4, 4);
    for (double& value : gain.values) value = uniform(bits);
    std::vector<std::size_t> permutation{0, 1, 2, 3};
    double best = 0;
    do {
      double sum = 0;
      for (std::size_t i = 0; i < 4; ++i) sum += gain(i, permutation[i]);
      best = std::max(best, sum);
    } while (std::next_permutation(permutation.begin(), permutation.end()));
    CHECK(mean_correlation(gain) == exactly(best / 4));
  }
  Numbers tall(3, 1);
  tall.values = {0.1, -0.9, 0.3};
  CHECK(mean_correlation(tall) == exactly(0.9));
  CHECK(best_assignment(tall)[0] == std::nullopt);
}

TEST_CASE("agreement ignores order, sign and scale; ranks ignore monotone maps") {
  SplitMix bits(2);
  Numbers a(500, 3), b(500, 3), cubed(500, 3);
  for (double& value : a.values) value = normal(bits);
  for (std::size_t n = 0; n < 500; ++n)
    for (std::size_t i = 0; i < 3; ++i) {
      b(n, (i + 1) % 3) = (i == 1 ? -3 : 0.5) * a(n, i) + 2;
      cubed(n, i) = std::pow(a(n, i), 3);
    }
  CHECK(mean_correlation(correlations(a, b)) == exactly(1));
  CHECK(mean_correlation(correlations(a, cubed)) < 0.9);
  CHECK(mean_correlation(rank_correlations(a, cubed)) == exactly(1));

  const std::vector<bool> all(3, true);
  // Independent latents: |R| is nearly a permutation; mixed ones are not.
  CHECK(*relative_strength(rank_correlations(a, b), all, all) > 0.85);
  CHECK(*relative_strength(lasso_weights(a, b), all, all) > 0.85);
  CHECK(*relative_strength(rank_correlations(a, turned(b, 0, 1)), all, all) < 0.75);
  CHECK_FALSE(relative_strength(rank_correlations(a, b), {false, false, false}, all).has_value());
  Numbers half(2, 2);
  half.values = {0.5, 0.5, 0.5, -0.5};  // each best 0.5 of the sum 1
  CHECK(*relative_strength(half, {true, true}, {true, true}) == exactly(0.25));
  CHECK(*relative_strength(half, {true, false}, {true, true}) == exactly((0.25 + 0.5 + 0.5) / 3));
}

TEST_CASE("the lasso of orthonormal inputs is soft thresholding") {
  Numbers a(4, 2), b(4, 1);
  a.values = {1, 1, 1, -1, -1, 1, -1, -1};  // orthogonal, mean 0, mean square 1
  for (std::size_t n = 0; n < 4; ++n) b(n, 0) = 3 * a(n, 0) - 0.2 * a(n, 1);
  const double scale = std::sqrt(9.04);
  const Numbers weights = lasso_weights(a, b);
  CHECK(weights(0, 0) == exactly(3 / scale - 0.1));
  CHECK(weights(1, 0) == 0);
}

TEST_CASE("the fitted angle is the rotation's, folded by permutations and signs") {
  SplitMix bits(4);
  Numbers a(2000, 2);
  for (std::size_t n = 0; n < a.rows; ++n) a(n, 0) = 2 * normal(bits) + 1, a(n, 1) = normal(bits);
  for (double degrees : {0.0, 10.0, 44.0, 60.0, 90.0, 135.0, 200.0, -30.0}) {
    Numbers b = turned(a, 0, 1, degrees * std::numbers::pi / 180);
    const double within = std::fmod(std::abs(degrees), 90.0), folded = std::min(within, 90 - within);
    CHECK(*folded_angle(a, b) == Approx(folded).margin(1e-9));
    for (std::size_t n = 0; n < b.rows; ++n) {  // mirrored, exchanged, shifted
      std::swap(b(n, 0), b(n, 1));
      b(n, 0) = 5 - b(n, 0);
    }
    CHECK(*folded_angle(a, b) == Approx(folded).margin(1e-9));
    for (std::size_t n = 0; n < b.rows; ++n) b(n, 1) = -b(n, 1);
    CHECK(*folded_angle(a, b) == Approx(folded).margin(1e-9));
  }
  CHECK_FALSE(folded_angle(Numbers(5, 3), Numbers(5, 3)).has_value());
  CHECK_FALSE(folded_angle(Numbers(5, 2), Numbers(5, 2)).has_value());
}
