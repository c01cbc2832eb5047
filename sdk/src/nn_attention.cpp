// See attention.h.

#include <variform/nn/attention.h>

#include "nn_support.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace variform {
inline namespace v2 {
namespace nn {
namespace {

// Returns the index of a dimension that is counted from the end in an example's shape.
std::size_t place_of(const char* layer, int64_t dim, const Shape& in) {
  const auto size = static_cast<int64_t>(in.size());
  if (dim >= 0 || dim < -size)
    throw Error(std::string(layer) +
                " counts dimensions from the end (−1: the last), at most as many as the data have; "
                "found " +
                std::to_string(dim) + " for data of shape " + to_text(in));
  return static_cast<std::size_t>(size + dim);
}

void expect_from_the_end_in(const char* layer, int64_t dim) {
  if (dim >= 0)
    throw Error(std::string(layer) + " counts dimensions from the end (−1: the last); found " +
                std::to_string(dim));
}

void expect_at_least_one(const char* layer, const char* what, int64_t value) {
  if (value < 1)
    throw Error(std::string(layer) + " expects " + what + " of at least 1; found " + std::to_string(value));
}

Shape pooled(const char* layer, const Shape& in, int64_t kernel, int64_t stride) {
  if (in.size() != 3 || in[1] < kernel || in[2] < kernel)
    throw Error(std::string(layer) +
                " expects data of shape [channels, height, width] with sides of at least " +
                std::to_string(kernel) + "; found " + to_text(in));
  return {in[0], (in[1] - kernel) / stride + 1, (in[2] - kernel) / stride + 1};
}

std::string python_of_pool(const char* name, int64_t kernel, int64_t stride) {
  return std::string("torch.nn.") + name + "(" + std::to_string(kernel) +
         ", stride=" + std::to_string(stride) + ")";
}

// Returns queries, keys or values of each head, [N, L, 3·width] -> [N, heads, L, d], for forward() and push().
Tensor head(const Tensor& qkv, int64_t heads, int64_t which) {
  return qkv.unflatten(-1, {3, heads, qkv.size(-1) / (3 * heads)}).select(-3, which).transpose(-2, -3);
}
Tensor joined_heads(const Tensor& values) { return values.transpose(-2, -3).flatten(-2); }

}  // namespace

Softmax::Softmax(int64_t dim, bool logarithm) : dim_(dim), logarithm_(logarithm) {
  expect_from_the_end_in("Softmax", dim);
}
Tensor Softmax::forward(const Tensor& x) const {
  return logarithm_ ? at::log_softmax(x, dim_) : at::softmax(x, dim_);
}
Pushed Softmax::push(const Tensor& x, const Tensor& v) const {
  return logarithm_ ? log_softmax({x, v}, dim_) : softmax({x, v}, dim_);
}
Shape Softmax::output_shape(const Shape& in) const {
  place_of("Softmax", dim_, in);
  return in;
}
std::string Softmax::python() const {
  return std::string("torch.nn.") + (logarithm_ ? "LogSoftmax" : "Softmax") + "(dim=" + std::to_string(dim_) +
         ")";
}

Attention::Attention(const Build& build, int64_t width, int64_t heads) : width_(width), heads_(heads) {
  expect_at_least_one("Attention", "a width", width);
  expect_at_least_one("Attention", "heads", heads);
  if (width % heads != 0)
    throw Error("Attention expects a number of heads that divides the width; found " + std::to_string(heads) +
                " heads for a width of " + std::to_string(width));
  qkv_ = register_module("qkv", std::make_shared<Linear>(build, width, 3 * width));
  out_ = register_module("out", std::make_shared<Linear>(build, width, width));
}

Tensor Attention::forward(const Tensor& x) const {
  const Tensor qkv = qkv_->forward(x), q = head(qkv, heads_, 0), k = head(qkv, heads_, 1);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  const Tensor weights = at::softmax((q * scale).matmul(k.transpose(-1, -2)), -1);
  return out_->forward(joined_heads(weights.matmul(head(qkv, heads_, 2))));
}

Pushed Attention::push(const Tensor& x, const Tensor& v) const {
  const Pushed qkv = qkv_->push(x, v);
  const auto part = [&](int64_t which) {
    return Pushed{head(qkv.g, heads_, which), head(qkv.jv, heads_, which)};
  };
  const Pushed values = attention(part(0), part(1), part(2));
  return out_->push(joined_heads(values.g), joined_heads(values.jv));
}

Shape Attention::output_shape(const Shape& in) const {
  if (in.size() != 2 || in[1] != width_)
    throw Error("Attention expects data of shape [tokens, " + std::to_string(width_) + "]; found " +
                to_text(in));
  return in;
}

std::string Attention::python() const {
  return "Attention(" + std::to_string(width_) + ", heads=" + std::to_string(heads_) + ")";
}

std::string Attention::python_helper() const {
  return R"(class Attention(torch.nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = torch.nn.Linear(width, 3 * width)
        self.out = torch.nn.Linear(width, width)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).transpose(-2, -4).unbind(-3)
        values = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1) @ v
        return self.out(values.transpose(-2, -3).flatten(-2))
)";
}

