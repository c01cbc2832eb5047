// Sample quality: how far the images of a model are from real ones, in the features of a classifier.

#include "quality.h"

#include <variform/model.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jackknife.h"

namespace variform::metrics {
namespace {

constexpr std::int64_t kImageBatch = 256;  // images at a time; part of what seeds the samples
constexpr std::int64_t kGroups = 10;       // of the jackknife

// Returns distances of rows a to rows b, [M, N], from differences: inner products would lose digits near 0.
Tensor distances(const Tensor& a, const Tensor& b) { return at::cdist(a, b, 2, /*compute_mode=*/2); }

std::int64_t rows_at_once(std::int64_t columns) {
  constexpr std::int64_t kNumbers = std::int64_t{1} << 22;
  return std::max<std::int64_t>(1, kNumbers / columns);
}

// Returns the distance of each row to its k-th nearest other row, [N].
Tensor radii(const Tensor& rows, std::int64_t k) {
  std::vector<Tensor> parts;
  std::int64_t first = 0;
  for (const Tensor& some : rows.split(rows_at_once(rows.size(0)))) {
    Tensor distance = distances(some, rows);
    distance.narrow(1, first, some.size(0)).fill_diagonal_(std::numeric_limits<double>::infinity());
    parts.push_back(std::get<0>(distance.kthvalue(k, 1)));
    first += some.size(0);
  }
  return at::cat(parts);
}

// Returns the share of the points in at least one of the closed balls.
double covered(const Tensor& points, const Tensor& centres, const Tensor& radius) {
  std::int64_t inside = 0;
  for (const Tensor& some : points.split(rows_at_once(centres.size(0))))
    inside += (distances(some, centres) <= radius).any(1).sum().item<std::int64_t>();
  return static_cast<double>(inside) / static_cast<double>(points.size(0));
}

// Number, sum and sum of products of rows. A Gaussian is fitted from them, and groups can be subtracted.
struct Moments {
  double n = 0;
  Tensor sum, products;  // [d], [d, d]

  static Moments of(const Tensor& rows) {
    return {static_cast<double>(rows.size(0)), rows.sum(0), rows.t().mm(rows)};
  }
  Moments without(const Moments& part) const {
    return {n - part.n, sum - part.sum, products - part.products};
  }
  Tensor mean() const { return sum / n; }
  Tensor covariance() const { return (products - at::outer(sum, sum) / n) / (n - 1); }
};

double frechet(const Moments& a, const Moments& b) {
  return frechet_distance(a.mean(), a.covariance(), b.mean(), b.covariance());
}

}  // namespace

double frechet_distance(const Tensor& mean1, const Tensor& covariance1, const Tensor& mean2,
                        const Tensor& covariance2) {
  const auto [values, vectors] = at::linalg_eigh(covariance1);
  const Tensor root =
      vectors * values.clamp_min(0).sqrt();  // root rootᵀ = C₁, so that rootᵀ C₂ root ~ C₁^½ C₂ C₁^½
  const Tensor product = root.t().mm(covariance2).mm(root);
  const Tensor cross = at::linalg_eigvalsh(0.5 * (product + product.t())).clamp_min(0).sqrt().sum();
  const Tensor distance =
      (mean1 - mean2).square().sum() + covariance1.trace() + covariance2.trace() - 2 * cross;
  return std::max(0.0, distance.item<double>());
}

PrecisionRecall precision_recall(const Tensor& real, const Tensor& made, std::int64_t k) {
  if (k < 1 || real.size(0) <= k || made.size(0) <= k)
    throw Error("precision and recall with " + std::to_string(k) + " neighbours need more than " +
                std::to_string(k) + " rows of each kind.");
  return {covered(made, real, radii(real, k)), covered(real, made, radii(made, k))};
}

namespace {

// A number and its standard error.
using Estimate = std::pair<double, double>;

// Returns the Fréchet distance of two sets of N rows each; standard error by leaving out one group of both at a time.
Estimate frechet_of_rows(Tensor real, Tensor made) {
  const Tensor centre = real.mean(0);  // sums of squares of centred values lose no digits
  real = real - centre;
  made = made - centre;
  const Moments all_real = Moments::of(real), all_made = Moments::of(made);
  std::vector<double> without;
  for (std::int64_t group = 0; group < kGroups; ++group) {
    const auto part = [&](const Tensor& rows) {
      return Moments::of(rows.slice(0, group, std::nullopt, kGroups));
    };
    without.push_back(frechet(all_real.without(part(real)), all_made.without(part(made))));
  }
  return {frechet(all_real, all_made), jackknife_error(without)};
}

// Returns n row numbers (int64) evenly spread over `size` rows, which may be ordered by class.
Tensor spread_rows(std::int64_t n, std::int64_t size) {
  return at::arange(n).mul(size).div(n, "floor").to(at::kLong);
}

class Quality final : public With<Metric, Finishes, OnRequest> {
 public:
  explicit Quality(const Build& build)
      : images_(build.integer("images")), neighbours_(build.integer("neighbours")) {}

  bool on_request() const override { return true; }
  std::optional<Shorthand> shorthand() const override { return Shorthand{"quality", "images"}; }

