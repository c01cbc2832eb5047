// A family, a prior and a likelihood that are right, each with a parameter `fault` that makes one thing wrong: the
// tests of `variform check` must find it, and find nothing else.

#include <variform/ext/condition.h>
#include <variform/ext/levels.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <atomic>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <numbers>
#include <random>
#include <stdexcept>

namespace {

using variform::Tensor;

const double kLogTwoPi = std::log(2 * std::numbers::pi);

class Fault {
 public:
  explicit Fault(const variform::Build& build) : name_(build.text("fault")) {}
  bool is(const char* name) const { return name_ == name; }

 private:
  std::string name_;
};

constexpr variform::Parameter fault_parameter() {
  return variform::text("fault", "").doc("What is to be wrong; left out, nothing.");
}

Tensor normal(at::IntArrayRef shape, const Tensor& like, variform::Generator& rng) {
  return at::randn(shape, rng, like.options());
}

// q(z|x) = ∏ N(m_i, s_i²).
class Faulty final
    : public variform::With<variform::Posterior, variform::LogMarginals, variform::ClosedEntropy,
                            variform::Moments, variform::PosteriorLevels> {
 public:
  Faulty(const Fault& fault, Tensor mean, const Tensor& log_variance, std::mt19937* own)
      : fault_(fault), mean_(std::move(mean)), deviation_((0.5 * log_variance).exp()), own_(own) {}

  bool is_wrong_with_own_prior() const { return fault_.is("wrong with its own prior"); }

  Tensor location() const override {
    if (fault_.is("location")) return mean_ + 0.2 * deviation_;
    if (fault_.is("dtype")) return mean_.to(at::kFloat);
    if (fault_.is("gradient is NaN")) return mean_ + (mean_ - mean_).sqrt();
    return mean_;
  }

  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    misbehave();
    const int64_t B = mean_.size(0), d = mean_.size(1);
    Tensor noise =
        fault_.is("global generator") ? at::randn({K, B, d}, mean_.options()) : normal({K, B, d}, mean_, rng);
    if (fault_.is("biased draws")) noise = noise + 0.2;
    if (fault_.is("scale of draws")) noise = 1.2 * noise;
    if (fault_.is("shared noise") && B > 0) noise = noise.narrow(1, 0, 1).expand({K, B, d});
    if (fault_.is("generator of its own")) noise = noise_of(*own_, noise);
    if (fault_.is("seed of its own")) {
      std::mt19937 generator(42);
      noise = noise_of(generator, noise);
    }
    if (fault_.is("rand()")) noise = noise + 1e-3 * std::rand() / RAND_MAX;
    if (fault_.is("decides on the host") && B > 0 && mean_.abs().max().item<double>() > 1e6)
      noise = 0 * noise;
    if (fault_.is("draws are floats"))
      return {(mean_ + deviation_ * noise).to(at::kFloat).to(mean_.scalar_type()), {}};
    if (fault_.is("draws about the batch's mean")) return {mean_.mean(0) + deviation_ * noise, {}};
    if (fault_.is("discontinuous draws")) noise = turned(noise);
    // Right in the mean, as implicit reparameterisation is: the sign of the noise jumps with the mean, and the gradient
    // is that of a draw whose sign stays.
    if (fault_.is("jumping draws")) noise = noise * (1e12 * mean_.detach()).sin().sign();
    const Tensor mean = fault_.is("detached draws") ? mean_.detach() : mean_;
    return {mean + deviation_ * noise, noise};
  }

  Tensor log_prob(const variform::Draw& draw) const override {
    while (fault_.is("endless loop")) ::usleep(1000);
    Tensor mean = mean_;
    if (fault_.is("detached density")) mean = mean.detach();
    if (fault_.is("rows")) mean = mean + 0.1 * mean.mean(0);
    Tensor sum = density(draw.z, mean).sum(-1);
    if (fault_.is("density at its own draws alone")) {
      if (!draw.state.defined()) throw variform::Unsupported("it knows its density at its own draws only");
      return sum - 0.1;
    }
    if (fault_.is("density of draws") && draw.state.defined())
      sum = -0.5 * (draw.state.square() + kLogTwoPi).sum(-1);
    return fault_.is("shape") ? sum.unsqueeze(-1) : sum;
  }

  Tensor log_marginals(const variform::Draw& draw) const override {
    const Tensor parts = density(draw.z, mean_);
    if (fault_.is("marginals")) return parts.roll({1}, {-1});
    return fault_.is("sum of marginals") ? parts + 0.01 : parts;
  }

