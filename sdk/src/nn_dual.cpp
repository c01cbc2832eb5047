// See dual.h.

#include <variform/nn/dual.h>

#include <ATen/ATen.h>

#include <cmath>

namespace variform {
inline namespace v2 {
namespace nn {
namespace {

void expect_from_the_end(const char* function, int64_t dim) {
  if (dim >= 0)
    throw Error(std::string(function) + " counts dimensions from the end (−1: the last); found " +
                std::to_string(dim));
}

// Statistics in bfloat16 are useless: normalisations compute in their parameters' precision.
Tensor precise(const Tensor& x, const Tensor& weight) {
  return weight.defined() && (x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf)
             ? x.to(weight.scalar_type())
             : x;
}

Pushed scaled(Pushed x, const Tensor& weight, const Tensor& bias) {
  if (weight.defined()) x = {x.g * weight, x.jv * weight};
  if (bias.defined()) x.g = x.g + bias;
  return x;
}

}  // namespace

Pushed constant(const Tensor& value, int64_t tangents) {
  Shape shape = value.sizes().vec();
  shape.insert(shape.begin(), tangents);
  return {value, at::zeros({}, value.options().requires_grad(false)).expand(shape)};
}

Pushed add(const Pushed& a, const Pushed& b) { return {a.g + b.g, a.jv + b.jv}; }

Pushed multiply(const Pushed& a, const Pushed& b) { return {a.g * b.g, a.jv * b.g + a.g * b.jv}; }

Pushed matmul(const Pushed& a, const Pushed& b) {
  return {a.g.matmul(b.g), a.jv.matmul(b.g) + a.g.matmul(b.jv)};
}

Pushed concatenate(const std::vector<Pushed>& parts, int64_t dim) {
  expect_from_the_end("concatenate", dim);
  if (parts.empty()) throw Error("concatenate expects at least one part; found none");
  std::vector<Tensor> g, jv;
  for (const Pushed& part : parts) {
    g.push_back(part.g);
    jv.push_back(part.jv);
  }
  return {at::cat(g, dim), at::cat(jv, dim)};
}

Pushed narrow(const Pushed& x, int64_t dim, int64_t start, int64_t length) {
  expect_from_the_end("narrow", dim);
  return {x.g.narrow(dim, start, length), x.jv.narrow(dim, start, length)};
}

Pushed softmax(const Pushed& x, int64_t dim) {
  expect_from_the_end("softmax", dim);
  const Tensor y = at::softmax(x.g, dim), weighted = y * x.jv;
  return {y, weighted - y * weighted.sum(dim, true)};
}

Pushed log_softmax(const Pushed& x, int64_t dim) {
  expect_from_the_end("log_softmax", dim);
  const Tensor y = at::log_softmax(x.g, dim);
  return {y, x.jv - (y.exp() * x.jv).sum(dim, true)};
}

Pushed logsumexp(const Pushed& x, int64_t dim) {
  expect_from_the_end("logsumexp", dim);
  return {at::logsumexp(x.g, dim, true), (at::softmax(x.g, dim) * x.jv).sum(dim, true)};
}

Pushed attention(const Pushed& q, const Pushed& k, const Pushed& v) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.g.size(-1)));
  const Pushed keys{k.g.transpose(-1, -2), k.jv.transpose(-1, -2)};
  return matmul(softmax(matmul({q.g * scale, q.jv * scale}, keys)), v);
}

Pushed layer_norm(const Pushed& x, int64_t dims, const Tensor& weight, const Tensor& bias, double epsilon) {
  std::vector<int64_t> over;
  for (int64_t dim = dims; dim > 0; --dim) over.push_back(-dim);
  if (over.empty()) throw Error("layer_norm expects at least one dimension; found " + std::to_string(dims));
  const Tensor g = precise(x.g, weight), v = precise(x.jv, weight);
  const Tensor centred = g - g.mean(over, true);
  const Tensor scale = (centred.square().mean(over, true) + epsilon).rsqrt();
  const Tensor y = centred * scale;
  return scaled({y, (v - v.mean(over, true) - y * (y * v).mean(over, true)) * scale}, weight, bias);
}

Pushed rms_norm(const Pushed& x, const Tensor& weight, double epsilon) {
  const Tensor g = precise(x.g, weight), v = precise(x.jv, weight);
  const Tensor scale = (g.square().mean(-1, true) + epsilon).rsqrt(), y = g * scale;
  return scaled({y, (v - y * (y * v).mean(-1, true)) * scale}, weight, {});
}

Pushed l2_normalise(const Pushed& x, int64_t dim, double epsilon) {
  expect_from_the_end("l2_normalise", dim);
  const Tensor square = x.g.square().sum(dim, true);
  const Tensor norm = square.clamp_min(epsilon * epsilon).sqrt(), y = x.g / norm;
  const Tensor slope = (square > epsilon * epsilon).to(y.scalar_type()) * (y * x.jv).sum(dim, true);
  return {y, (x.jv - y * slope) / norm};
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
