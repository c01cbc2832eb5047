// Uniform prior on a cube, for bounded families (§7).

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace {

using variform::Tensor;

/// p(z) = 1/(high − low)^d inside the cube, 0 outside. A family with draws outside is refused: KL would be infinite.
class Uniform final : public variform::With<variform::Prior, variform::BoundedSupport> {
 public:
  explicit Uniform(const variform::Build& build)
      : low_(build.number("low")),
        high_(build.number("high")),
        latent_(build.latent),
        options_(build.options) {
    if (!(low_ < high_))
      throw variform::Error("'low' must be below 'high'; found " + std::to_string(low_) + " and " +
                            std::to_string(high_));
  }
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    const Tensor inside = at::logical_and(z >= low_, z <= high_).all(-1);
    const Tensor value = at::full({}, -static_cast<double>(latent_) * std::log(high_ - low_), options_);
    return at::where(inside, value, at::full({}, -std::numeric_limits<double>::infinity(), options_));
  }
  Tensor sample(int64_t n, variform::Generator& rng, const variform::Context&) override {
    return at::empty({n, latent_}, options_).uniform_(low_, high_, rng);
  }
  variform::Support support() const override { return {low_, high_}; }

 private:
  double low_, high_;
  int64_t latent_;
  at::TensorOptions options_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Uniform>(
    "uniform", "Uniform prior on a cube; variance 1 by default.", "theory §7",
    {variform::number("low", -1.7320508075688772).in("latent units").doc("Lower end of every latent."),
     variform::number("high", 1.7320508075688772).in("latent units").doc("Upper end of every latent.")}))
