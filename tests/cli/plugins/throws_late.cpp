// One small, right component of each kind, which fails in the middle of a training if the environment says so:
// VARIFORM_TEST_FAIL="SLOT.METHOD WAY" with a way out of throw, int, torch, shape, undefined, denormal (only where such
// numbers do not count as zero). The file stays the same, so that a training can go on without the error.

#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace {

using variform::Model;
using variform::Tensor;

constexpr int64_t kStep = 5;  // the step that fails
const double kLogTwoPi = std::log(2 * M_PI);

// How `method` ("family.rsample") is to fail in this step; empty: it is not.
std::string way_to_fail(const char* method, const Model& model) {
  const char* text = std::getenv("VARIFORM_TEST_FAIL");
  const std::string wanted = text ? text : "", prefix = std::string(method) + " ";
  return model.step() == kStep && wanted.starts_with(prefix) ? wanted.substr(prefix.size()) : "";
}

// What the method returns, or what it returns or throws when it fails.
Tensor result(const char* method, const Model& model, const Tensor& right) {
  const std::string way = way_to_fail(method, model);
  if (way == "throw") throw std::runtime_error("the sensor fell off");
  if (way == "int") throw 42;
  if (way == "torch") return at::ones({2, 3}).mm(at::ones({2, 3}));
  if (way == "shape") return right.unsqueeze(0);
  if (way == "undefined") return {};
  if (way == "denormal" && (at::full({64}, 1e-20F) * 1e-20).ne(0).any().item<bool>())
    throw std::runtime_error("1e-40 is not 0");
  return right;
}

// The identity, whose derivative is computed by a plugin that fails.
class Identity : public torch::autograd::Function<Identity> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, bool fails) {
    context->saved_data["fails"] = fails;
    return x.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    if (context->saved_data["fails"].toBool()) throw std::runtime_error("the sensor fell off");
    return {gradients[0], Tensor()};
  }
};

Tensor weight(const variform::Build& build, int64_t rows, int64_t columns) {
  variform::Generator rng = build.rng;
  return at::randn({rows, columns}, rng, build.options) / std::sqrt(static_cast<double>(rows));
}

class LateEncoder final : public variform::Encoder {
 public:
  explicit LateEncoder(const variform::Build& build)
      : model_(*build.model), a_(register_parameter("a", weight(build, build.data_size(), build.outputs))) {}
  Tensor encode(const Tensor& x, const variform::Context&) override {
    Tensor code = x.flatten(1).mm(a_);
    if (const std::string way = way_to_fail("encoder.backward", model_); !way.empty())
      code = Identity::apply(code, true);
    return result("encoder.encode", model_, code);
  }

 private:
  Model& model_;
  Tensor a_;
};

class LateDecoder final
    : public variform::With<variform::Decoder, variform::Pushforward, variform::PiecewiseLinear> {
 public:
  explicit LateDecoder(const variform::Build& build)
      : model_(*build.model),
        shape_(build.data),
        a_(register_parameter("a", weight(build, build.latent, build.outputs * build.data_size()))) {
    shape_[0] *= build.outputs;
    shape_.insert(shape_.begin(), -1);
  }
  Tensor decode(const Tensor& z, const variform::Context&) override {
    return result("decoder.decode", model_, right(z));
  }
  variform::Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context&) override {
    variform::Shape shape = shape_;
    shape[0] = z.size(0);
    shape.insert(shape.begin(), v.size(0));
    return {right(z), result("decoder.pushforward", model_, v.matmul(a_).reshape(shape))};
  }
  bool piecewise_linear() const override { return true; }

 private:
  Tensor right(const Tensor& z) const { return z.mm(a_).reshape(shape_); }
  Model& model_;
  variform::Shape shape_;
  Tensor a_;
};

class LatePosterior final : public variform::With<variform::Posterior, variform::LogMarginals,
                                                  variform::ClosedEntropy, variform::Moments> {
 public:
  LatePosterior(Model& model, const Tensor& params) : model_(model) {
    const auto halves = params.chunk(2, 1);
    mean_ = halves[0];
    deviation_ = (0.5 * halves[1]).exp();
  }
  Tensor location() const override { return result("family.location", model_, mean_); }
  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    const Tensor e = at::randn({K, mean_.size(0), mean_.size(1)}, rng, mean_.options());
    return {result("family.rsample", model_, mean_ + deviation_ * e), {}};
  }
  Tensor log_prob(const variform::Draw& draw) const override {
    return result("family.log_prob", model_, densities(draw).sum(-1));
  }
  Tensor log_marginals(const variform::Draw& draw) const override {
    return result("family.log_marginals", model_, densities(draw));
  }
  Tensor entropy() const override {
    return result("family.entropy", model_, (deviation_.log() + 0.5 * (1 + kLogTwoPi)).sum(1));
  }
  std::optional<variform::Covariance> covariance() const override {
    result("family.covariance", model_, mean_);
    return variform::Covariance::diagonal(deviation_);
  }

 private:
  Tensor densities(const variform::Draw& draw) const {
    return -0.5 * (((draw.z - mean_) / deviation_).square() + kLogTwoPi) - deviation_.log();
  }
  Model& model_;
  Tensor mean_, deviation_;
};

