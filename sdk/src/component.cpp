// Holds the interfaces' vtables and type information (one each, in this library), and small default implementations.

#include <variform/ext/condition.h>
#include <variform/ext/family.h>
#include <variform/ext/likelihood.h>
#include <variform/ext/metric.h>
#include <variform/ext/network.h>
#include <variform/ext/objective.h>
#include <variform/ext/posterior.h>
#include <variform/ext/prior.h>
#include <variform/ext/reader.h>
#include <variform/host.h>
#include <variform/manifest.h>

#include <ATen/ATen.h>

const char VARIFORM_FINGERPRINT[] = VARIFORM_TEXT(VARIFORM_FINGERPRINT);

namespace variform {
inline namespace v2 {

Error::~Error() = default;
Unsupported::~Unsupported() = default;
ComponentError::~ComponentError() = default;
Component::~Component() = default;
ParameterSource::~ParameterSource() = default;
Encoder::~Encoder() = default;
Decoder::~Decoder() = default;
Posterior::~Posterior() = default;
VariationalFamily::~VariationalFamily() = default;
Prior::~Prior() = default;
Likelihood::~Likelihood() = default;
Objective::~Objective() = default;
Findings::~Findings() = default;
Features::~Features() = default;
Measured::~Measured() = default;
Metric::~Metric() = default;
Compared::~Compared() = default;
ArrayFile::~ArrayFile() = default;
Reader::~Reader() = default;

const void* Findings::ability(std::string_view) const { return nullptr; }
const void* Features::ability(std::string_view) const { return nullptr; }
const void* Measured::ability(std::string_view) const { return nullptr; }
const void* Compared::ability(std::string_view) const { return nullptr; }
const void* ArrayFile::ability(std::string_view) const { return nullptr; }

std::string to_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

const char* to_string(Domain domain) {
  switch (domain) {
    case Domain::kReal: return "real";
    case Domain::kUnitInterval: return "unit interval";
    case Domain::kBinary: return "binary";
    case Domain::kCount: return "count";
    case Domain::kCategorical: return "categorical";
  }
  return "";
}

const char* to_string(Curvature curvature) {
  return curvature == Curvature::kHessian ? "Hessian" : "Fisher information";
}

double Build::number(std::string_view key) const { return parameters_->number(key); }
int64_t Build::integer(std::string_view key) const { return static_cast<int64_t>(parameters_->number(key)); }
bool Build::flag(std::string_view key) const { return parameters_->number(key) != 0; }
std::string Build::text(std::string_view key) const { return parameters_->text(key); }
std::vector<double> Build::numbers(std::string_view key) const { return parameters_->numbers(key); }
Curvature curvature_named(std::string_view name) {
  if (name == "hessian") return Curvature::kHessian;
  if (name == "fisher") return Curvature::kFisher;
  throw Error("a curvature is \"hessian\" or \"fisher\"; found '" + std::string(name) + "'");
}

std::vector<int64_t> Build::integers(std::string_view key) const {
  std::vector<int64_t> result;
  for (double value : parameters_->numbers(key)) result.push_back(static_cast<int64_t>(value));
  return result;
}
Tensor Build::schedule(std::string_view key) const { return parameters_->schedule(key); }
double Build::final_value(std::string_view key) const { return parameters_->final_value(key); }
Tensor Build::examples(int64_t n) const { return parameters_->examples(n); }
std::shared_ptr<Component> Build::component_of(std::string_view key, Kind kind) const {
  return parameters_->component(key, kind, *this);
}

int64_t Build::data_size() const {
  int64_t size = 1;
  for (int64_t side : data) size *= side;
  return size;
}

Build BuildMaker::make(std::shared_ptr<const ParameterSource> parameters) {
  return Build(std::move(parameters));
}

Build BuildMaker::with(const Build& build, std::shared_ptr<const ParameterSource> parameters) {
  Build copy = build;
  copy.parameters_ = std::move(parameters);
  return copy;
}

Context Context::repeated(int64_t K) const {
  if (K == 1) return *this;
  const auto times = [&](const Tensor& rows) {
    if (!rows.defined()) return rows;
    std::vector<int64_t> sizes(static_cast<size_t>(rows.dim()), 1);
    sizes.front() = K;
    return rows.repeat(sizes);
  };
  return {times(labels), times(condition), times(mask), times(index), {}};
}

Context Context::rows(int64_t first, int64_t count) const {
  const auto some = [&](const Tensor& all) { return all.defined() ? all.narrow(0, first, count) : all; };
  return {some(labels), some(condition), some(mask), some(index), {}};
}

Frozen::Frozen(torch::nn::Module& module) {
  for (Tensor& parameter : module.parameters())
    if (parameter.requires_grad()) {
      parameter.requires_grad_(false);
      tensors_.push_back(parameter);
    }
}

Frozen::~Frozen() {
  for (Tensor& parameter : tensors_) parameter.requires_grad_(true);
}

const void* Component::ability(std::string_view) const { return nullptr; }
const void* Posterior::ability(std::string_view) const { return nullptr; }

const nn::Layer* network_of(const Component& component) {
  const auto* made = ability<MadeOfLayers>(component);
  return made ? made->network() : nullptr;
}

Tensor Posterior::log_marginals(const Draw& draw) const {
  if (const auto* known = variform::ability<LogMarginals>(*this)) return known->log_marginals(draw);
  throw Unsupported(
      "this variational family has no marginal densities log q(z_i|x); its coordinates are not independent");
}
std::optional<Tensor> Posterior::entropy() const {
  if (const auto* known = variform::ability<ClosedEntropy>(*this)) return known->entropy();
  return {};
}
std::optional<Covariance> Posterior::covariance() const {
  if (const auto* known = variform::ability<Moments>(*this)) return known->covariance();
  return {};
}

Support VariationalFamily::support() const {
  const auto* known = variform::ability<BoundedSupport>(*this);
  return known ? known->support() : Support{};
}
int VariationalFamily::finite_moments() const {
  const auto* known = variform::ability<FiniteMoments>(*this);
  return known ? known->finite_moments() : std::numeric_limits<int>::max();
}

std::optional<Tensor> Prior::cross_entropy(const Posterior& posterior, const Context& context) {
  if (auto* known = variform::ability<ClosedCrossEntropy>(*this))
    return known->cross_entropy(posterior, context);
  return {};
}
std::optional<Gaussian> Prior::gaussian(const Context& context) {
  if (auto* known = variform::ability<GaussianForm>(*this)) return known->gaussian(context);
  return {};
}
std::optional<Gaussian> common_gaussian(Prior& prior) {
  if (is_conditioned(prior)) return {};
  return prior.gaussian({});
}
Support Prior::support() const {
  const auto* known = variform::ability<BoundedSupport>(*this);
  return known ? known->support() : Support{};
}
int Prior::moments_needed() const {
  const auto* known = variform::ability<MomentsNeeded>(*this);
  return known ? known->moments_needed() : 0;
}

Tensor Likelihood::curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, Curvature curvature,
                                  const Context& context) {
  if (auto* known = variform::ability<CurvatureForm>(*this))
    return known->curvature_form(x, g, context.mask.defined() ? t * context.mask.unsqueeze(1) : t, curvature,
                                 context);
  throw Unsupported("this likelihood knows no second derivative in the decoder's output");
}
std::optional<Tensor> Likelihood::isotropic_curvature() const {
  if (const auto* known = variform::ability<IsotropicCurvature>(*this)) return known->isotropic_curvature();
  return {};
}
bool Likelihood::admits_missing() const {
  const auto* known = variform::ability<MissingValues>(*this);
  return known && known->admits_missing();
}
std::optional<Tensor> Likelihood::noise_variance() const {
  if (const auto* known = variform::ability<NoiseVariance>(*this)) return known->noise_variance();
  return {};
}

std::optional<Tensor> Objective::beta() const {
  if (const auto* known = variform::ability<Weighted>(*this)) return known->beta();
  return {};
}
std::optional<double> Objective::final_beta() const {
  if (const auto* known = variform::ability<Weighted>(*this)) return known->final_beta();
  return {};
}
bool Objective::uses_tangents() const {
  const auto* known = variform::ability<UsesTangents>(*this);
  return known && known->uses_tangents();
}
std::optional<Structure> Objective::structure() const {
  if (const auto* known = variform::ability<StandsFor>(*this)) return known->structure();
  return {};
}

void Metric::finish(Measured& at, Findings& findings) {
  if (auto* known = variform::ability<Finishes>(*this)) known->finish(at, findings);
}
std::vector<Quantity> Metric::comparisons() const {
  const auto* known = variform::ability<Compares>(*this);
  return known ? known->comparisons() : std::vector<Quantity>();
}
void Metric::compare(Compared& runs, Findings& findings) {
  if (auto* known = variform::ability<Compares>(*this)) known->compare(runs, findings);
}
int64_t Metric::most_rows() const {
  const auto* known = variform::ability<MostRows>(*this);
  return known ? known->most_rows() : 0;
}
bool Metric::on_request() const {
  const auto* known = variform::ability<OnRequest>(*this);
  return known && known->on_request();
}
std::optional<Shorthand> Metric::shorthand() const {
  if (const auto* known = variform::ability<OnRequest>(*this)) return known->shorthand();
  return {};
}
bool Metric::in_values() const {
  const auto* known = variform::ability<InValues>(*this);
  return known && known->in_values();
}

bool is_conditioned(const Component& component) {
  const auto* known = variform::ability<Conditioned>(component);
  return known && known->is_conditioned();
}

int64_t condition_of(const Build& build) {
  if (!build.flag(kCondition)) return 0;
  if (build.condition == 0)
    throw Error(
        "condition = true expects a model whose data have a condition; found none: write condition = "
        "\"labels\", \"factors\" or \"array\" in [data]");
  return build.condition;
}

const Tensor& condition_in(const Context& context, int64_t rows, int64_t size) {
  const Tensor& condition = context.condition;
  const auto expected = [&] {
    return "expected a condition of shape " + to_text({rows, size}) + " in the context; found ";
  };
  if (!condition.defined())
    throw Error(expected() + "none. Whoever calls a conditioned component hands on the context of its rows");
  if (condition.dim() != 2 || condition.size(0) != rows || condition.size(1) != size)
    throw Error(expected() + to_text(condition.sizes()));
  return condition;
}

Tensor sum_data(const Tensor& values, int64_t dimensions, const Context& context) {
  const Tensor observed =
      context.mask.defined()
          ? at::where(context.mask.unsqueeze(1), values, at::zeros({}, values.options().requires_grad(false)))
          : values;
  return observed.flatten(-dimensions - 1).sum(-1);
}

Tensor with_constant(const Tensor& sums, double constant, int64_t size, const Context& context) {
  if (!context.mask.defined()) return sums + static_cast<double>(size) * constant;
  return sums + constant * context.mask.flatten(1).sum(1).to(sums.scalar_type());
}

Tensor diagonal_curvature_form(const Tensor& t, const Tensor& weight) {
  const Tensor left = (t * weight.to(t.scalar_type())).flatten(2).transpose(0, 1);  // [B, T, P]
  const Tensor right = t.flatten(2).permute({1, 2, 0});                             // [B, P, T]
  return left.bmm(right);
}

}  // namespace v2
}  // namespace variform
