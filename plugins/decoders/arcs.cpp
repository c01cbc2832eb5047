// Decoder `arcs`: the toy generator of the experiments on uniqueness, two arcs of circles at right angles (§7).

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// g(z) = A [r₁ c(z₁); r₂ c(z₂)], c(t) = (sin ωt, 1 − cos ωt)/ω, A [P, 4] with orthonormal columns, drawn from the seed
/// and fixed (buffer "a"). Its Jacobian has orthogonal columns of length r₁ and r₂ everywhere. It has nothing to train:
/// it generates data, or serves as a frozen decoder behind a trained encoder.
class Arcs final : public variform::Decoder {
 public:
  explicit Arcs(const variform::Build& build) : shape_(build.data), omega_(build.number("omega")) {
    const std::vector<double> radii = build.numbers("radii");
    if (build.latent != 2 || build.outputs != 1 || build.data_size() < 4 || radii.size() != 2)
      throw variform::Error(
          "decoder 'arcs' needs two latents, two radii, one output per value and at least 4 values; "
          "found d = " +
          std::to_string(build.latent) + ", " + std::to_string(radii.size()) + " radii, " +
          std::to_string(build.outputs) + " outputs, " + std::to_string(build.data_size()) + " values");
    shape_.insert(shape_.begin(), -1);
    variform::Generator rng = build.rng;
    const Tensor random = at::randn({build.data_size(), 4}, rng, build.options.dtype(at::kDouble));
    a_ = register_buffer("a", std::get<0>(at::linalg_qr(random)).to(build.options));
    radii_ = at::tensor(radii, at::kDouble).to(build.options);
  }
  Tensor decode(const Tensor& z, const variform::Context&) override {
    const Tensor angle = omega_ * z;  // [N, 2]
    const Tensor c =
        at::stack({angle.sin(), 1 - angle.cos()}, -1) * (radii_ / omega_).unsqueeze(-1);  // [N, 2, 2]
    return c.flatten(1).mm(a_.t()).reshape(shape_);
  }

 private:
  variform::Shape shape_;
  double omega_;
  Tensor a_, radii_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Arcs>(
    "arcs", "Two arcs of circles in planes at right angles: a known generator for two latents.", "theory §7",
    {variform::numbers("radii", {3, 1})
         .above(0)
         .in("data units per latent unit")
         .doc("Lengths r₁, r₂ of the Jacobian's columns."),
     variform::number("omega", 0.4).above(0).in("radians per latent unit").doc("Curvature ω of the arcs.")}))
