// Gaussian posterior with one variance for all latents: restricted, but it leaves the rotation open (§7, control).

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// q(z|x) = N(m, s²I). The encoder outputs d + 1 numbers: the mean m, then log(s/deviation)². Its gap to the full
/// family is the same for every rotation of the decoder, so that it does not make the model unique (§7).
class Isotropic final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Isotropic(const variform::Build& build) : deviation_(build.number("deviation")) {}
  int64_t parameter_count(int64_t d) const override { return d + 1; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean", d}, {"log(variance / deviation²)", 1}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const int64_t d = params.size(1) - 1;
    const Tensor deviation = deviation_ * (0.5 * params.select(1, d)).exp();  // [B]
    return std::make_unique<variform::GaussianPosterior>(params.narrow(1, 0, d),
                                                         variform::Covariance::isotropic(deviation, d));
  }

 private:
  double deviation_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Isotropic>(
    "isotropic", "Gaussian posterior with one variance for all latents of an example.",
    "Kumar and Poole, On Implicit Regularization in β-VAEs, ICML 2020; theory §4, §7",
    {variform::number("deviation", 1.0)
         .above(0)
         .in("latent units")
         .doc("Standard deviation of every latent for an encoder output of zero, which is about where "
              "training starts.")}))