  std::vector<Quantity> quantities() const override {
    const std::string draws = "draws of the prior (means of the likelihood)",
                      larger = ", larger by order 1/n than of infinitely many",
                      within = " within " + std::to_string(neighbours_) +
                               " neighbours' distance of one of as many ";
    return {{"frechet_samples", "", "Fréchet distance of " + draws + " and as many real images" + larger},
            {"frechet_reconstructions", "",
             "Fréchet distance of reconstructions and as many real images" + larger},
            {"precision", "", "share of " + draws + within + "real images"},
            {"recall", "", "share of real images" + within + draws},
            {"frechet_real", "", "Fréchet distance of real images of two splits" + larger},
            {"precision_real", "", "share of real images of the other split" + within + "this one"},
            {"recall_real", "", "share of real images" + within + "images of the other split"}};
  }

  void measure(Measured& /*at*/, Findings& /*findings*/) override {}
  void finish(Measured& at, Findings& findings) override {
    if (at.split() == "validation")
      throw Unsupported(
          "real images are those of split 'test' or 'train', which the network's data have, too");
    if (at.rows(at::zeros({1}, at::kLong)).context.mask.defined())
      throw Unsupported("real images are needed whole, and these lack values");
    Features& features = at.features();
    const std::int64_t rows = std::min(at.split_size(), features.size(at.split())),
                       n = std::min(images_, rows);
    if (n < 2 * kGroups || n <= neighbours_)
      throw Unsupported("at least " + std::to_string(std::max(2 * kGroups, neighbours_ + 1)) +
                        " images are needed, found " + std::to_string(n));
    findings.qualify(features.name());
    for (const Quantity& quantity : quantities())
      findings.detail(quantity.name, "; n = " + std::to_string(n) + ", images of split '" + at.split() +
                                         "', features of " + features.description());
    compare(at, findings, features, n, spread_rows(n, rows));
  }

 private:
  // Compares as many real images as made ones: those rows, draws of the prior, reconstructions of the same rows, and real
  // images of the other split, for scale: the numbers of a perfect model.
  void compare(Measured& at, Findings& findings, Features& features, std::int64_t n,
               const Tensor& index) const {
    Model& model = at.model();
    const auto shown = [&](const Tensor& z, const Context& context) {
      return features.of(model.data_mean(model.decode(z, context)));
    };
    const auto rows = [&](std::int64_t first, std::int64_t count) {
      return at.rows(index.narrow(0, first, count));
    };
    std::int64_t done = 0;
    const auto in_parts = [&](const std::function<Tensor(std::int64_t, std::int64_t)>& images) {
      constexpr std::int64_t kSets = 4;
      std::vector<Tensor> parts;
      for (std::int64_t first = 0; first < n; first += kImageBatch) {
        at.progress(done + first, kSets * n);
        parts.push_back(images(first, std::min(kImageBatch, n - first)));
      }
      done += n;
      return at::cat(parts);
    };
    const Tensor real = in_parts([&](std::int64_t first, std::int64_t count) {
      return features.of_rows(at.split(), index.narrow(0, first, count));
    });
    const Tensor samples = in_parts([&](std::int64_t first, std::int64_t count) {
      const Context context = rows(first, count).context;  // samples are of the real images' conditions
      at.random_at("quality", static_cast<std::uint64_t>(first));
      return shown(model.sample_prior(count, context), context);
    });
    add(findings, real, samples, {"frechet_samples", "precision", "recall"});
    const Tensor reconstructions = in_parts([&](std::int64_t first, std::int64_t count) {
      const Batch batch = rows(first, count);
      return shown(model.posterior(batch.x, batch.context)->location(), batch.context);
    });
    add(findings, real, reconstructions, {"frechet_reconstructions", nullptr, nullptr});
    const std::string other = at.split() == "test" ? "train" : "test";
    const Names names{"frechet_real", "precision_real", "recall_real"};
    if (features.size(other) < n)
      return undefined(findings, names,
                       "the split '" + other + "' has no other " + std::to_string(n) + " images");
    const Tensor others = spread_rows(n, features.size(other));
    add(findings, real, in_parts([&](std::int64_t first, std::int64_t count) {
          return features.of_rows(other, others.narrow(0, first, count));
        }),
        names);
  }

  // Quantities of one set of images; null: not measured. Reconstructions get neither precision nor recall, since each is
  // paired with a real image.
  struct Names {
    const char *frechet, *precision, *recall;
  };

  static void undefined(Findings& findings, const Names& names, const std::string& reason) {
    for (const char* name : {names.frechet, names.precision, names.recall})
      if (name) findings.undefined(name, reason);
  }

  void add(Findings& findings, const Tensor& real, const Tensor& made, const Names& names) const {
    const std::int64_t n = made.size(0), bad = n - made.isfinite().all(1).sum().item<std::int64_t>();
    if (bad > 0)
      return undefined(
          findings, names,
          "the features of " + std::to_string(bad) + " of " + std::to_string(n) + " images are not finite");
    const auto [distance, error] = frechet_of_rows(real, made);
    findings.number(names.frechet, distance, error);
    if (!names.precision) return;
    const PrecisionRecall shares = precision_recall(real, made, neighbours_);
    const auto add_share = [&](const char* name, double share) {
      findings.number(name, share, std::sqrt(share * (1 - share) / static_cast<double>(n)));
    };
    add_share(names.precision, shares.precision);
    add_share(names.recall, shares.recall);
  }

  const std::int64_t images_, neighbours_;
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Quality>(
    "quality", "How far the images of a model are from real ones, in the features of a classifier.",
    "Heusel et al. 2017; Kynkäänniemi et al. 2019",
    {variform::integer("images", 10'000)
         .at_least(1)
         .in("images")
         .doc("Of each kind, or as many as the split has."),
     variform::integer("neighbours", 3)
         .at_least(1)
         .in("images")
         .doc("k of precision and recall: a neighbourhood goes up to the k-th nearest image.")}))