class LateFamily final : public variform::VariationalFamily {
 public:
  explicit LateFamily(const variform::Build& build) : model_(*build.model) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    result("family.posterior", model_, params);
    return std::make_unique<LatePosterior>(model_, params);
  }

 private:
  Model& model_;
};

class LatePrior final
    : public variform::With<variform::Prior, variform::ClosedCrossEntropy, variform::MomentsNeeded> {
 public:
  explicit LatePrior(const variform::Build& build) : model_(*build.model) {}
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    return result("prior.log_prob", model_, -0.5 * (z.square() + kLogTwoPi).sum(-1));
  }
  Tensor sample(int64_t n, variform::Generator& rng, const variform::Context&) override {
    return result("prior.sample", model_, at::randn({n, model_.latent}, rng, model_.options));
  }
  std::optional<Tensor> cross_entropy(const variform::Posterior& posterior,
                                      const variform::Context&) override {
    const auto covariance = posterior.covariance();
    if (!covariance) return {};
    return result("prior.cross_entropy", model_,
                  0.5 * (posterior.location().square() + covariance->variances() + kLogTwoPi).sum(1));
  }
  int moments_needed() const override { return 2; }

 private:
  Model& model_;
};

/// Gaussian of unit variance.
class LateLikelihood final
    : public variform::With<variform::Likelihood, variform::CurvatureForm, variform::NoiseVariance> {
 public:
  explicit LateLikelihood(const variform::Build& build)
      : model_(*build.model), sides_(static_cast<int64_t>(build.data.size())) {}
  std::optional<Tensor> noise_variance() const override {
    return result("likelihood.noise_variance", model_, at::ones({}, at::kDouble));
  }
  int64_t outputs() const override { return 1; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context&) override {
    const Tensor square = (x.unsqueeze(1) - g).square() + kLogTwoPi;
    return result("likelihood.nll", model_, 0.5 * square.flatten(g.dim() - x.dim()).sum(-1));
  }
  Tensor curvature_form(const Tensor&, const Tensor& g, const Tensor& t, variform::Curvature,
                        const variform::Context&) override {
    return result("likelihood.curvature_form", model_,
                  variform::diagonal_curvature_form(t, at::ones_like(g).to(t.scalar_type())));
  }
  Tensor mean(const Tensor& g) override {
    return result("likelihood.mean", model_, g.select(g.dim() - 1 - sides_, 0));
  }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor mean = g.select(g.dim() - 1 - sides_, 0);
    return result("likelihood.sample", model_, mean + at::randn(mean.sizes(), rng, mean.options()));
  }

 private:
  Model& model_;
  int64_t sides_;
};

/// nll + β KL + ½ tr H; its parts call everything else that a model can do.
class LateObjective final
    : public variform::With<variform::Objective, variform::Weighted, variform::UsesTangents> {
 public:
  explicit LateObjective(const variform::Build& build)
      : model_(*build.model), beta_(build.schedule("beta")), final_beta_(build.final_value("beta")) {}

  variform::Terms evaluate(Model& model, const variform::Batch& batch) override {
    const auto posterior = model.posterior(batch.x, {});
    const variform::Draw draw = posterior->rsample(1, model.rng);
    const Tensor g = model.decode(draw.z, {}), nll = model.nll(batch.x, g, {})[0],
                 kl = model.kl(*posterior, draw, {});
    const int64_t B = batch.x.size(0);
    const Tensor h = model.latent_hessian(batch.x, posterior->location(), model.unit_tangents(B), {}).hessian;
    const Tensor trace = 0.5 * h.diagonal(0, 1, 2).sum(-1);
    const Tensor gap = (posterior->log_prob(draw) - posterior->log_marginals(draw).sum(-1))[0];
    const Tensor loss = result("objective.evaluate", model, nll + beta_ * kl + trace);
    return {loss,
            {{"nll", nll},
             {"kl", kl},
             {"trace", trace},
             {"gap", gap.detach()},
             {"log_prior", model.log_prior(model.sample_prior(B, {}), {}).detach()},
             {"error", (model.data_mean(g) - model.sample_data(g)).detach().square().mean()}}};
  }
  Tensor beta() const override { return result("objective.beta", model_, beta_); }
  double final_beta() const override { return final_beta_; }
  bool uses_tangents() const override { return true; }

 private:
  Model& model_;
  Tensor beta_;
  double final_beta_;
};

constexpr const char* kSource = "Variform's tests of errors";

}  // namespace

VARIFORM_PLUGIN(
    "org.variform.test.throws-late", "1.0.0",
    variform::component<LateEncoder>("late", "A linear map that may fail.", kSource),
    variform::component<LateDecoder>("late", "A linear map that may fail.", kSource),
    variform::component<LateFamily>("late", "A diagonal Gaussian that may fail.", kSource),
    variform::component<LatePrior>("late", "A standard normal density that may fail.", kSource),
    variform::component<LateLikelihood>("late", "A Gaussian of unit variance that may fail.", kSource),
    variform::component<LateObjective>(
        "late", "A β-VAE's loss and a trace of curvature, which may fail.", kSource,
        {variform::number("beta", 0.5).at_least(0).schedulable().doc("Weight of the KL divergence.")}))
