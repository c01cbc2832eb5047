// Linear and convolutional layers, normalisations and changes of shape.

#include <variform/nn/layers.h>

#include "nn_convolution.h"
#include "nn_linear.h"
#include "nn_products.h"
#include "nn_support.h"

#include <variform/model.h>

#include <ATen/core/grad_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace variform {
inline namespace v2 {
namespace nn {
namespace {

// Draws uniform numbers within ±1/√fan_in, like PyTorch's kaiming_uniform_(a = √5). Drawn in float64 on the generator's
// device, so that they depend neither on the model's precision nor on LibTorch's kernels for it.
Tensor initial(const Build& build, at::IntArrayRef shape, int64_t fan_in) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  const at::TensorOptions options = at::TensorOptions().dtype(at::kDouble).device(build.rng.device());
  return at::empty(shape, options).uniform_(-bound, bound, build.rng).to(build.options);
}

void expect_positive(const char* layer, const char* what, int64_t value) {
  if (value < 1)
    throw Error(std::string(layer) + " expects " + what + " of at least 1; found " + std::to_string(value));
}

int64_t product(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

void expect_image(const char* layer, const Shape& in, int64_t channels) {
  if (in.size() != 3 || (channels > 0 && in[0] != channels))
    throw Error(std::string(layer) + " expects data of shape [" +
                (channels > 0 ? std::to_string(channels) : "channels") + ", height, width]; found " +
                to_text(in));
}

void check(const char* layer, int64_t in, int64_t out, const Convolution& options) {
  expect_positive(layer, "input channels", in);
  expect_positive(layer, "output channels", out);
  expect_positive(layer, "a kernel", options.kernel);
  expect_positive(layer, "a stride", options.stride);
  if (options.padding < 0) throw Error(std::string(layer) + " expects a padding of at least 0");
}

// Statistics in bfloat16 are useless: normalisations compute in the parameters' precision.
Tensor widened(const Tensor& x, const Tensor& weight) {
  return x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf ? x.to(weight.scalar_type()) : x;
}

constexpr double kEpsilon = 1e-5;

// The values (x − mean)/√(variance + ε) over the trailing dimensions `over`, and the reciprocal root.
struct Standardised {
  Tensor value, scale;
};
Standardised standardise(const Tensor& x, at::IntArrayRef over) {
  const Tensor centred = x - x.mean(over, true);
  const Tensor scale = (centred.square().mean(over, true) + kEpsilon).rsqrt();
  return {centred * scale, scale};
}

// Returns the tangent of `value` for the tangent v of x: (v − mean v − value · mean(value·v)) · scale.
Tensor standardised_tangent(const Standardised& x, const Tensor& v, at::IntArrayRef over) {
  return (v - v.mean(over, true) - x.value * (x.value * v).mean(over, true)) * x.scale;
}

}  // namespace

Linear::Linear(const Build& build, int64_t in, int64_t out, bool bias) {
  expect_positive("Linear", "inputs", in);
  expect_positive("Linear", "outputs", out);
  weight_ = register_parameter("weight", initial(build, {out, in}, in));
  if (bias) bias_ = register_parameter("bias", initial(build, {out}, in));
}

Tensor Linear::apply(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return dense_linear(x, weight, bias);
}

Tensor Linear::forward(const Tensor& x) const { return apply(x, weight_, bias_); }

Pushed Linear::push(const Tensor& x, const Tensor& v) const {
  return {forward(x), push_linear(v, [this](const Tensor& rows) { return apply(rows, weight_, {}); })};
}

Pullback Linear::push_metric(const Tensor& x, const Tensor& v) const {
  if (v.dim() != 3) {  // rows of rows
    const Pushed pushed = push(x, v);
    return {pushed.g, inner_products(pushed.jv)};
  }
  return {forward(x), linear_gram(v, weight_)};
}

Shape Linear::output_shape(const Shape& in) const {
  if (in.empty() || in.back() != weight_.size(1))
    throw Error("Linear expects " + std::to_string(weight_.size(1)) + " inputs; found data of shape " +
                to_text(in));
  Shape out = in;
  out.back() = weight_.size(0);
  return out;
}

std::string Linear::python() const {
  return "torch.nn.Linear(" + std::to_string(weight_.size(1)) + ", " + std::to_string(weight_.size(0)) +
         (bias_.defined() ? ")" : ", bias=False)");
}

namespace {
std::string python_arguments(int64_t in, int64_t out, const Convolution& options) {
  return std::to_string(in) + ", " + std::to_string(out) + ", " + std::to_string(options.kernel) +
         ", stride=" + std::to_string(options.stride) + ", padding=" + std::to_string(options.padding) +
         (options.bias ? "" : ", bias=False");
}
}  // namespace

Conv2d::Conv2d(const Build& build, int64_t in, int64_t out, const Convolution& options) : options_(options) {
  check("Conv2d", in, out, options);
  const int64_t fan_in = in * options.kernel * options.kernel;
  weight_ = register_parameter("weight",
                               as_kernel(initial(build, {out, in, options.kernel, options.kernel}, fan_in)));
  if (options.bias) bias_ = register_parameter("bias", initial(build, {out}, fan_in));
}

Tensor Conv2d::apply(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
  return convolution(x, weight, bias, options_.stride, options_.padding);
}

Tensor Conv2d::apply(const Tensor& x, const Tensor& bias) const { return apply(x, weight_, bias); }

Tensor Conv2d::forward(const Tensor& x) const { return apply(x, bias_); }

Pushed Conv2d::push(const Tensor& x, const Tensor& v) const {
  return {forward(x), push_linear(v, [this](const Tensor& rows) { return apply(rows, {}); })};
}

Shape Conv2d::output_shape(const Shape& in) const {
  expect_image("Conv2d", in, weight_.size(1));
  Shape out{weight_.size(0)};
  for (size_t i = 1; i < 3; ++i) {
    const int64_t room = in[i] + 2 * options_.padding - options_.kernel;
    if (room < 0)
      throw Error("Conv2d with kernel " + std::to_string(options_.kernel) + " and padding " +
                  std::to_string(options_.padding) + " does not fit into data of shape " + to_text(in));
    out.push_back(room / options_.stride + 1);
  }
  return out;
}

std::string Conv2d::python() const {
  return "torch.nn.Conv2d(" + python_arguments(weight_.size(1), weight_.size(0), options_) + ")";
}

ConvTranspose2d::ConvTranspose2d(const Build& build, int64_t in, int64_t out, const Convolution& options,
                                 std::array<int64_t, 2> output_padding)
    : options_(options), output_padding_(output_padding) {
  check("ConvTranspose2d", in, out, options);
  for (int64_t padding : output_padding)
    if (padding < 0 || padding >= options.stride)
      throw Error("ConvTranspose2d expects an output padding from 0 to stride − 1 = " +
                  std::to_string(options.stride - 1) + "; found " + std::to_string(padding));
  const int64_t fan_in =
      out * options.kernel * options.kernel;  // as PyTorch counts it for a transposed kernel
  weight_ = register_parameter("weight",
                               as_kernel(initial(build, {in, out, options.kernel, options.kernel}, fan_in)));
  if (options.bias) bias_ = register_parameter("bias", initial(build, {out}, fan_in));
}

Tensor ConvTranspose2d::apply(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
  return transposed_convolution(x, weight, bias, options_.stride, options_.padding, output_padding_);
}

Tensor ConvTranspose2d::apply(const Tensor& x, const Tensor& bias) const { return apply(x, weight_, bias); }

Tensor ConvTranspose2d::forward(const Tensor& x) const { return apply(x, bias_); }

Pushed ConvTranspose2d::push(const Tensor& x, const Tensor& v) const {
  return {forward(x), push_linear(v, [this](const Tensor& rows) { return apply(rows, {}); })};
}

Shape ConvTranspose2d::output_shape(const Shape& in) const {
  expect_image("ConvTranspose2d", in, weight_.size(0));
  Shape out{weight_.size(1)};
  for (size_t i = 1; i < 3; ++i) {
    out.push_back((in[i] - 1) * options_.stride - 2 * options_.padding + options_.kernel +
                  output_padding_[i - 1]);
    if (out.back() < 1)
      throw Error("ConvTranspose2d with padding " + std::to_string(options_.padding) +
                  " leaves nothing of data of shape " + to_text(in));
  }
  return out;
}

std::string ConvTranspose2d::python() const {
  std::string padding;
  if (output_padding_[0] != 0 || output_padding_[1] != 0)
    padding = ", output_padding=" + python_tuple(output_padding_);
  return "torch.nn.ConvTranspose2d(" + python_arguments(weight_.size(0), weight_.size(1), options_) +
         padding + ")";
}

namespace {

// Disables autocast while it lives: singular vectors in bfloat16 are useless.
using WithoutAutocast = c10::impl::ExcludeDispatchKeyGuard;

// Returns x/|x|, with PyTorch's guard against zero.
Tensor direction(const Tensor& x) { return x / x.norm().clamp_min(1e-12); }

// Sets u = Wv/|Wv|, v = Wᵀu/|Wᵀu|.
void power_iteration(const Tensor& matrix, Tensor& u, Tensor& v) {
  u = direction(at::mv(matrix, v));
  v = direction(at::mv(matrix.t(), u));
}

// Returns the trained tensor of that name; undefined when there is none.
Tensor parameter_of(const Layer& layer, const char* name) {
  const auto parameters = layer.named_parameters(/*recurse=*/false);
  const Tensor* found = parameters.find(name);
  return found ? *found : Tensor();
}

// Iterations at the start. Singular values of random matrices lie close together, so that the vectors have not
// converged then, but σ is right to a few per cent, and far closer after the first training steps.
constexpr int kIterationsAtStart = 50;

}  // namespace

SpectralNorm::SpectralNorm(const Build& build, std::shared_ptr<Linear> layer)
    : SpectralNorm(build, layer, &Linear::apply, 0) {}

SpectralNorm::SpectralNorm(const Build& build, std::shared_ptr<Conv2d> layer)
    : SpectralNorm(
          build, layer,
          [conv = layer.get()](const Tensor& x, const Tensor& weight, const Tensor& bias) {
            return conv->apply(x, weight, bias);
          },
          0) {}

SpectralNorm::SpectralNorm(const Build& build, std::shared_ptr<ConvTranspose2d> layer)
    : SpectralNorm(
          build, layer,
          [conv = layer.get()](const Tensor& x, const Tensor& weight, const Tensor& bias) {
            return conv->apply(x, weight, bias);
          },
          1) {}

SpectralNorm::SpectralNorm(const Build& build, LayerPtr layer, Apply apply, int64_t output_dimension)
    : layer_(std::move(layer)),
      apply_(std::move(apply)),
      output_dimension_(output_dimension),
      model_(build.model) {
  if (!layer_) throw Error("SpectralNorm expects a layer; found none");
  // PyTorch's names come from nested modules, whose own names may not contain dots.
  const auto parametrizations = register_module("parametrizations", std::make_shared<torch::nn::Module>());
  const auto of_weight = parametrizations->register_module("weight", std::make_shared<torch::nn::Module>());
  const auto first = of_weight->register_module("0", std::make_shared<torch::nn::Module>());
  weight_ = of_weight->register_parameter("original", parameter_of(*layer_, "weight"));
  if (const Tensor bias = parameter_of(*layer_, "bias"); bias.defined())
    bias_ = register_parameter("bias", bias);

  const at::NoGradGuard no_grad;
  const Tensor wide = matrix().to(at::kDouble);
  const auto normal = [&](int64_t n) {
    return direction(at::empty({n}, wide.options()).normal_(0, 1, build.rng));
  };
  Tensor u = normal(wide.size(0)), v = normal(wide.size(1));
  for (int i = 0; i < kIterationsAtStart; ++i) power_iteration(wide, u, v);
  u_ = first->register_buffer("_u", u.to(build.options));
  v_ = first->register_buffer("_v", v.to(build.options));
}

Tensor SpectralNorm::matrix() const { return weight_.transpose(0, output_dimension_).flatten(1); }

Tensor SpectralNorm::norm() const {
  const WithoutAutocast guard(c10::autocast_dispatch_keyset);
  return at::dot(u_, at::mv(matrix(), v_));
}

Tensor SpectralNorm::normalised() const {
  move();
  return weight_ / norm();
}

void SpectralNorm::move() const {
  if (!is_training() || !model_ || model_->step() < 0 || model_->step() == moved_in_) return;
  moved_in_ = model_->step();
  const at::NoGradGuard no_grad;
  const WithoutAutocast guard(c10::autocast_dispatch_keyset);
  Tensor u = u_, v = v_;
  power_iteration(matrix(), u, v);
  Tensor(u_).copy_(u);
  Tensor(v_).copy_(v);
}

Tensor SpectralNorm::forward(const Tensor& x) const { return apply_(x, normalised(), bias_); }

Pushed SpectralNorm::push(const Tensor& x, const Tensor& v) const {
  const Tensor weight = normalised();
  return {apply_(x, weight, bias_),
          push_linear(v, [&](const Tensor& rows) { return apply_(rows, weight, {}); })};
}

Shape SpectralNorm::output_shape(const Shape& in) const { return layer_->output_shape(in); }

std::string SpectralNorm::python() const {
  return "torch.nn.utils.parametrizations.spectral_norm(" + layer_->python() + ")";
}

namespace {
// Returns the last dimensions, as many as the shape has.
Shape trailing(const Shape& shape) {
  Shape over;
  for (size_t i = shape.size(); i > 0; --i) over.push_back(-static_cast<int64_t>(i));
  return over;
}
}  // namespace

LayerNorm::LayerNorm(const Build& build, Shape shape) : shape_(std::move(shape)) {
  if (shape_.empty()) throw Error("LayerNorm expects the shape of an example; found an empty one");
  for (int64_t side : shape_) expect_positive("LayerNorm", "sides", side);
  weight_ = register_parameter("weight", at::ones(shape_, build.options));
  bias_ = register_parameter("bias", at::zeros(shape_, build.options));
}

Tensor LayerNorm::forward(const Tensor& x) const {
  return standardise(widened(x, weight_), trailing(shape_)).value * weight_ + bias_;
}

Pushed LayerNorm::push(const Tensor& x, const Tensor& v) const {
  const Shape over = trailing(shape_);
  const Standardised standardised = standardise(widened(x, weight_), over);
  return {standardised.value * weight_ + bias_,
          standardised_tangent(standardised, widened(v, weight_), over) * weight_};
}

Shape LayerNorm::output_shape(const Shape& in) const {
  if (in.size() < shape_.size() || !std::equal(shape_.rbegin(), shape_.rend(), in.rbegin()))
    throw Error("LayerNorm expects data of a shape that ends in " + to_text(shape_) + "; found " +
                to_text(in));
  return in;
}

std::string LayerNorm::python() const { return "torch.nn.LayerNorm(" + python_tuple(shape_) + ")"; }

GroupNorm::GroupNorm(const Build& build, int64_t groups, int64_t channels) : groups_(groups) {
  expect_positive("GroupNorm", "groups", groups);
  expect_positive("GroupNorm", "channels", channels);
  if (channels % groups != 0)
    throw Error("GroupNorm expects a number of groups that divides the channels; found " +
                std::to_string(groups) + " groups for " + std::to_string(channels) + " channels");
  weight_ = register_parameter("weight", at::ones({channels}, build.options));
  bias_ = register_parameter("bias", at::zeros({channels}, build.options));
}

Tensor GroupNorm::forward(const Tensor& x) const {
  return at::group_norm(widened(x, weight_), groups_, weight_, bias_, kEpsilon);
}

Pushed GroupNorm::push(const Tensor& x, const Tensor& v) const {
  const int64_t within = weight_.size(0) / groups_;
  const Tensor rows = widened(x, weight_).unflatten(1, {groups_, within}).flatten(2);  // [N, groups, …]
  const Tensor tangents =
      widened(v, weight_).unflatten(2, {groups_, within}).flatten(3);  // [T, N, groups, …]
  const Standardised standardised = standardise(rows, {-1});
  Shape channels(static_cast<size_t>(x.dim()), 1);
  channels[1] = weight_.size(0);
  const Tensor weight = weight_.view(channels);
  const Tensor jv = standardised_tangent(standardised, tangents, {-1}).reshape(v.sizes()) * weight;
  return {standardised.value.reshape(x.sizes()) * weight + bias_.view(channels), jv};
}

Shape GroupNorm::output_shape(const Shape& in) const {
  if (in.empty() || in[0] != weight_.size(0))
    throw Error("GroupNorm expects data of shape [" + std::to_string(weight_.size(0)) + ", …]; found " +
                to_text(in));
  return in;
}

std::string GroupNorm::python() const {
  return "torch.nn.GroupNorm(" + std::to_string(groups_) + ", " + std::to_string(weight_.size(0)) + ")";
}

Tensor Flatten::forward(const Tensor& x) const { return in_rows(x).flatten(1); }
Shape Flatten::output_shape(const Shape& in) const { return {product(in)}; }
std::string Flatten::python() const { return "torch.nn.Flatten()"; }

Unflatten::Unflatten(Shape shape) : shape_(std::move(shape)) {
  for (int64_t side : shape_) expect_positive("Unflatten", "sides", side);
}
Tensor Unflatten::forward(const Tensor& x) const { return x.unflatten(1, shape_); }
Shape Unflatten::output_shape(const Shape& in) const {
  if (in.size() != 1 || in[0] != product(shape_))
    throw Error("Unflatten to " + to_text(shape_) + " expects " + std::to_string(product(shape_)) +
                " values; found data of shape " + to_text(in));
  return shape_;
}
std::string Unflatten::python() const { return "torch.nn.Unflatten(1, " + python_tuple(shape_) + ")"; }

Upsample::Upsample(int64_t height, int64_t width, Mode mode) : size_{height, width}, mode_(mode) {
  for (int64_t side : size_) expect_positive("Upsample", "sides", side);
}
Tensor Upsample::forward(const Tensor& x) const {
  return mode_ == Mode::kNearest ? at::upsample_nearest2d(x, size_)
                                 : at::upsample_bilinear2d(x, size_, /*align_corners=*/false);
}
Shape Upsample::output_shape(const Shape& in) const {
  expect_image("Upsample", in, 0);
  return {in[0], size_[0], size_[1]};
}
std::string Upsample::python() const {
  return "torch.nn.Upsample(size=" + python_tuple(size_) +
         (mode_ == Mode::kNearest ? ", mode=\"nearest\")" : ", mode=\"bilinear\", align_corners=False)");
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
