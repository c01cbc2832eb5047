// Mean-field Gaussian posterior: the family under which the decoder's columns are pushed towards orthogonality (§4).

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>

namespace {

using variform::Tensor;

/// q(z|x) = ∏_i N(z_i; m_i, s_i²) (Kingma and Welling 2014, appendix B). The encoder outputs 2d numbers: the mean m,
/// then the logarithm of the variance relative to `deviation`²: log s² = output + 2 log deviation. An encoder that
/// outputs zeros thus gives N(0, deviation² I), by default the standard normal prior itself.
class Diagonal final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Diagonal(const variform::Build& build)
      : log_deviation_(at::full({}, std::log(build.number("deviation")), build.options)) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean", d}, {"log(variance / deviation²)", d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    const std::vector<Tensor> parts = params.chunk(2, -1);
    return std::make_unique<variform::GaussianPosterior>(
        parts[0], variform::Covariance::diagonal(at::add(log_deviation_, parts[1], 0.5).exp()));
  }

 private:
  Tensor log_deviation_;  // []
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Diagonal>("diagonal", "Gaussian posterior with independent latents (mean-field).",
                                  "Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014; theory §4",
                                  {variform::number("deviation", 1.0)
                                       .above(0)
                                       .in("latent units")
                                       .doc("Standard deviation of every latent for an encoder output of "
                                            "zero, which is about where training starts.")}))