  Tensor entropy() const override {
    const Tensor value = (deviation_.log() + 0.5 * (1 + kLogTwoPi)).sum(-1);
    if (fault_.is("entropy")) return value + 0.1;
    if (fault_.is("sign of the entropy")) return -value;
    if (fault_.is("entropy without its constant")) return deviation_.log().sum(-1);
    if (fault_.is("entropy is a mean")) return value / static_cast<double>(mean_.size(1));
    if (fault_.is("NaN")) return value + (-deviation_).log().sum(-1);
    if (fault_.is("undefined tensor")) return Tensor();
    static int calls = 0;
    if (fault_.is("counter")) return value + ++calls;
    return value;
  }

  const void* ability(std::string_view id) const override {
    const bool of_levels = fault_.is("sizes of levels") || fault_.is("density of levels");
    return id == variform::PosteriorLevels::kId && !of_levels ? nullptr : With::ability(id);
  }
  std::vector<int64_t> levels() const override {
    return {mean_.size(1) + (fault_.is("sizes of levels") ? 1 : 0)};
  }
  variform::LevelMoments level_moments(const variform::Draw& draw) const override {
    const Tensor log_deviation = deviation_.log() + (fault_.is("density of levels") ? 0.1 : 0);
    return {mean_.expand_as(draw.z), log_deviation.expand_as(draw.z)};
  }

  std::optional<variform::Covariance> covariance() const override {
    return variform::Covariance::diagonal(fault_.is("covariance") ? deviation_.square() : deviation_);
  }

 private:
  Tensor density(const Tensor& z, const Tensor& mean) const {
    const double constant = fault_.is("normalisation") ? 0 : kLogTwoPi;
    return -0.5 * (((z - mean) / deviation_).square() + constant) - deviation_.log();
  }
  // Still standard normal: the middle half of its mass is turned like a wheel, by an angle that depends on the mean.
  // Where the wheel is cut the draw jumps, and of that no derivative along a draw knows.
  Tensor turned(const Tensor& noise) const {
    const Tensor u = at::special_ndtr(noise);
    const Tensor wheel = 0.25 + (u - 0.25 + mean_).remainder(0.5);
    return at::special_ndtri(at::where((u - 0.5).abs() < 0.25, wheel, u));
  }
  static Tensor noise_of(std::mt19937& generator, const Tensor& like) {
    std::normal_distribution<double> normal_number;
    const Tensor noise = at::empty(like.sizes(), at::TensorOptions().dtype(at::kDouble));
    for (int64_t i = 0; i < noise.numel(); ++i) noise.data_ptr<double>()[i] = normal_number(generator);
    return noise.to(like.options());
  }
  void misbehave() const {
    if (fault_.is("throws an int")) throw 7;
    if (fault_.is("throws")) throw std::runtime_error("there is no such table");
    if (fault_.is("crash")) std::raise(SIGSEGV);
  }

  Fault fault_;
  Tensor mean_, deviation_;  // [B, d]
  std::mt19937* own_;
};

class FaultyFamily final : public variform::With<variform::VariationalFamily, variform::BoundedSupport,
                                                 variform::FiniteMoments, variform::NamesOutputs> {
 public:
  explicit FaultyFamily(const variform::Build& build) : fault_(build) {
    TORCH_CHECK(!fault_.is("even latents") || build.latent % 2 == 0, "latents come in pairs");
    TORCH_CHECK(!fault_.is("many latents") || build.latent == 48, "there are 48 latents");
    variform::Generator rng = build.rng;
    offset_ = at::randn({build.latent}, rng, build.options) * (fault_.is("state") ? 1 : 0);
    if (fault_.is("parameter without a name")) offset_.requires_grad_(true);
  }
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::vector<variform::OutputPart> output_parts(int64_t d) const override {
    return {{"mean", d}, {"log-variance", fault_.is("named outputs") ? 1 : d}};
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    if (fault_.is("changes its input")) params.detach().mul_(1.01);
    if (fault_.is("switches gradients off")) at::GradMode::set_enabled(false);
    TORCH_CHECK(!fault_.is("empty batch") || params.size(0) > 0, "there is no first row");
    const int64_t count = params.size(1);
    Tensor own = fault_.is("strides") ? params.as_strided(params.sizes(), {count, 1}) : params;
    if (fault_.is("keeps its batch")) {
      kept_.store(&params);
      ::usleep(500);
      own = kept_.load()->clone();
    }
    const auto halves = own.chunk(2, 1);
    return std::make_unique<Faulty>(fault_, halves[0] + offset_, halves[1], &own_);
  }
  variform::Support support() const override {
    return fault_.is("support") ? variform::Support{-1, 1} : variform::Support{};
  }
  int finite_moments() const override { return fault_.is("finite moments") ? 1 : 100; }

 private:
  Fault fault_;
  Tensor offset_;
  std::mt19937 own_{7};
  std::atomic<const Tensor*> kept_ = nullptr;
};

