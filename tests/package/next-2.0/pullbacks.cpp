// Inner products of tangents without the tangents: a decoder by hand, layers of one's own, and a likelihood whose curvature
// is one number.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <numbers>

namespace {

using variform::Build;
using variform::Pushed;
using variform::Pullback;
using variform::Shape;
using variform::Tensor;
namespace nn = variform::nn;

/// g = Wz + b, whose inner products are vᵀ(WᵀW)v at every z.
class Flat final : public variform::With<variform::Decoder, variform::Pushforward, variform::PullbackMetric, variform::PiecewiseLinear> {
 public:
  explicit Flat(const Build& build)
      : shape_(nn::decoded_shape(build)),
        weight_(register_parameter(
            "weight", at::empty({build.outputs * build.data_size(), build.latent}, build.options))),
        bias_(register_parameter("bias", at::zeros({build.outputs * build.data_size()}, build.options))) {
    variform::Generator rng = build.rng;
    weight_.data().copy_(0.1 * at::randn(weight_.sizes(), rng, build.options));
  }
  Tensor decode(const Tensor& z, const variform::Context&) override { return shaped(z.matmul(weight_.t()) + bias_); }
  Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context& context) override {
    return {decode(z, context), shaped(v.matmul(weight_.t()))};
  }
  Pullback pullback_metric(const Tensor& z, const Tensor& v, const variform::Context& context) override {
    const Tensor rows = v.transpose(0, 1);
    return {decode(z, context), rows.matmul(weight_.t().matmul(weight_)).matmul(rows.transpose(1, 2))};
  }
  bool piecewise_linear() const override { return true; }

 private:
  Tensor shaped(const Tensor& flat) const {
    Shape shape = flat.sizes().slice(0, static_cast<size_t>(flat.dim()) - 1).vec();
    shape.insert(shape.end(), shape_.begin(), shape_.end());
    return flat.reshape(shape);
  }

  Shape shape_;
  Tensor weight_, bias_;
};

/// x + tanh(x), which acts on every value by itself and says its slope.
class Bend final : public variform::With<nn::Layer, variform::nn::Push, variform::nn::Elementwise, variform::nn::PythonHelper> {
 public:
  Tensor forward(const Tensor& x) const override { return x + x.tanh(); }
  Pushed push(const Tensor& x, const Tensor& v) const override {
    return {forward(x), v * *slope(x, forward(x))};
  }
  Shape output_shape(const Shape& in) const override { return in; }
  std::string python() const override { return "Bend()"; }
  std::string python_helper() const override {
    return "class Bend(torch.nn.Module):\n"
           "    def forward(self, x):\n"
           "        return x + torch.tanh(x)\n";
  }
  std::optional<Tensor> slope(const Tensor& x, const Tensor&) const override { return 2 - x.tanh().square(); }
};

/// The order of the values turned round: inner products stay.
class Reverse final : public variform::With<nn::LinearMap, variform::nn::Isometric, variform::nn::PythonHelper> {
 public:
  Tensor forward(const Tensor& x) const override { return x.flip(-1); }
  Shape output_shape(const Shape& in) const override { return in; }
  std::string python() const override { return "Reverse()"; }
  std::string python_helper() const override {
    return "class Reverse(torch.nn.Module):\n"
           "    def forward(self, x):\n"
           "        return x.flip(-1)\n";
  }
  bool isometric() const override { return true; }
};

nn::LayerPtr bent(const Build& build) {
  const int64_t out = build.outputs * build.data_size();
  auto network = std::make_shared<nn::Sequential>();
  network->append(std::make_shared<nn::Linear>(build, build.latent, 8));
  network->append(std::make_shared<Bend>());
  network->append(std::make_shared<nn::Linear>(build, 8, out));
  network->append(std::make_shared<Reverse>());
  network->append(std::make_shared<nn::Unflatten>(nn::decoded_shape(build)));
  return network;
}

class Bent final : public nn::NetworkDecoder {
 public:
  explicit Bent(const Build& build) : NetworkDecoder(build, bent(build)) {}
};

/// Twice a network: a pushforward of its own, whose inner products the interface forms.
class Doubled final : public variform::With<variform::Decoder, variform::Pushforward> {
 public:
  explicit Doubled(const Build& build) : network_(register_module("network", bent(build))) {}
  Tensor decode(const Tensor& z, const variform::Context&) override { return 2 * network_->forward(z); }
  Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context&) override {
    const Pushed pushed = network_->push(z, v);
    return {2 * pushed.g, 2 * pushed.jv};
  }

 private:
  nn::LayerPtr network_;
};

/// A Gaussian of one given variance.
class OneVariance final : public variform::With<variform::Likelihood, variform::CurvatureForm, variform::IsotropicCurvature> {
 public:
  explicit OneVariance(const Build& build)
      : dimensions_(static_cast<int64_t>(build.data.size())),
        variance_(at::full({}, build.number("variance"), build.options)) {}
  int64_t outputs() const override { return 1; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context&) override {
    const Tensor each = (mean(g) - x).square() / variance_ + (2 * std::numbers::pi * variance_).log();
    return 0.5 * each.flatten(-dimensions_).sum(-1);
  }
  Tensor curvature_form(const Tensor&, const Tensor&, const Tensor& t, variform::Curvature, const variform::Context&) override {
    return variform::diagonal_curvature_form(t, variance_.to(t.scalar_type()).reciprocal());
  }
  Tensor mean(const Tensor& g) override { return g.squeeze(-dimensions_ - 1); }
  Tensor sample(const Tensor& g, variform::Generator& rng) override {
    const Tensor location = mean(g);
    return location + variance_.sqrt() * at::randn(location.sizes(), rng, location.options());
  }
  std::optional<Tensor> isotropic_curvature() const override { return variance_.reciprocal(); }

 private:
  int64_t dimensions_;
  Tensor variance_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Flat>("source-flat", "One product, which knows its inner products.", "theory §1"),
    variform::component<Bent>("source-bent", "Two linear layers with a bend between them.", "theory §1"),
    variform::component<Doubled>("source-doubled", "The same, twice as long.", "theory §1"),
    variform::component<OneVariance>("source-one-variance", "Gaussian noise of one variance.", "theory §3",
                                     {variform::number("variance", 1.0).above(0).doc("Of every value.")}))
