// The small models of the mathematics tests.

#include "models.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace variform::test {

namespace {
const at::TensorOptions kDoubles = at::TensorOptions().dtype(at::kDouble);
}

Tensor normal(const Shape& shape, std::uint64_t seed) { return at::randn(shape, generator(seed), kDoubles); }

Tensor uniform(const Shape& shape, std::uint64_t seed, double low, double high) {
  return low + (high - low) * at::rand(shape, generator(seed), kDoubles);
}

Tensor rotation(int64_t d, std::uint64_t seed) { return std::get<0>(at::linalg_qr(normal({d, d}, seed))); }

double error(const Tensor& a, const Tensor& b, const Tensor& scale) {
  return ((a - b).abs() / scale).max().item<double>();
}

double error(const Tensor& a, const Tensor& b) { return error(a, b, b.abs().max()); }

SmallDecoder::SmallDecoder(Shape shape, int64_t latent, int64_t hidden, int64_t outputs, PushforwardTier tier,
                           std::uint64_t seed)
    : shape_(shape), tier_(tier) {
  w_ = register_parameter("w", normal({hidden, latent}, hash(seed, "w")) / std::sqrt(latent));
  c_ = register_parameter("c", 0.3 * normal({hidden}, hash(seed, "c")));
  v_ = register_parameter("v", normal({outputs, hidden}, hash(seed, "v")) / std::sqrt(hidden));
  b_ = register_parameter("b", 0.3 * normal({outputs}, hash(seed, "b")));
}

Tensor SmallDecoder::decode(const Tensor& z, const Context&) {
  const Tensor inner = at::linear(z, w_, c_);
  const Tensor hidden = shape_ == Shape::kTanh ? inner.tanh() : shape_ == Shape::kRelu ? inner.relu() : inner;
  return at::linear(hidden, v_, b_);
}

Pushed SmallDecoder::pushforward(const Tensor& z, const Tensor& v, const Context&) {
  ++pushes;
  tangents += v.size(0);
  if (tier_ == PushforwardTier::kForwardMode) return pushforward_forward_mode(*this, z, v, {});
  if (tier_ == PushforwardTier::kDoubleBackward) return pushforward_double_backward(*this, z, v, {});
  const Tensor inner = at::linear(z, w_, c_);
  Tensor slope = at::ones_like(inner);
  if (shape_ == Shape::kTanh) slope = 1 - inner.tanh().square();
  if (shape_ == Shape::kRelu) slope = (inner > 0).to(at::kDouble);
  return {decode(z, {}), at::linear(slope * at::linear(v, w_), v_)};
}

void SmallDecoder::set_linear(const Tensor& w) {
  const at::NoGradGuard guard;
  w_.copy_(at::linalg_pinv(v_).mm(w));
  c_.zero_();
  b_.zero_();
}

SmallEncoder::SmallEncoder(bool linear, int64_t data, int64_t hidden, int64_t outputs, std::uint64_t seed)
    : linear_(linear) {
  if (!linear) a_ = register_parameter("a", normal({hidden, data}, hash(seed, "a")) / std::sqrt(data));
  c_ =
      register_parameter("c", normal({outputs, linear ? data : hidden}, hash(seed, "c")) / std::sqrt(hidden));
  e_ = register_parameter("e", 0.3 * normal({outputs}, hash(seed, "e")));
}

Tensor SmallEncoder::encode(const Tensor& x, const Context&) {
  return at::linear(linear_ ? x : at::linear(x, a_).tanh(), c_, e_);
}

const ComponentInfo& stock(Kind kind, const std::string& id) {
  const char* files[] = {"encoders", "decoders", "families", "priors", "likelihoods", "objectives"};
  return find_component(load_plugin("variform-" + std::string(files[static_cast<size_t>(kind)]) + ".so"),
                        kind, id);
}

Assembly::Assembly(int64_t data, int64_t latent, std::uint64_t seed, int64_t condition)
    : model_(std::make_unique<HostModel>(Shape{data}, latent, kDoubles, generator(seed))),
      condition_(condition) {}

Assembly& Assembly::with(Kind kind, const std::string& id, const Values& values) {
  Sizes sizes{model_->data, model_->latent, 1, at::kDouble, 1, model_.get(), condition_};
  if (kind == Kind::kEncoder) sizes.outputs = model_->family().parameter_count(model_->latent);
  if (kind == Kind::kDecoder) sizes.outputs = model_->likelihood().outputs();
  const auto parameters = std::make_shared<FakeParameters>(stock(kind, id), values);
  parameters->example_rows = uniform({8, model_->data[0]}, 17);  // for a VampPrior
  model_->set(kind, stock(kind, id).create(fake_build(parameters, sizes)), id);
  return *this;
}

Assembly& Assembly::with(std::shared_ptr<SmallDecoder> decoder) {
  model_->set(Kind::kDecoder, std::move(decoder), "small decoder");
  return *this;
}

Assembly& Assembly::with(std::shared_ptr<SmallEncoder> encoder) {
  model_->set(Kind::kEncoder, std::move(encoder), "small encoder");
  return *this;
}

