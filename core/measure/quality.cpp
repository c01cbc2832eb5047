// See quality.h.

#include "measure/quality.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/random.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "model/rows.h"
#include "model/session.h"

namespace variform::measure {
namespace {

using nlohmann::json;

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

// Returns the Fréchet distance of two sets of N rows each; standard error by leaving out one group of both at a time.
json frechet_entry(Tensor real, Tensor made) {
  const Tensor centre = real.mean(0);  // sums of squares of centred values lose no digits
  real = real - centre;
  made = made - centre;
  const Moments all_real = Moments::of(real), all_made = Moments::of(made);
  double sum = 0, squares = 0;
  for (std::int64_t group = 0; group < kGroups; ++group) {
    const auto part = [&](const Tensor& rows) {
      return Moments::of(rows.slice(0, group, std::nullopt, kGroups));
    };
    const double value = frechet(all_real.without(part(real)), all_made.without(part(made)));
    sum += value;
    squares += value * value;
  }
  constexpr auto kCount = static_cast<double>(kGroups);
  const double spread = std::max(0.0, squares - sum * sum / kCount);
  return {{"value", frechet(all_real, all_made)}, {"se", std::sqrt((kCount - 1) / kCount * spread)}};
}

json share_entry(double share, std::int64_t n) {
  return {{"value", share}, {"se", std::sqrt(share * (1 - share) / static_cast<double>(n))}};
}

class Measurement {
 public:
  Measurement(model::Session& session, const model::FeatureNetwork& network, const QualityOptions& options)
      : session_(session),
        network_(network),
        options_(options),
        model_(session.assembly->model()),
        mode_(*session.assembly),
        rows_(session, options.split),
        real_(network.session(), options.split),
        n_(std::min({options.images, rows_.size(), real_.size()})) {
    if (n_ < 2 * kGroups || n_ <= options.neighbours)
      throw Unsupported("at least " + std::to_string(std::max(2 * kGroups, options.neighbours + 1)) +
                        " images are needed, found " + std::to_string(n_));
  }

  json run() {
    const Tensor index = model::spread_rows(n_, std::min(rows_.size(), real_.size()));
    const Tensor real = features(
        [&](std::int64_t first, std::int64_t count) { return real_.at(index.narrow(0, first, count)).x; });
    add_images("samples", real, features([&](std::int64_t first, std::int64_t count) {
                 model_.rng.set_current_seed(hash(session_.assembly->spec().seed, "evaluate", "quality",
                                                  static_cast<std::uint64_t>(first)));
                 return shown(model_.sample_prior(count));
               }),
               "draws of the prior (means of the likelihood)");
    add_images("reconstructions", real, features([&](std::int64_t first, std::int64_t count) {
                 return shown(model_.posterior(rows_.at(index.narrow(0, first, count)).x)->location());
               }),
               "reconstructions");
    add_scale(real);
    return section_;
  }

 private:
  // Returns the features of n_ images, [N, d].
  Tensor features(const std::function<Tensor(std::int64_t, std::int64_t)>& images) {
    constexpr std::int64_t kSets = 4;  // real, samples, reconstructions, real of another split
    std::vector<Tensor> parts;
    for (std::int64_t first = 0; first < n_; first += kImageBatch) {
      base::tell(options_.watch, "quality", sets_done_ * n_ + first, kSets * n_);
      parts.push_back(network_.features(images(first, std::min(kImageBatch, n_ - first))));
    }
    ++sets_done_;
    return at::cat(parts);
  }

  // Returns means of the likelihood at latents z on the data set's scale, within [0, 1] if its images are.
  Tensor shown(const Tensor& z) const {
    const Tensor x = model::unscaled(session_, model_.data_mean(model_.decode(z)));
    return network_.session().domain == "unit interval" ? x.clamp(0, 1) : x;
  }

  std::string name(const std::string& metric) const { return metric + "[" + network_.name() + "]"; }