/// N(m, 0.8² I) with a trained mean; conditioned, the mean of a row is moved by the sum of its condition.
class FaultyPrior final
    : public variform::With<variform::Prior, variform::ClosedCrossEntropy, variform::GaussianForm,
                            variform::BoundedSupport, variform::MomentsNeeded, variform::Conditioned> {
 public:
  explicit FaultyPrior(const variform::Build& build)
      : fault_(build),
        condition_(build.condition),
        mean_(register_parameter("mean", at::full({build.latent}, 0.3, build.options))) {
    if (fault_.is("unused parameter")) register_parameter("unused", mean_.detach().clone());
  }

  bool is_conditioned() const override {
    return fault_.is("conditioned") || fault_.is("draws without a condition");
  }

  Tensor log_prob(const Tensor& z, const variform::Context& context) override {
    const Tensor mean = fault_.is("detached") ? mean_.detach() : mean_at(context);
    const double constant = fault_.is("normalisation") ? 0 : kLogTwoPi;
    const Tensor sum =
        -0.5 * (((z - mean) / kDeviation).square() + constant + 2 * std::log(kDeviation)).sum(-1);
    return fault_.is("shape") ? sum.unsqueeze(0) : sum;
  }
  Tensor sample(int64_t n, variform::Generator& rng, const variform::Context& context) override {
    const bool needs_none = fault_.is("draws without a condition") && !context.condition.defined();
    const Tensor mean = needs_none ? mean_ : mean_at(context);
    const int64_t d = mean_.size(0);
    Tensor noise =
        fault_.is("global generator") ? at::randn({n, d}, mean_.options()) : normal({n, d}, mean_, rng);
    if (fault_.is("draws of another distribution"))
      noise = at::rand({n, d}, rng, mean_.options()) * std::sqrt(12.0) - std::sqrt(3.0);
    const Tensor z = mean + kDeviation * noise;
    return fault_.is("dtype") ? z.to(at::kFloat) : z;
  }
  std::optional<Tensor> cross_entropy(const variform::Posterior& q,
                                      const variform::Context& context) override {
    const auto covariance = q.covariance();
    if (!covariance) return {};
    const Tensor from = fault_.is("cross-entropy") ? q.location() : q.location() - mean_at(context);
    const Tensor second = covariance->variances() + from.square();
    const Tensor right =
        0.5 * (second / (kDeviation * kDeviation) + kLogTwoPi + 2 * std::log(kDeviation)).sum(-1);
    if (fault_.is("half a cross-entropy")) return 0.5 * right;
    const auto* own = variform::unwrap<Faulty>(q);
    if (own && own->is_wrong_with_own_prior()) return right + 0.3;
    return fault_.is("sign of the cross-entropy") ? -right : right;
  }
  std::optional<variform::Gaussian> gaussian(const variform::Context& context) override {
    const double deviation = fault_.is("gaussian") ? 1 : kDeviation;
    const Tensor mean = is_conditioned() ? mean_at(context) : mean_.unsqueeze(0);
    return variform::Gaussian{mean, variform::Covariance::diagonal(at::full_like(mean, deviation))};
  }
  variform::Support support() const override {
    return fault_.is("support") ? variform::Support{.low = 0} : variform::Support{};
  }
  int moments_needed() const override { return 2; }

 private:
  static constexpr double kDeviation = 0.8;
  // [d], or [rows, d] where the rows' condition counts.
  Tensor mean_at(const variform::Context& context) const {
    if (!is_conditioned()) return mean_;
    const int64_t rows = context.condition.defined() ? context.condition.size(0) : 0;
    return mean_ + 0.1 * condition_in(context, rows, condition_).sum(1, true);
  }
  Fault fault_;
  int64_t condition_;
  Tensor mean_;  // [d]
};

