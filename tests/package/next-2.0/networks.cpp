// Encoders and decoders: of variform/nn layers, of plain operations, with an own pushforward, and one that wraps another.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace {

using variform::Build;
using variform::Pushed;
using variform::Shape;
using variform::Tensor;
namespace nn = variform::nn;

/// A layer of one's own: multiplication by a constant.
class Scale final : public variform::With<nn::LinearMap, variform::nn::PythonHelper> {
 public:
  explicit Scale(double factor) : factor_(factor) {}
  Tensor forward(const Tensor& x) const override { return factor_ * x; }
  Shape output_shape(const Shape& in) const override { return in; }
  std::string python() const override { return "Scale(" + std::to_string(factor_) + ")"; }
  std::string python_helper() const override {
    return "class Scale(torch.nn.Module):\n"
           "    def __init__(self, factor):\n"
           "        super().__init__()\n"
           "        self.factor = factor\n\n"
           "    def forward(self, x):\n"
           "        return self.factor * x\n";
  }

 private:
  double factor_;
};

/// A layer with tangents of its own: x + tanh(x), which bends and never flattens.
class Bend final : public variform::With<nn::Layer, variform::nn::Push, variform::nn::PythonHelper> {
 public:
  Tensor forward(const Tensor& x) const override { return x + x.tanh(); }
  Pushed push(const Tensor& x, const Tensor& v) const override {
    const Tensor y = x.tanh();
    return {x + y, v * (2 - y.square())};
  }
  Shape output_shape(const Shape& in) const override { return in; }
  std::string python() const override { return "Bend()"; }
  std::string python_helper() const override {
    return "class Bend(torch.nn.Module):\n"
           "    def forward(self, x):\n"
           "        return x + torch.tanh(x)\n";
  }
};

nn::LayerPtr perceptron_of(const Build& build) {
  auto network = std::make_shared<nn::Sequential>();
  network->append(std::make_shared<nn::Flatten>());
  const nn::Block block = nn::block_of(build);
  const int64_t width = nn::append_hidden(*network, build, block, build.data_size(), build.integers("hidden"));
  network->append(std::make_shared<nn::Linear>(build, width, build.outputs));
  return network;
}

class Perceptron final : public nn::NetworkEncoder {
 public:
  explicit Perceptron(const Build& build) : NetworkEncoder(build, perceptron_of(build)) {}
};

/// Straight from the interface: one product, whose weights start small.
class Affine final : public variform::Encoder {
 public:
  explicit Affine(const Build& build)
      : weight_(register_parameter("weight", at::empty({build.outputs, build.data_size()}, build.options))),
        bias_(register_parameter("bias", at::zeros({build.outputs}, build.options))) {
    variform::Generator rng = build.rng;
    const Tensor start = at::randn(weight_.sizes(), rng, build.options);
    weight_.data().copy_(build.number("start") * start / std::sqrt(static_cast<double>(build.data_size())));
    centre_ = register_buffer("centre", build.examples(64).mean(0).flatten());
  }
  Tensor encode(const Tensor& x, const variform::Context&) override { return (x.flatten(1) - centre_).matmul(weight_.t()) + bias_; }

 private:
  Tensor weight_, bias_, centre_;
};

nn::LayerPtr grown_of(const Build& build) {
  const int64_t channels = build.integer("channels");
  const auto build_convolution = [&](int64_t in, int64_t out) {
    nn::Convolution options;
    options.padding = 1;
    return std::make_shared<nn::Conv2d>(build, in, out, options);
  };
  const Shape data = build.data.size() == 3 ? build.data : Shape{build.data[0], 1, 1};
  const int64_t height = (data[1] + 1) / 2, width = (data[2] + 1) / 2;
  auto inner = std::make_shared<nn::Sequential>(std::vector<nn::LayerPtr>{
      std::make_shared<nn::GroupNorm>(build, 1, channels), nn::activation("silu"), build_convolution(channels, channels)});
  auto network = std::make_shared<nn::Sequential>(std::vector<nn::LayerPtr>{
      std::make_shared<nn::Linear>(build, build.latent, channels * height * width),
      std::make_shared<nn::LayerNorm>(build, Shape{channels * height * width}),
      std::make_shared<Bend>(),
      std::make_shared<nn::Unflatten>(Shape{channels, height, width}),
      std::make_shared<nn::Residual>(inner),
      std::make_shared<nn::Residual>(nn::activation("tanh"), build_convolution(channels, channels)),
      std::make_shared<nn::ConvTranspose2d>(build, channels, channels, nn::Convolution{3, 2, 1}, std::array<int64_t, 2>{1, 1}),
      std::make_shared<nn::Upsample>(data[1], data[2], nn::Upsample::Mode::kBilinear),
      std::make_shared<Scale>(0.5)});
  nn::append_block(*network, build, {"gelu", "layer"}, {channels, data[1], data[2]});
  network->append(build_convolution(channels, build.outputs * data[0]));
  if (build.data.size() != 3) {
    network->append(std::make_shared<nn::Flatten>());
    Shape shape = nn::decoded_shape(build);
    if (shape.size() > 1) network->append(std::make_shared<nn::Unflatten>(shape));
  }
  nn::append_output(*network, build);
  return network;
}