AddParameter::AddParameter(const Build& build, Shape shape) : shape_(std::move(shape)) {
  if (shape_.empty()) throw Error("AddParameter expects the shape of what is added; found an empty one");
  for (int64_t side : shape_) expect_at_least_one("AddParameter", "sides", side);
  constexpr double kDeviation = 0.02;
  const at::TensorOptions options = at::TensorOptions().dtype(at::kDouble).device(build.rng.device());
  value_ = register_parameter("value",
                              at::empty(shape_, options).normal_(0, kDeviation, build.rng).to(build.options));
}
Tensor AddParameter::forward(const Tensor& x) const { return x + value_; }
Pushed AddParameter::push(const Tensor& x, const Tensor& v) const { return {x + value_, v}; }
Shape AddParameter::output_shape(const Shape& in) const {
  if (in.size() < shape_.size() || !std::equal(shape_.rbegin(), shape_.rend(), in.rbegin()))
    throw Error("AddParameter expects data of a shape that ends in " + to_text(shape_) + "; found " +
                to_text(in));
  return in;
}
std::string AddParameter::python() const { return "AddParameter(" + python_tuple(shape_) + ")"; }
std::string AddParameter::python_helper() const {
  return R"(class AddParameter(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        return x + self.value
)";
}

namespace {
constexpr double kRmsEpsilon = 1e-5;
}

RmsNorm::RmsNorm(const Build& build, int64_t width) {
  expect_at_least_one("RmsNorm", "a width", width);
  weight_ = register_parameter("weight", at::ones({width}, build.options));
}
Tensor RmsNorm::forward(const Tensor& x) const {
  const bool narrow = x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf;
  const Tensor wide = narrow ? x.to(weight_.scalar_type()) : x;
  return wide * (wide.square().mean(-1, true) + kRmsEpsilon).rsqrt() * weight_;
}
Pushed RmsNorm::push(const Tensor& x, const Tensor& v) const {
  return rms_norm({x, v}, weight_, kRmsEpsilon);
}
Shape RmsNorm::output_shape(const Shape& in) const {
  if (in.empty() || in.back() != weight_.size(0))
    throw Error("RmsNorm expects data whose last dimension is " + std::to_string(weight_.size(0)) +
                "; found " + to_text(in));
  return in;
}
std::string RmsNorm::python() const {
  return "torch.nn.RMSNorm(" + std::to_string(weight_.size(0)) + ", eps=1e-05)";
}

L2Normalise::L2Normalise(int64_t dim) : dim_(dim) { expect_from_the_end_in("L2Normalise", dim); }
Tensor L2Normalise::forward(const Tensor& x) const {
  return x / x.square().sum(dim_, true).clamp_min(1e-24).sqrt();
}
Pushed L2Normalise::push(const Tensor& x, const Tensor& v) const { return l2_normalise({x, v}, dim_); }
Shape L2Normalise::output_shape(const Shape& in) const {
  place_of("L2Normalise", dim_, in);
  return in;
}
std::string L2Normalise::python() const { return "L2Normalise(dim=" + std::to_string(dim_) + ")"; }
std::string L2Normalise::python_helper() const {
  return R"(class L2Normalise(torch.nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return torch.nn.functional.normalize(x, dim=self.dim)
)";
}