Assembly& Assembly::standard(const Values& prior) {
  with(Kind::kPrior, "gaussian", prior).with(Kind::kFamily, "point");
  return with(std::make_shared<SmallEncoder>(false, model_->data[0], 7, model_->latent, 11));
}

Terms Assembly::evaluate(const Tensor& x, std::uint64_t seed) {
  model_->rng.set_current_seed(seed);
  return model_->evaluate({x, {.labels = at::arange(x.size(0)) % 3}, x.size(0)});
}

Tensor Assembly::part(const Tensor& x, const std::string& name, std::uint64_t seed) {
  for (const auto& [key, value] : evaluate(x, seed).parts)
    if (key == name) return value;
  throw Error("the objective has no part '" + name + "'");
}

Tensor jacobian(Model& model, const Tensor& z) {
  const Tensor leaf = z.detach().clone().requires_grad_(true);
  const Tensor g = model.decode(leaf, {}).flatten(1);  // [B, P]
  std::vector<Tensor> rows;
  for (int64_t p = 0; p < g.size(1); ++p)
    rows.push_back(torch::autograd::grad({g.select(1, p).sum()}, {leaf}, {}, /*retain_graph=*/true)[0]);
  return at::stack(rows, 1);
}

double minimise(const std::function<Tensor()>& value, std::vector<Tensor> tensors, int steps) {
  std::vector<int64_t> sizes;
  for (const Tensor& tensor : tensors) sizes.push_back(tensor.numel());
  const auto flat = [](const std::vector<Tensor>& parts) {
    std::vector<Tensor> rows;
    for (const Tensor& part : parts) rows.push_back(part.detach().flatten());
    return at::cat(rows).clone();
  };
  const auto at_point = [&](const Tensor& point) {  // the value and its gradient there
    {
      const at::NoGradGuard guard;
      const std::vector<Tensor> parts = point.split_with_sizes(sizes);
      for (size_t i = 0; i < tensors.size(); ++i) tensors[i].copy_(parts[i].reshape_as(tensors[i]));
    }
    const Tensor found = value();
    return std::pair(found.item<double>(), flat(torch::autograd::grad({found}, tensors)));
  };
  Tensor point = flat(tensors);
  auto [best, slope] = at_point(point);
  const Tensor eye = at::eye(point.numel(), kDoubles);
  Tensor inverse = eye.clone();
  for (int step = 0, fresh = 1; step < steps; ++step) {
    Tensor direction = -inverse.mv(slope);
    double along = direction.dot(slope).item<double>();
    if (!(along < 0)) {
      inverse = eye.clone();
      direction = -slope;
      along = -slope.square().sum().item<double>();
      fresh = 1;
    }
    double length = 1;
    bool lower = false;
    for (; length > 1e-12 && !lower; length *= 0.5) {
      const auto [found, there] = at_point(point + length * direction);
      if (!(found <= best + 1e-4 * length * along) || !(found < best)) continue;
      const Tensor s = length * direction, y = there - slope;
      const double sy = s.dot(y).item<double>();
      if (sy > 1e-300) {
        if (fresh) inverse = eye * (sy / y.square().sum().item<double>());
        const Tensor v = eye - at::outer(s, y) / sy;
        inverse = v.mm(inverse).mm(v.t()) + at::outer(s, s) / sy;
        fresh = 0;
      }
      point = point + s;
      best = found;
      slope = there;
      lower = true;
    }
    if (lower) continue;
    if (fresh) break;  // not even along the gradient: rounding
    inverse = eye.clone();
    fresh = 1;
  }
  at_point(point);
  return best;
}

double integral(const Tensor& values, const Tensor& grid) {
  return at::trapezoid(values, grid).item<double>();
}

double gradient_error(const std::function<Tensor()>& value, const std::vector<Tensor>& tensors,
                      std::uint64_t seed) {
  const std::vector<Tensor> gradients = torch::autograd::grad({value()}, tensors, {}, /*retain_graph=*/{},
                                                              /*create_graph=*/false, /*allow_unused=*/true);
  const at::NoGradGuard guard;
  double largest = 0, worst = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Tensor tensor = tensors[i];
    const Tensor direction = normal(tensor.sizes().vec(), seed + i), before = tensor.clone();
    const double step = 3e-5;
    const auto at_step = [&](double t) {
      tensor.copy_(before + t * direction);
      return value().item<double>();
    };
    // Fourth order: an error of step⁴ against one of 1e-16/step.
    const double slope =
        (8 * (at_step(step) - at_step(-step)) - (at_step(2 * step) - at_step(-2 * step))) / (12 * step);
    tensor.copy_(before);
    const double found = gradients[i].defined() ? (gradients[i] * direction).sum().item<double>() : 0;
    worst = std::max(worst, std::abs(found - slope));
    largest = std::max({largest, std::abs(slope), std::abs(found)});
    if (!std::isfinite(found) || !std::isfinite(slope)) return std::numeric_limits<double>::infinity();
  }
  return worst / largest;
}

}  // namespace variform::test