/// Of layers: its pushforward is theirs.
class Grown final : public nn::NetworkDecoder {
 public:
  explicit Grown(const Build& build) : NetworkDecoder(build, grown_of(build)) {}
};

/// g(z) = A tanh(Wz + b) + c by hand, with the Jacobian A diag(1 − tanh²) W by hand.
class Hand final : public variform::With<variform::Decoder, variform::Pushforward> {
 public:
  explicit Hand(const Build& build)
      : shape_(nn::decoded_shape(build)),
        in_(std::make_shared<nn::Linear>(build, build.latent, build.integer("width"))),
        out_(std::make_shared<nn::Linear>(build, build.integer("width"), build.outputs * build.data_size())) {
    register_module("in", in_);
    register_module("out", out_);
  }
  Tensor decode(const Tensor& z, const variform::Context&) override { return out_->forward(in_->forward(z).tanh()).unflatten(1, shape_); }
  Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context&) override {
    const Tensor y = in_->forward(z).tanh();
    const Tensor dy = v.matmul(in_->weight().t()) * (1 - y.square());
    return {out_->forward(y).unflatten(1, shape_), dy.matmul(out_->weight().t()).unflatten(2, shape_)};
  }

 private:
  Shape shape_;
  std::shared_ptr<nn::Linear> in_, out_;
};

/// Only decode(): the pushforward is the interface's.
class Plain final : public variform::Decoder {
 public:
  explicit Plain(const Build& build)
      : shape_(nn::decoded_shape(build)),
        weight_(register_module("weight", std::make_shared<nn::Linear>(build, 2 * build.latent, build.outputs * build.data_size()))) {}
  Tensor decode(const Tensor& z, const variform::Context&) override { return weight_->forward(at::cat({z.sin(), z}, 1)).unflatten(1, shape_); }

 private:
  Shape shape_;
  std::shared_ptr<nn::Linear> weight_;
};

/// Another decoder behind a rotation of the first two latents.
class Turned final : public variform::With<variform::Decoder, variform::Pushforward, variform::PiecewiseLinear, variform::RowsIndependent> {
 public:
  explicit Turned(const Build& build) : of_(build.component<variform::Decoder>("of")) {
    register_module("of", of_);
    rotation_ = at::eye(build.latent, build.options);
    if (build.latent > 1) {
      const double angle = build.number("angle");
      rotation_[0][0] = std::cos(angle), rotation_[0][1] = -std::sin(angle);
      rotation_[1][0] = std::sin(angle), rotation_[1][1] = std::cos(angle);
    }
  }
  Tensor decode(const Tensor& z, const variform::Context& context) override { return of_->decode(z.matmul(rotation_.t()), context); }
  Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context& context) override {
    return of_->pushforward(z.matmul(rotation_.t()), v.matmul(rotation_.t()), context);
  }
  variform::PushforwardTier pushforward_tier() const override { return of_->pushforward_tier(); }
  bool rows_independent() const override { return of_->rows_independent(); }
  bool piecewise_linear() const override { return of_->piecewise_linear(); }

 private:
  std::shared_ptr<variform::Decoder> of_;
  Tensor rotation_;  // constant, not state
};

/// Another decoder of the first latents alone: it is built by a copy of the Build with a smaller size.
class First final : public variform::Decoder {
 public:
  explicit First(const Build& build) : latents_(std::min(build.integer("latents"), build.latent)) {
    Build smaller = build;
    smaller.latent = latents_;
    of_ = register_module("of", smaller.component<variform::Decoder>("of"));
  }
  Tensor decode(const Tensor& z, const variform::Context& context) override {
    return of_->decode(z.narrow(1, 0, latents_), context);
  }

 private:
  int64_t latents_;
  std::shared_ptr<variform::Decoder> of_;
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<First>("source-first", "Another decoder of the first latents.", "none is needed",
                               {variform::component_parameter("of", variform::Kind::kDecoder)
                                    .doc("The decoder of fewer latents."),
                                variform::integer("latents", 2).at_least(1).in("latents").doc("How many it has.")}),
    variform::component<Perceptron>("source-perceptron", "Linear layers with a nonlinearity between them.", "Rumelhart et al. 1986",
                                    {variform::integers("hidden", {16}).at_least(1).doc("Widths of the hidden layers."),
                                     nn::kActivation, nn::kNormalisation, nn::kGroups}),
    variform::component<Affine>("source-affine", "One product, of centred data.", "none is needed",
                                {variform::number("start", 0.5).at_least(0).doc("Size of the weights at the start.")}),
    variform::component<Grown>("source-grown", "Convolutions that double an image, with normalisation and residuals.", "He et al. 2016",
                               {variform::integer("channels", 4).at_least(1).doc("Channels of every layer."), nn::kOutput}),
    variform::component<Hand>("source-hand", "One hidden layer with its Jacobian written out.", "theory §1",
                              {variform::integer("width", 12).at_least(1).doc("Width of the hidden layer.")}),
    variform::component<Plain>("source-plain", "Linear in the latents and their sines.", "none is needed"),
    variform::component<Turned>("source-turned", "Another decoder behind a rotation of the first two latents.", "theory §4",
                                {variform::component_parameter("of", variform::Kind::kDecoder).doc("The decoder that is turned."),
                                 variform::number("angle", 0.5).in("radians").doc("Angle of the rotation.")}))
