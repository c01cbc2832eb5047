// Gaussian posterior of constant variance: the penalty on the Jacobian is then Tikhonov's (§4, last row).

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

/// q(z|x) = N(m, deviation² I), m from the encoder. Under §3 the objective is that of a regularized autoencoder whose
/// penalty is ½ deviation² tr H.
class Fixed final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Fixed(const variform::Build& build)
      : deviation_(at::full({1}, build.number("deviation"), build.options)) {}
  int64_t parameter_count(int64_t d) const override { return d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override { return {{"mean", d}}; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    return std::make_unique<variform::GaussianPosterior>(
        params, variform::Covariance::isotropic(deviation_.expand({params.size(0)}), params.size(1)));
  }

 private:
  Tensor deviation_;  // [1]: from the config, not state
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Fixed>(
    "fixed", "Gaussian posterior with one constant variance (the constant-variance VAE).",
    "Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020, section 4; theory §4, §6",
    {variform::number("deviation", 1.0)
         .above(0)
         .in("latent units")
         .doc("Standard deviation of every latent, for all data.")}))