  // Adds the entries of one set of images; `whose` describes them. Reconstructions get neither precision nor recall,
  // since each is paired with a real image.
  void add_images(const std::string& kind, const Tensor& real, const Tensor& made, const std::string& whose) {
    const std::string n = std::to_string(n_), balls = std::to_string(options_.neighbours),
                      images = "images of split '" + real_.split() + "'",
                      with = "; features of " + network_.description(),
                      end = kind == "samples" ? "" : "_" + kind;
    const std::string distance = "Fréchet distance of " + n + " " + whose + " and as many " + images +
                                 ", larger by order 1/" + n + " than of infinitely many" + with,
                      precision = "share of " + n + " " + whose + " within " + balls +
                                  " neighbours' distance of one of as many " + images + with,
                      recall = "share of " + n + " " + images + " within " + balls +
                               " neighbours' distance of one of as many " + whose + with;
    const auto bad = n_ - made.isfinite().all(1).sum().item<std::int64_t>();
    const auto add = [&](const std::string& metric, const std::string& what, const auto& value) {
      section_[name(metric)] =
          bad == 0 ? value()
                   : json{{"undefined", "not defined: the features of " + std::to_string(bad) + " of " + n +
                                            " images are not finite."}};
      section_[name(metric)]["unit"] = "";
      section_[name(metric)]["what"] = what;
    };
    add("frechet_" + kind, distance, [&] { return frechet_entry(real, made); });
    if (kind == "reconstructions") return;
    const PrecisionRecall shares =
        bad == 0 ? precision_recall(real, made, options_.neighbours) : PrecisionRecall{};
    add("precision" + end, precision, [&] { return share_entry(shares.precision, n_); });
    add("recall" + end, recall, [&] { return share_entry(shares.recall, n_); });
  }

  // Compares real images with real ones, for scale: the numbers of a perfect model.
  void add_scale(const Tensor& real) {
    const std::string other = real_.split() == "test" ? "train" : "test";
    const data::Splits& splits = network_.session().splits;
    if (splits.test.stored().is_same(splits.train.stored()) || splits.test.size() < n_ ||
        splits.train.size() < n_) {
      for (const char* metric : {"frechet_real", "precision_real", "recall_real"})
        section_[name(metric)] = {{"undefined", "not defined: the split '" + other + "' has no other " +
                                                    std::to_string(n_) + " images."},
                                  {"unit", ""},
                                  {"what", "the same between real images of two splits"}};
      return;
    }
    model::Rows rows(network_.session(), other);
    const Tensor index = model::spread_rows(n_, rows.size());
    add_images("real", real, features([&](std::int64_t first, std::int64_t count) {
                 return rows.at(index.narrow(0, first, count)).x;
               }),
               "images of split '" + other + "'");
  }

  model::Session& session_;
  const model::FeatureNetwork& network_;
  const QualityOptions options_;
  Model& model_;
  const model::EvaluationMode mode_;
  model::Rows rows_, real_;
  std::int64_t n_, sets_done_ = 0;
  json section_ = json::object();
};

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
    throw std::invalid_argument("precision and recall with " + std::to_string(k) +
                                " neighbours need more than " + std::to_string(k) + " rows of each kind.");
  return {covered(made, real, radii(real, k)), covered(real, made, radii(made, k))};
}

std::vector<std::string> quality_metrics() {
  return {"frechet_samples", "frechet_reconstructions", "precision",  "recall",
          "frechet_real",    "precision_real",          "recall_real"};
}

json quality(model::Session& session, const FeatureNetworkOf& network_of, const QualityOptions& options) {
  try {
    if (options.split == "validation")
      throw Unsupported(
          "real images are those of split 'test' or 'train', which the network's data have, too");
    const model::FeatureNetwork network = network_of();
    const at::NoGradGuard no_grad;
    return Measurement(session, network, options).run();
  } catch (const Unsupported& error) {
    std::string reason = std::string("not defined: ") + error.what();
    if (!reason.ends_with('.')) reason += '.';
    json section;
    for (const char* metric : {"frechet_samples", "frechet_reconstructions", "precision", "recall"})
      section[metric] = {{"undefined", reason}, {"unit", ""}, {"what", "in the features of a classifier"}};
    return section;
  }
}

}  // namespace variform::measure
