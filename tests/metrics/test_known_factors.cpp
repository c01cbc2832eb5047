// Evaluations of what people have: collapsed models, factors that are numbers, identities.

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "catch.h"
#include <variform/shuffle.h>
#include "metrics/disentanglement/factors.h"
#include "metrics/geometry.h"
#include "metrics/report.h"

namespace variform::metrics {
namespace {

constexpr std::size_t kCount = 1200;
constexpr const char* kAllMetrics[] = {"mig",
                                       "sap",
                                       "dci_disentanglement",
                                       "dci_completeness",
                                       "dci_informativeness",
                                       "factor_vae_score",
                                       "beta_vae_score",
                                       "modularity",
                                       "explicitness",
                                       "irs"};

double uniform_from(SplitMix& bits) { return static_cast<double>(bits.next() >> 11) * 0x1p-53; }

// Two factors: an angle of 8 values and a size of 15, both real numbers, in a random order.
Numbers real_factors() {
  Numbers factors(kCount, 2);
  const auto order = permutation(kCount, 1);
  for (std::size_t n = 0; n < kCount; ++n) {
    const auto k = static_cast<int>(order[n] % 120);
    factors(n, 0) = -0.7 + 0.2 * (k % 8), factors(n, 1) = 0.5 + 0.1 * (k / 8);
  }
  return factors;
}

std::string why_not(const nlohmann::json& result, const char* metric) {
  return result.at("disentanglement").at(metric).value("undefined", "");
}

TEST_CASE("factors that are real numbers of few values are classes, and all metrics are defined") {
  const Numbers factors = real_factors();
  const KnownFactors known = factors_as_classes(factors, {"angle", "size"});
  REQUIRE(known.values.columns == 2);
  CHECK(known.notes.empty());
  for (std::size_t n = 0; n < kCount; ++n) {
    CHECK(known.values(n, 0) == static_cast<int>(std::lround((factors(n, 0) + 0.7) / 0.2)));
    CHECK(known.values(n, 1) == static_cast<int>(std::lround((factors(n, 1) - 0.5) / 0.1)));
  }
  // Codes that are the factors: perfect scores.
  Numbers codes = factors;
  for (std::size_t n = 0; n < kCount; ++n) codes(n, 0) *= 3;
  const nlohmann::json result = disentanglement_of(codes, known, 5, "test");
  for (const char* metric : kAllMetrics) CHECK(why_not(result, metric).empty());
  CHECK(result.at("disentanglement").at("mig").at("value").get<double>() > 0.95);
  CHECK(result.at("disentanglement").at("factor_vae_score").at("value") == 1);
  CHECK_FALSE(result.contains("disentanglement_notes"));
}

TEST_CASE("real numbers of many values are put into bins of equal counts, by name") {
  Numbers factors(kCount, 2);
  SplitMix bits(3);
  for (std::size_t n = 0; n < kCount; ++n)
    factors(n, 0) = std::exp(4 * uniform_from(bits)), factors(n, 1) = static_cast<double>(n % 3);
  const KnownFactors known = factors_as_classes(factors, {"weight"});
  REQUIRE(known.values.columns == 2);
  CHECK(known.names == std::vector<std::string>{"weight", "factor 2"});
  CHECK(known.notes ==
        std::vector<std::string>{
            "factor weight is put into 20 bins of equal counts: 1200 different values in 1200 rows."});
  std::vector<int> counts(20);
  for (std::size_t n = 0; n < kCount; ++n) {
    REQUIRE(known.values(n, 0) < 20);
    ++counts[static_cast<std::size_t>(known.values(n, 0))];
  }
  CHECK(std::all_of(counts.begin(), counts.end(), [](int count) { return count == 60; }));
  // Rising with the value.
  for (std::size_t n = 1; n < kCount; ++n)
    if (factors(n, 0) >= factors(0, 0)) CHECK(known.values(n, 0) >= known.values(0, 0));
  Numbers codes = factors;
  for (std::size_t n = 0; n < kCount; ++n) codes(n, 0) = std::log(codes(n, 0));
  const nlohmann::json result = disentanglement_of(codes, known, 5, "test");
  for (const char* metric : kAllMetrics) CHECK(why_not(result, metric).empty());
  CHECK(result.at("disentanglement_notes") == known.notes);
  CHECK(result.at("disentanglement").at("mig").at("value").get<double>() > 0.5);
}

TEST_CASE("equal values go into one bin, and few rows get few bins") {
  Numbers factors(90, 1);
  for (std::size_t n = 0; n < 90; ++n) factors(n, 0) = n < 60 ? 0.5 : 0.5 + static_cast<double>(n);
  const KnownFactors known = factors_as_classes(factors, {});
  CHECK(known.notes[0].find("3 bins") != std::string::npos);
  for (std::size_t n = 0; n < 90; ++n) CHECK(known.values(n, 0) == (n < 60 ? 0 : 1));
}

TEST_CASE("identities and missing values are left out by name, and the rest is scored") {
  Numbers factors(kCount, 4);
  for (std::size_t n = 0; n < kCount; ++n) {
    factors(n, 0) = static_cast<double>(n / 2);        // 600 identities
    factors(n, 1) = static_cast<double>(n * 7 % 256);  // as many classes as there may be
    factors(n, 2) = n == 5 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(n % 4);
    factors(n, 3) = static_cast<double>(n % 5);
  }
  const KnownFactors known = factors_as_classes(factors, {"person", "pose", "light", "shape"});
  CHECK(known.names == std::vector<std::string>{"pose", "shape"});
  REQUIRE(known.notes.size() == 2);
  CHECK(known.notes[0].find(
            "factor person is left out: 600 whole numbers in 1200 rows are too many classes") == 0);
  CHECK(known.notes[1] == "factor light is left out: some of its values are missing or not finite.");

  SECTION("nothing is left") {
    Numbers person(kCount, 1);
    for (std::size_t n = 0; n < kCount; ++n) person(n, 0) = static_cast<double>(n);
    const nlohmann::json result =
        disentanglement_of(Numbers(kCount, 2), factors_as_classes(person, {"person"}), 5, "test");
    for (const char* metric : kAllMetrics)
      CHECK(why_not(result, metric) ==
            "not defined: no factor can be taken as classes: person has 1200 different whole numbers in 1200 "
            "rows.");
    CHECK(result.at("disentanglement_notes").size() == 1);
  }
}

TEST_CASE("scores of a collapsed model are not defined") {
  const KnownFactors known = factors_as_classes(real_factors(), {"angle", "size"});
  Numbers codes(kCount, 2, 0.25);
  for (std::size_t n = 0; n < kCount; ++n) codes(n, 1) += 1e-8 * static_cast<double>(n % 2);  // rounding
  for (const char* metric : kAllMetrics)
    CHECK(why_not(disentanglement_of(codes, known, 5, "test"), metric) ==
          "not defined: no latent varies over these rows: the model is collapsed.");

  // Varying, but less than FactorVAE's score asks for: the variance of ±0.1 is 0.01.
  for (std::size_t n = 0; n < kCount; ++n) codes(n, 0) = known.values(n, 0) % 2 == 0 ? 0.1 : -0.1;
  const nlohmann::json result = disentanglement_of(codes, known, 5, "test");
  CHECK(
      why_not(result, "factor_vae_score") ==
      "not defined: no latent varies: the largest variance of a latent over these rows is 0.01, below 0.05.");
  CHECK(why_not(result, "mig").empty());
  CHECK_FALSE(result.contains("disentanglement_notes"));  // 0.01 and a little: active
  for (double& code : codes.values) code *= 0.1;
  CHECK(disentanglement_of(codes, known, 5, "test").at("disentanglement_notes").at(0) ==
        "no latent is active (the largest variance of a latent over these rows is 0.0001): the scores of "
        "disentanglement are those of a collapsed model.");
}

TEST_CASE("which rows the local geometry looks at does not depend on the batches that they come in") {
  constexpr int64_t kRows = 3000, kLatent = 64, kMost = 2048;  // 2^23 numbers, in whole batches of 256 rows
  const at::Tensor all =
      at::arange(kRows, at::kDouble).reshape({kRows, 1, 1}).expand({kRows, kLatent, kLatent});
  for (int64_t batch : {32, 256, 500}) {
    FirstMatrices first_rows;
    for (int64_t first = 0; first < kRows; first += batch)
      first_rows.add(all.narrow(0, first, std::min(batch, kRows - first)), {});
    std::vector<at::Tensor> rows;
    for (const at::Tensor& metric : first_rows.metrics) rows.push_back(metric.select(1, 0).select(1, 0));
    INFO("batches of " << batch);
    CHECK(at::cat(rows).equal(at::arange(kMost, at::kDouble)));
  }
}

}  // namespace
}  // namespace variform::metrics
