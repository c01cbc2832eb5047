// Gaussian posteriors with correlations inside blocks of latents, by Cholesky factors: `block`, and with one block of
// all latents `full`, which leaves the decoder's curvature free (§4, §7).

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numeric>

#include "coupling.h"

namespace {

using variform::Tensor;

int64_t triangle(int64_t b) { return b * (b - 1) / 2; }

// Returns the index of each entry of a factor [b, b] in [diagonal, below the diagonal row by row, one zero].
Tensor places_of(int64_t b, const at::Device& device) {
  std::vector<int64_t> places(static_cast<size_t>(b * b), b + triangle(b));
  int64_t below = b;
  for (int64_t row = 0; row < b; ++row) {
    for (int64_t column = 0; column < row; ++column) places[static_cast<size_t>(row * b + column)] = below++;
    places[static_cast<size_t>(row * b + row)] = row;
  }
  return at::tensor(places, at::kLong).to(device);
}

// Returns the row of each entry below the diagonal.
Tensor rows_of(int64_t b, const at::Device& device) {
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < b; ++row) rows.insert(rows.end(), static_cast<size_t>(row), row);
  return at::tensor(rows, at::kLong).to(device);
}

/// q(z|x) = N(m, L Lᵀ), L block-diagonal, each block lower triangular with a positive diagonal. The encoder outputs
/// the mean m [d], the logarithms 2 log(L_ii / deviation) [d], as for `diagonal`, and for each block of size b the
/// b(b−1)/2 numbers n_ij below its diagonal, row by row: L_ij = L_ii c n_ij, c = coupling / √N for N of them in all.
/// An encoder that outputs zeros thus gives N(0, deviation² I), and one with small outputs nearly the diagonal
/// family's posterior.
class Blocks : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  Blocks(const variform::Build& build, std::vector<int64_t> sizes)
      : deviation_(build.number("deviation")),
        coupling_(variform::register_coupling(*this, build, triangles(sizes))),
        sizes_(std::move(sizes)),
        zero_(at::zeros({1, 1}, build.options)) {
    variform::Structure{sizes_}.validate(build.latent);
    for (int64_t b : sizes_) {
      places_.push_back(places_of(b, build.options.device()));
      rows_.push_back(rows_of(b, build.options.device()));
    }
  }
  int64_t parameter_count(int64_t d) const override { return 2 * d + triangles(sizes_); }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean", d},
            {"log(variance / deviation²) before the couplings", d},
            {"couplings of latents within a block", triangles(sizes_)}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const int64_t batch = params.size(0), d = std::accumulate(sizes_.begin(), sizes_.end(), int64_t{0});
    std::vector<Tensor> factors;
    const Tensor deviations = deviation_ * (0.5 * params.narrow(1, d, d)).exp();
    const Tensor couplings = coupling_ * params.slice(1, 2 * d);
    int64_t latent = 0, coupling = 0;
    for (size_t i = 0; i < sizes_.size(); ++i) {
      const int64_t b = sizes_[i];
      const Tensor diagonal = deviations.narrow(1, latent, b);
      const Tensor below = couplings.narrow(1, coupling, triangle(b)) * diagonal.index_select(1, rows_[i]);
      const Tensor entries = at::cat({diagonal, below, zero_.to(params.options()).expand({batch, 1})}, 1);
      factors.push_back(entries.index_select(1, places_[i]).reshape({batch, b, b}));
      latent += b;
      coupling += triangle(b);
    }
    return std::make_unique<variform::GaussianPosterior>(params.narrow(1, 0, d),
                                                         variform::Covariance::cholesky(std::move(factors)));
  }

 private:
  static int64_t triangles(const std::vector<int64_t>& sizes) {
    return std::accumulate(sizes.begin(), sizes.end(), int64_t{0},
                           [](int64_t sum, int64_t b) { return sum + triangle(b); });
  }

  double deviation_;
  Tensor coupling_;  // c
  std::vector<int64_t> sizes_;
  Tensor zero_;                        // constants, not state
  std::vector<Tensor> places_, rows_;  // one per block
};

std::vector<int64_t> sizes_of(const variform::Build& build) {
  const std::vector<int64_t> sizes = build.integers("sizes");
  return sizes.empty() ? variform::Structure::named("block", build.latent, build.integer("size")).blocks
                       : sizes;
}

class Block final : public Blocks {
 public:
  explicit Block(const variform::Build& build) : Blocks(build, sizes_of(build)) {}
};

class Full final : public Blocks {
 public:
  explicit Full(const variform::Build& build) : Blocks(build, {build.latent}) {}
};

constexpr variform::Parameter kDeviation =
    variform::number("deviation", 1.0)
        .above(0)
        .in("latent units")
        .doc(
            "Standard deviation of every latent for an encoder output of zero, which is about where training "
            "starts.");

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Full>(
        "full", "Gaussian posterior with a full covariance, by its Cholesky factor.",
        "Kingma and Welling, An Introduction to Variational Autoencoders, 2019, section 2.5.1; theory §4",
        {kDeviation, variform::coupling_parameter()}),
    variform::component<Block>(
        "block", "Gaussian posterior with a full covariance inside blocks of latents and none between them.",
        "Kumar and Poole, On Implicit Regularization in β-VAEs, ICML 2020, section 3; theory §4, §8",
        {variform::integer("size", 2).at_least(1).in("latents").doc(
             "Size of the blocks, at most d; the last block is smaller when it does not divide d."),
         variform::integers("sizes", {})
             .at_least(1)
             .in("latents")
             .doc("Sizes of the blocks one by one, adding up to d; left out, they are equal (`size`)."),
         kDeviation, variform::coupling_parameter()}))
