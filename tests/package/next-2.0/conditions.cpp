// What is known of rows beside x: networks and a prior that use a condition, a likelihood that some values may lack.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Build;
using variform::Context;
using variform::Tensor;
namespace nn = variform::nn;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

nn::LayerPtr told_of(const Build& build) {
  const int64_t condition = variform::condition_of(build);
  auto network = std::make_shared<nn::Sequential>();
  nn::append_input(*network, build, condition);
  if (condition == 0) network->append(std::make_shared<nn::Flatten>());
  const int64_t width = nn::append_hidden(*network, build, {"tanh", "none", 1}, build.data_size() + condition, {12});
  network->append(std::make_shared<nn::Linear>(build, width, build.outputs));
  return network;
}

/// An encoder of the data and the condition.
class Told final : public nn::NetworkEncoder {
 public:
  explicit Told(const Build& build) : NetworkEncoder(build, told_of(build), variform::condition_of(build)) {}
};

nn::LayerPtr telling_of(const Build& build) {
  auto network = std::make_shared<nn::Sequential>();
  const int64_t width =
      nn::append_hidden(*network, build, {"softplus", "none", 1}, build.latent + variform::condition_of(build), {12});
  network->append(std::make_shared<nn::Linear>(build, width, build.outputs * build.data_size()));
  network->append(std::make_shared<nn::Unflatten>(nn::decoded_shape(build)));
  return network;
}

/// A decoder of the latents and the condition.
class Telling final : public nn::NetworkDecoder {
 public:
  explicit Telling(const Build& build) : NetworkDecoder(build, telling_of(build), variform::condition_of(build)) {}
};

int64_t size_of_condition(const Build& build) {
  if (build.condition == 0)
    throw variform::Error("expects data with a condition; write condition = \"labels\" in [data]");
  return build.condition;
}

/// p(z|c) = N(Wc, I) with a trained W [d, c].
class Guided final : public variform::With<variform::Prior, variform::ClosedCrossEntropy, variform::GaussianForm,
                                           variform::MomentsNeeded, variform::Conditioned> {
 public:
  explicit Guided(const Build& build)
      : size_(size_of_condition(build)),
        options_(build.options),
        weight_(register_parameter("weight", at::zeros({build.latent, size_}, build.options))) {}
  Tensor log_prob(const Tensor& z, const Context& context) override {
    const Tensor mean = mean_at(context, z.dim() > 1 ? z.size(-2) : 1);
    const Tensor e = z - (z.dim() > 1 ? mean : mean.squeeze(0));
    return -0.5 * (e.square() + kLogTwoPi).sum(-1);
  }
  Tensor sample(int64_t n, variform::Generator& rng, const Context& context) override {
    return mean_at(context, n) + at::randn({n, weight_.size(0)}, rng, options_);
  }
  std::optional<Tensor> cross_entropy(const variform::Posterior& posterior, const Context& context) override {
    const std::optional<variform::Covariance> covariance = posterior.covariance();
    if (!covariance) return {};
    const Tensor h = posterior.location();
    const Tensor second = covariance->variances().to(h.scalar_type()) + (h - mean_at(context, h.size(0))).square();
    return 0.5 * (second + kLogTwoPi).sum(-1);
  }
  std::optional<variform::Gaussian> gaussian(const Context& context) override {
    const Tensor mean = mean_at(context, context.condition.defined() ? context.condition.size(0) : 0);
    return variform::Gaussian{mean, variform::Covariance::diagonal(at::ones(mean.sizes(), options_))};
  }
  int moments_needed() const override { return 2; }
  bool is_conditioned() const override { return true; }

 private:
  Tensor mean_at(const Context& context, int64_t rows) const {
    return variform::condition_in(context, rows, size_).to(options_).matmul(weight_.t());
  }

  int64_t size_;
  at::TensorOptions options_;
  Tensor weight_;
};

/// A Gaussian of variance 1 for the values that were observed.
class Patchy final : public variform::With<variform::Likelihood, variform::CurvatureForm, variform::IsotropicCurvature,
                                           variform::NoiseVariance, variform::MissingValues> {
 public:
  explicit Patchy(const Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        size_(build.data_size()),
        one_(at::ones({}, build.options)) {}
  int64_t outputs() const override { return 1; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  bool admits_missing() const override { return true; }
  Tensor nll(const Tensor& x, const Tensor& g, const Context& context) override {
    const Tensor squares = variform::sum_data(0.5 * (g - x.unsqueeze(1)).square(), dimensions_, context);
    return variform::with_constant(squares, 0.5 * kLogTwoPi, size_, context);
  }
  Tensor curvature_form(const Tensor&, const Tensor&, const Tensor& t, variform::Curvature, const Context&) override {
    return variform::diagonal_curvature_form(t, one_);
  }
  std::optional<Tensor> isotropic_curvature() const override { return one_; }
  std::optional<Tensor> noise_variance() const override { return one_; }
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor location = mean(g);
    return location + at::randn(location.sizes(), rng, location.options());
  }

 private:
  int64_t dimensions_, size_;
  Tensor one_;
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Told>("source-told", "One hidden layer of the data and the condition.", "Sohn et al. 2015",
                              {nn::kInput, variform::kCondition}),
    variform::component<Telling>("source-telling", "One hidden layer of the latents and the condition.",
                                 "Sohn et al. 2015", {variform::kCondition}),
    variform::component<Guided>("source-guided", "Gaussian prior whose mean is linear in the condition.",
                                "Khemakhem et al. 2020"),
    variform::component<Patchy>("source-patchy", "Gaussian noise of variance 1 on the observed values.", "theory §2"))