AveragePool2d::AveragePool2d(int64_t kernel, int64_t stride)
    : kernel_(kernel), stride_(stride > 0 ? stride : kernel) {
  expect_at_least_one("AveragePool2d", "a kernel", kernel);
}
Tensor AveragePool2d::forward(const Tensor& x) const { return at::avg_pool2d(x, kernel_, stride_); }
Shape AveragePool2d::output_shape(const Shape& in) const {
  return pooled("AveragePool2d", in, kernel_, stride_);
}
std::string AveragePool2d::python() const { return python_of_pool("AvgPool2d", kernel_, stride_); }

MaxPool2d::MaxPool2d(int64_t kernel, int64_t stride)
    : kernel_(kernel), stride_(stride > 0 ? stride : kernel) {
  expect_at_least_one("MaxPool2d", "a kernel", kernel);
}
Tensor MaxPool2d::forward(const Tensor& x) const {
  return std::get<0>(at::max_pool2d_with_indices(x, kernel_, stride_));
}
Pushed MaxPool2d::push(const Tensor& x, const Tensor& v) const {
  const auto [y, indices] = at::max_pool2d_with_indices(x, kernel_, stride_);
  const Tensor places = indices.flatten(-2).unsqueeze(0).expand({v.size(0), -1, -1, -1});
  Shape shape = y.sizes().vec();
  shape.insert(shape.begin(), v.size(0));
  return {y, v.flatten(-2).gather(-1, places).reshape(shape)};
}
Shape MaxPool2d::output_shape(const Shape& in) const { return pooled("MaxPool2d", in, kernel_, stride_); }
std::string MaxPool2d::python() const { return python_of_pool("MaxPool2d", kernel_, stride_); }

PixelShuffle::PixelShuffle(int64_t factor) : factor_(factor) {
  expect_at_least_one("PixelShuffle", "a factor", factor);
}
Tensor PixelShuffle::forward(const Tensor& x) const { return at::pixel_shuffle(x, factor_); }
Shape PixelShuffle::output_shape(const Shape& in) const {
  if (in.size() != 3 || in[0] % (factor_ * factor_) != 0)
    throw Error("PixelShuffle expects data of shape [channels, height, width] with a multiple of " +
                std::to_string(factor_ * factor_) + " channels; found " + to_text(in));
  return {in[0] / (factor_ * factor_), in[1] * factor_, in[2] * factor_};
}
std::string PixelShuffle::python() const { return "torch.nn.PixelShuffle(" + std::to_string(factor_) + ")"; }

Permute::Permute(std::vector<int64_t> dims) : dims_(std::move(dims)) {
  std::vector<int64_t> sorted = dims_, all(dims_.size());
  std::sort(sorted.begin(), sorted.end());
  std::iota(all.begin(), all.end(), 0);
  if (sorted != all) throw Error("Permute expects each dimension once, from 0; found " + to_text(dims_));
}
Tensor Permute::forward(const Tensor& x) const {
  std::vector<int64_t> order{0};
  for (int64_t dim : dims_) order.push_back(dim + 1);
  return x.permute(order).contiguous();
}
Shape Permute::output_shape(const Shape& in) const {
  if (in.size() != dims_.size())
    throw Error("Permute expects data of " + std::to_string(dims_.size()) + " dimensions; found " +
                to_text(in));
  Shape out;
  for (int64_t dim : dims_) out.push_back(in[static_cast<std::size_t>(dim)]);
  return out;
}
std::string Permute::python() const { return "Permute(" + python_tuple(dims_) + ")"; }
std::string Permute::python_helper() const {
  return R"(class Permute(torch.nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(0, *(dim + 1 for dim in self.dims)).contiguous()
)";
}

