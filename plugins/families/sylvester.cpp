// Sylvester flow: Gaussian draws sent through maps with as many units as there are latents, all given by the encoder.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace {

using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

// z -> z + Q R tanh(R̃ Qᵀz + b), for each datum its own: Q orthogonal, R and R̃ upper triangular.
struct Map {
  Tensor q, r, r2, b;  // [B, d, d] three times, [B, d]
  Tensor slope;        // r_ii r̃_ii in (−1, 1): then the map is invertible, [B, d]
};

Tensor apply(const Tensor& matrix, const Tensor& z) {  // [B, d, d] to [..., B, d]
  return matrix.matmul(z.unsqueeze(-1)).squeeze(-1);
}

/// log q(z_T|x) = log N(z_0; m, s²) − Σ_t Σ_i log(1 + r_ii r̃_ii tanh'(·)_i) (van den Berg et al. 2018, equation 14).
/// Draw::noise is log q of the draw itself, [K, B].
class SylvesterPosterior final : public variform::Posterior {
 public:
  SylvesterPosterior(Tensor mean, Tensor log_variance, std::vector<Map> maps)
      : mean_(std::move(mean)), log_variance_(std::move(log_variance)), maps_(std::move(maps)) {}

  /// The image of the Gaussian's mean: a centre, not the mean.
  Tensor location() const override { return flow(mean_).z; }
  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    const Tensor noise = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    const Tensor log_base = -0.5 * (noise.square() + log_variance_ + kLogTwoPi).sum(-1);
    const Flowed end = flow(mean_ + (0.5 * log_variance_).exp() * noise);
    return {end.z, log_base - end.log_det};
  }
  Tensor log_prob(const variform::Draw& draw) const override {
    if (!draw.noise.defined())
      throw variform::Unsupported(
          "a Sylvester flow has no inverse in closed form and knows its density at its own draws only; "
          "choose a prior "
          "and an objective that ask for no other, or another family");
    return draw.noise;
  }

 private:
  struct Flowed {
    Tensor z, log_det;  // [..., B, d], [..., B]
  };
  Flowed flow(Tensor z) const {
    Tensor log_det = at::zeros(z.sizes().slice(0, z.dim() - 1), z.options());
    for (const Map& map : maps_) {
      const Tensor h = (apply(map.r2, apply(map.q.transpose(1, 2), z)) + map.b).tanh();
      log_det = log_det + ((1 - h.square()) * map.slope).log1p().sum(-1);
      z = z + apply(map.q, apply(map.r, h));
    }
    return {z, log_det};
  }

  Tensor mean_, log_variance_;  // [B, d]
  std::vector<Map> maps_;
};

/// The encoder outputs m [d] and log s² [d], then for each map: `reflections` vectors whose Householder reflections make
/// Q, the numbers on and above the diagonal of R and of R̃ row by row (those on the diagonal through tanh), and b [d].
class Sylvester final : public variform::VariationalFamily {
 public:
  explicit Sylvester(const variform::Build& build)
      : maps_(build.integer("maps")), reflections_(build.integer("reflections")) {
    const int64_t d = build.latent;
    const Tensor upper = at::ones({d, d}, at::kDouble).triu().to(at::kBool).flatten();
    places_ = upper.nonzero().squeeze(1).to(build.options.device());
  }
  int64_t parameter_count(int64_t d) const override {
    return 2 * d + maps_ * (reflections_ * d + triangle(d) * 2 + d);
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&) override {
    const int64_t d = dimension();
    std::vector<Map> maps;
    int64_t at = 2 * d;
    for (int64_t t = 0; t < maps_; ++t) {
      Map map;
      map.q = orthogonal(params.narrow(1, at, reflections_ * d), d);
      at += reflections_ * d;
      map.r = upper(params.narrow(1, at, triangle(d)), d);
      map.r2 = upper(params.narrow(1, at + triangle(d), triangle(d)), d);
      at += 2 * triangle(d);
      map.b = params.narrow(1, at, d);
      at += d;
      map.slope = map.r.diagonal(0, 1, 2) * map.r2.diagonal(0, 1, 2);
      maps.push_back(std::move(map));
    }
    return std::make_unique<SylvesterPosterior>(params.narrow(1, 0, d), params.narrow(1, d, d),
                                                std::move(maps));
  }

 private:
  static int64_t triangle(int64_t d) { return d * (d + 1) / 2; }
  int64_t dimension() const {
    return static_cast<int64_t>(
        std::llround((std::sqrt(8.0 * static_cast<double>(places_.size(0)) + 1) - 1) / 2));
  }
  Tensor orthogonal(const Tensor& vectors, int64_t d) const {
    Tensor q = at::eye(d, vectors.options()).expand({vectors.size(0), d, d});
    for (int64_t k = 0; k < reflections_; ++k) {
      const Tensor v = vectors.narrow(1, k * d, d).unsqueeze(2);  // [B, d, 1]
      q = q - v.matmul(v.transpose(1, 2).matmul(q)) * (2 / v.square().sum(1, true).clamp_min(1e-12));
    }
    return q;
  }
  Tensor upper(const Tensor& numbers, int64_t d) const {
    const int64_t batch = numbers.size(0);
    const Tensor all =
        at::zeros({batch, d * d}, numbers.options()).index_copy(1, places_, numbers).reshape({batch, d, d});
    const Tensor diagonal = all.diagonal(0, 1, 2);
    return all + (diagonal.tanh() - diagonal).diag_embed();
  }

  int64_t maps_, reflections_;
  Tensor places_;  // of the numbers on and above a diagonal: constants, not state
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Sylvester>(
    "sylvester", "Gaussian draws sent through Sylvester maps, all given by the encoder.",
    "van den Berg et al., Sylvester Normalizing Flows for Variational Inference, UAI 2018",
    {variform::integer("maps", 2).at_least(1).doc("Number of maps."),
     variform::integer("reflections", 4)
         .at_least(1)
         .doc("Householder reflections that make each map's orthogonal matrix.")}))