/// A Gaussian with mean and logarithm of the variance for every data value (§3's table, second row).
class FaultyLikelihood final : public variform::With<variform::Likelihood, variform::CurvatureForm,
                                                     variform::MissingValues, variform::NamesOutputs> {
 public:
  explicit FaultyLikelihood(const variform::Build& build)
      : fault_(build), sides_(static_cast<int64_t>(build.data.size())) {}
  int64_t outputs() const override { return 2; }
  std::vector<variform::OutputPart> output_parts(int64_t) const override {
    if (fault_.is("named outputs")) return {{"mean", 1}};
    return {{"mean", 1}, {"log-variance", 1}};
  }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  bool admits_missing() const override { return true; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context& context) override {
    if (fault_.is("changes its input")) x.detach().mul_(0.5);
    Tensor mean = part(g, 0);
    if (fault_.is("rows")) mean = mean + 0.1 * x.mean(0);
    const double constant = fault_.is("normalisation") ? 0 : kLogTwoPi;
    Tensor each = 0.5 * ((x - mean).square() * (-part(g, 1)).exp() + part(g, 1) + constant);
    if (fault_.is("domain")) each = each + at::where(x.abs() > 50, INFINITY, 0.0).to(x.options());
    if (fault_.is("mean over columns") && sides_ == 3) return each.mean(-1).flatten(-2).sum(-1);
    if (context.mask.defined() && !fault_.is("mask")) {
      each = at::where(context.mask, each, fault_.is("constant of what is missing") ? 0.5 * kLogTwoPi : 0.0);
    }
    const Tensor flat = each.flatten(-sides_);
    return fault_.is("mean over data") ? flat.mean(-1) : flat.sum(-1);
  }
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, variform::Curvature curvature,
                        const variform::Context&) override {
    const Tensor wide = g.to(t.scalar_type()), precision = (-part(wide, 1)).exp();
    const Tensor r = (x.to(t.scalar_type()) - part(wide, 0)) * precision;
    const bool fisher = curvature == variform::Curvature::kFisher || fault_.is("hessian");
    Tensor both = r, second = 0.5 * r * r / precision;
    if (fisher) {
      both = at::zeros_like(r);
      second = at::full_like(r, fault_.is("fisher") ? 1 : 0.5);
    }
    const Tensor a = part(t, 0), b = part(t, 1);
    const auto product = [](const Tensor& u, const Tensor& weight, const Tensor& v) {
      return at::einsum("tbp,bp,sbp->bts", {u.flatten(2), weight.flatten(1), v.flatten(2)});
    };
    Tensor cross = product(a, both, b);
    if (!fault_.is("asymmetric")) cross = cross + product(b, both, a);
    return product(a, precision, a) + cross + product(b, second, b);
  }
  Tensor mean(const Tensor& g) override {
    if (fault_.is("mean ignores its parameters")) return at::full_like(part(g, 0), 0.1);
    return fault_.is("mean") ? part(g, 0) + 0.1 : part(g, 0) + 0;
  }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor location = part(g, 0);
    Tensor noise = normal(location.sizes(), location, rng);
    if (fault_.is("shared noise"))
      noise = noise.flatten(-sides_).select(-1, 0).reshape(Shape(location)).expand_as(location);
    return location + (part(g, 1) * (fault_.is("draws") ? 1 : 0.5)).exp() * noise;
  }

 private:
  Tensor part(const Tensor& g, int64_t i) const { return g.select(-sides_ - 1, i); }
  // The leading sizes of a tensor of data, then ones.
  variform::Shape Shape(const Tensor& data) const {
    variform::Shape shape = data.sizes().vec();
    std::fill(shape.end() - sides_, shape.end(), 1);
    return shape;
  }
  Fault fault_;
  int64_t sides_;
};

}  // namespace

VARIFORM_PLUGIN("org.variform.test.faulty-distributions", "1.0.0",
                variform::component<FaultyFamily>("faulty", "Mean-field Gaussian, or something that is not.",
                                                  "written for the tests of check", {fault_parameter()}),
                variform::component<FaultyPrior>("faulty", "Gaussian prior, or something that is not.",
                                                 "written for the tests of check", {fault_parameter()}),
                variform::component<FaultyLikelihood>("faulty",
                                                      "Gaussian with a variance a value, or not even that.",
                                                      "written for the tests of check", {fault_parameter()}))