Narrow::Narrow(int64_t dim, int64_t start, int64_t length) : dim_(dim), start_(start), length_(length) {
  expect_from_the_end_in("Narrow", dim);
  expect_at_least_one("Narrow", "a length", length);
  if (start < 0) throw Error("Narrow expects a start of at least 0; found " + std::to_string(start));
}
Tensor Narrow::forward(const Tensor& x) const { return x.narrow(dim_, start_, length_); }
Shape Narrow::output_shape(const Shape& in) const {
  Shape out = in;
  int64_t& side = out[place_of("Narrow", dim_, in)];
  if (start_ + length_ > side)
    throw Error("Narrow takes entries " + std::to_string(start_) + " to " +
                std::to_string(start_ + length_ - 1) + " of a dimension of " + std::to_string(side) +
                " (data of shape " + to_text(in) + ")");
  side = length_;
  return out;
}
std::string Narrow::python() const {
  return "Narrow(" + std::to_string(dim_) + ", " + std::to_string(start_) + ", " + std::to_string(length_) +
         ")";
}
std::string Narrow::python_helper() const {
  return R"(class Narrow(torch.nn.Module):
    def __init__(self, dim, start, length):
        super().__init__()
        self.part = (dim, start, length)

    def forward(self, x):
        return x.narrow(*self.part)
)";
}

Concatenate::Concatenate(std::vector<LayerPtr> branches, int64_t dim) : dim_(dim) {
  expect_from_the_end_in("Concatenate", dim);
  if (branches.empty()) throw Error("Concatenate expects at least one branch; found none");
  for (LayerPtr& branch : branches) {
    if (!branch) throw Error("Concatenate expects a layer in every branch; found none in one");
    branches_.push_back(register_module(std::to_string(branches_.size()), std::move(branch)));
  }
}
Tensor Concatenate::forward(const Tensor& x) const {
  std::vector<Tensor> parts;
  for (const LayerPtr& branch : branches_) parts.push_back(branch->forward(x));
  return at::cat(parts, dim_);
}
Pushed Concatenate::push(const Tensor& x, const Tensor& v) const {
  std::vector<Pushed> parts;
  for (const LayerPtr& branch : branches_) parts.push_back(branch->push(x, v));
  return concatenate(parts, dim_);
}
Shape Concatenate::output_shape(const Shape& in) const {
  Shape out = branches_.front()->output_shape(in);
  const std::size_t place = place_of("Concatenate", dim_, out);
  for (std::size_t i = 1; i < branches_.size(); ++i) {
    const Shape more = branches_[i]->output_shape(in);
    Shape wanted = out;
    if (more.size() == out.size()) wanted[place] = more[place];
    if (more != wanted)
      throw Error(
          "Concatenate joins branches whose shapes agree but for the dimension along which it joins; found " +
          to_text(more) + " beside " + to_text(out));
    out[place] += more[place];
  }
  return out;
}
bool Concatenate::piecewise_linear() const {
  return std::all_of(branches_.begin(), branches_.end(),
                     [](const LayerPtr& branch) { return branch->piecewise_linear(); });
}
bool Concatenate::rows_independent() const {
  return std::all_of(branches_.begin(), branches_.end(),
                     [](const LayerPtr& branch) { return branch->rows_independent(); });
}
std::string Concatenate::python() const {
  std::string text = "Concatenate(\n    " + std::to_string(dim_) + ",\n";
  for (const LayerPtr& branch : branches_) text += "    " + indented(branch->python()) + ",\n";
  return text + ")";
}
std::string Concatenate::python_helper() const {
  return R"(class Concatenate(torch.nn.ModuleList):
    def __init__(self, dim, *branches):
        super().__init__(branches)
        self.dim = dim

    def forward(self, x):
        return torch.cat([branch(x) for branch in self], dim=self.dim)
)";
}

Function::Function(std::function<Tensor(const Tensor&)> function,
                   std::function<Shape(const Shape&)> output_shape, std::string python)
    : function_(std::move(function)), shape_(std::move(output_shape)), python_(std::move(python)) {
  if (!function_ || !shape_)
    throw Error("Function expects a function and what it makes of a shape; found none");
}
Tensor Function::forward(const Tensor& x) const { return function_(x); }
Shape Function::output_shape(const Shape& in) const { return shape_(in); }
std::string Function::python() const {
  if (python_.empty())
    throw Unsupported(
        "a Function has no PyTorch counterpart unless its constructor is given one, so that this network "
        "cannot be exported");
  return python_;
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
