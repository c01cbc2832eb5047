// A point instead of a distribution: the "posterior" of deterministic autoencoders.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Tensor;

class PointPosterior final : public variform::Posterior {
 public:
  explicit PointPosterior(Tensor location) : location_(std::move(location)) {}

  Tensor location() const override { return location_; }
  variform::Draw rsample(int64_t K, variform::Generator&) const override {
    return {location_.unsqueeze(0).expand({K, location_.size(0), location_.size(1)}), {}};
  }
  Tensor log_prob(const variform::Draw&) const override {
    throw variform::Unsupported(
        "the point family has no density, so that KL divergence and evidence are not defined; use an "
        "objective without KL, or family 'optimal' for the posterior of a GRAE model");
  }

 private:
  Tensor location_;  // [B, d]
};

/// z = h(x): every draw is the encoder's output itself. It has no entropy, density or covariance, so that objectives
/// with a KL divergence refuse it.
class Point final : public variform::With<variform::VariationalFamily, variform::NamesOutputs> {
 public:
  explicit Point(const variform::Build&) {}
  int64_t parameter_count(int64_t d) const override { return d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override { return {{"code", d}}; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    return std::make_unique<PointPosterior>(params);
  }
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Point>(
    "point", "A single point per example: the encoding of a deterministic autoencoder.",
    "Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020; theory §6"))
