// Holds the interfaces' vtables and type information (one each, in this library), and small default implementations.

#include <variform/manifest.h>
#include <variform/metric.h>
#include <variform/model.h>

#include <ATen/ATen.h>

const char VARIFORM_FINGERPRINT[] = VARIFORM_TEXT(VARIFORM_FINGERPRINT);

namespace variform {
inline namespace v1 {

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
void Metric::measure(Measured& /*at*/, Findings& /*findings*/) {}
void Metric::compare(Compared& /*runs*/, Findings& /*findings*/) {}
void Metric::finish(Measured& /*at*/, Findings& /*findings*/) {}

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

std::vector<int64_t> Build::integers(std::string_view key) const {
  std::vector<int64_t> result;
  for (double value : parameters_->numbers(key)) result.push_back(static_cast<int64_t>(value));
  return result;
}

int64_t Build::data_size() const {
  int64_t size = 1;
  for (int64_t side : data) size *= side;
  return size;
}

Build Build::with(std::shared_ptr<const ParameterSource> parameters) const {
  Build copy = *this;
  copy.parameters_ = std::move(parameters);
  return copy;
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

Tensor Posterior::log_prob(const Draw& draw) const { return marginals(draw).sum(-1); }

Tensor Posterior::marginals(const Draw&) const {
  throw Unsupported(
      "this variational family has no marginal densities log q(z_i|x); its coordinates are not independent");
}

std::optional<Tensor> Prior::cross_entropy(const Posterior&) { return {}; }

Tensor diagonal_gram(const Tensor& t, const Tensor& weight) {
  const int64_t columns = t.size(0), batch = t.size(1);
  const Tensor left =
      (t * weight.to(t.scalar_type())).reshape({columns, batch, -1}).transpose(0, 1);  // [B, T, P]
  const Tensor right = t.reshape({columns, batch, -1}).permute({1, 2, 0});             // [B, P, T]
  return left.bmm(right);
}

}  // namespace v1
}  // namespace variform
