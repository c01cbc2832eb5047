// Encoders and decoders that are one network, the blocks of the stock ones, and PyTorch source.

#include <variform/nn/network.h>

#include "nn_support.h"
#include "tangents.h"

#include <variform/model.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdio>

namespace variform {
inline namespace v2 {
namespace nn {
namespace {

LayerPtr checked(LayerPtr network, const char* kind, const Shape& in, const Shape& out) {
  if (!network) throw Error(std::string(kind) + " expects a network; found none");
  const Shape found = network->output_shape(in);
  if (found != out)
    throw Error("the " + std::string(kind) + "'s network must take " + to_text(in) + " to " + to_text(out) +
                "; it takes it to " + to_text(found));
  return network;
}

constexpr const char* kSpectral = "spectral";

/// Computes sign(x) log(1 + |x|) elementwise; where `count` is given, of each row's first `count` values alone.
class SignedLog final : public With<Layer, nn::Push, nn::Elementwise, nn::PythonHelper> {
 public:
  explicit SignedLog(int64_t count) : count_(count) {}
  Tensor forward(const Tensor& x) const override {
    return of_the_first(
        x, [](const Tensor& part) { return part.sign() * part.abs().log1p(); }, x);
  }
  Pushed push(const Tensor& x, const Tensor& v) const override { return {forward(x), v * *slope(x, {})}; }
  std::optional<Tensor> slope(const Tensor& x, const Tensor&) const override {
    return of_the_first(
        x, [](const Tensor& part) { return (1 + part.abs()).reciprocal(); }, at::ones_like(x));
  }
  Shape output_shape(const Shape& in) const override { return in; }
  std::string python() const override {
    return count_ ? "SignedLog(" + std::to_string(count_) + ")" : "SignedLog()";
  }
  std::string python_helper() const override {
    return "class SignedLog(torch.nn.Module):\n    def __init__(self, count=None):\n"
           "        super().__init__()\n        self.count = count\n\n    def forward(self, x):\n"
           "        first, rest = x[:, :self.count], x[:, x.shape[1] if self.count is None else self.count:]\n"
           "        return torch.cat([torch.sign(first) * torch.log1p(torch.abs(first)), rest], 1)\n";
  }

 private:
  template <class Map>
  Tensor of_the_first(const Tensor& x, const Map& map, const Tensor& otherwise) const {
    if (count_ == 0) return map(x);
    return at::cat({map(x.narrow(1, 0, count_)), otherwise.narrow(1, count_, x.size(1) - count_)}, 1);
  }
  int64_t count_;
};

/// Splits [N, P + c] into images [N, C, H, W] and c planes of a constant each: [N, C + c, H, W].
class ConditionPlanes final : public With<LinearMap, nn::PythonHelper> {
 public:
  ConditionPlanes(Shape image, int64_t condition)
      : image_(std::move(image)), values_(image_[0] * image_[1] * image_[2]), condition_(condition) {}
  Tensor forward(const Tensor& x) const override {
    const Tensor planes = x.narrow(1, values_, condition_).unsqueeze(-1).unsqueeze(-1);
    return at::cat({x.narrow(1, 0, values_).unflatten(1, image_),
                    planes.expand({x.size(0), condition_, image_[1], image_[2]})},
                   1);
  }
  Shape output_shape(const Shape& in) const override {
    if (in != Shape{values_ + condition_})
      throw Error("planes of a condition expect rows of " + std::to_string(values_ + condition_) +
                  " numbers; found " + to_text(in));
    return {image_[0] + condition_, image_[1], image_[2]};
  }
  std::string python() const override {
    return "ConditionPlanes(" + std::to_string(image_[0]) + ", " + std::to_string(image_[1]) + ", " +
           std::to_string(image_[2]) + ")";
  }
  std::string python_helper() const override {
    return "class ConditionPlanes(torch.nn.Module):\n    def __init__(self, *image):\n"
           "        super().__init__()\n        self.image = image\n\n    def forward(self, x):\n"
           "        channels, height, width = self.image\n        values = channels * height * width\n"
           "        planes = x[:, values:, None, None].expand(-1, -1, height, width)\n"
           "        return torch.cat([x[:, :values].unflatten(1, self.image), planes], 1)\n";
  }

 private:
  Shape image_;
  int64_t values_, condition_;
};

/// A row's own numbers and after them its condition: [N, own + condition].
Tensor joined(const Tensor& own, const Context& context, int64_t condition) {
  return at::cat({own, condition_in(context, own.size(0), condition).to(own.scalar_type())}, 1);
}

/// Tangents of the latents as tangents of latents and condition, which do not move the latter. One that is the same for all
/// rows stays so.
Tensor padded(const Tensor& v, int64_t condition) {
  const bool is_common = v.size(1) > 1 && v.stride(1) == 0;
  const Tensor some = is_common ? v.narrow(1, 0, 1) : v;
  const Tensor all = at::cat({some, at::zeros({some.size(0), some.size(1), condition}, v.options())}, 2);
  return is_common ? all.expand({v.size(0), v.size(1), all.size(2)}) : all;
}

template <class Made>
LayerPtr normalised(const Build& build, const Block& block, std::shared_ptr<Made> layer) {
  if (block.normalisation != kSpectral) return layer;
  return std::make_shared<SpectralNorm>(build, std::move(layer));
}

}  // namespace

NetworkEncoder::NetworkEncoder(const Build& build, LayerPtr network, int64_t condition)
    : network_(register_module(
          "network",
          checked(std::move(network), "encoder",
                  condition > 0 ? Shape{build.data_size() + condition} : build.data, {build.outputs}))),
      condition_(condition) {}
NetworkEncoder::~NetworkEncoder() = default;

NetworkDecoder::NetworkDecoder(const Build& build, LayerPtr network, int64_t condition)
    : network_(register_module("network", checked(std::move(network), "decoder", {build.latent + condition},
                                                  decoded_shape(build)))),
      condition_(condition) {}
NetworkDecoder::~NetworkDecoder() = default;

Tensor NetworkEncoder::encode(const Tensor& x, const Context& context) {
  return network_->forward(condition_ > 0 ? joined(x.flatten(1), context, condition_) : x);
}

Tensor NetworkDecoder::decode(const Tensor& z, const Context& context) {
  return network_->forward(condition_ > 0 ? joined(z, context, condition_) : z);
}

Pushed NetworkDecoder::pushforward(const Tensor& z, const Tensor& v, const Context& context) {
  check_tangents(z, v);
  if (condition_ == 0) return network_->push(z, v);
  return network_->push(joined(z, context, condition_), padded(v, condition_));
}

Pullback NetworkDecoder::pullback_metric(const Tensor& z, const Tensor& v, const Context& context) {
  check_tangents(z, v);
  if (condition_ == 0) return network_->push_metric(z, v);
  return network_->push_metric(joined(z, context, condition_), padded(v, condition_));
}

LayerPtr make_linear(const Build& build, const Block& block, int64_t in, int64_t out, bool bias) {
  return normalised(build, block, std::make_shared<Linear>(build, in, out, bias));
}

LayerPtr make_conv2d(const Build& build, const Block& block, int64_t in, int64_t out,
                     const Convolution& options) {
  return normalised(build, block, std::make_shared<Conv2d>(build, in, out, options));
}

LayerPtr make_conv_transpose2d(const Build& build, const Block& block, int64_t in, int64_t out,
                               const Convolution& options, std::array<int64_t, 2> output_padding) {
  return normalised(build, block, std::make_shared<ConvTranspose2d>(build, in, out, options, output_padding));
}

void append_block(Sequential& network, const Build& build, const Block& block, const Shape& shape) {
  const bool image = shape.size() > 1;
  if (block.normalisation == "group")
    network.append(std::make_shared<GroupNorm>(build, block.groups, shape[0]));
  else if (block.normalisation == "layer" && image)
    network.append(std::make_shared<GroupNorm>(build, 1, shape[0]));
  else if (block.normalisation == "layer") network.append(std::make_shared<LayerNorm>(build, shape));
  else if (block.normalisation != "none" && block.normalisation != kSpectral)
    throw Error("there is no normalisation '" + block.normalisation +
                "'; choose one of none, layer, group, spectral");
  network.append(activation(block.activation));
}

int64_t append_hidden(Sequential& network, const Build& build, const Block& block, int64_t in,
                      const std::vector<int64_t>& hidden) {
  for (int64_t width : hidden) {
    network.append(make_linear(build, block, in, width));
    append_block(network, build, block, {width});
    in = width;
  }
  return in;
}

Block block_of(const Build& build) {
  return {build.text(kActivation.name), build.text(kNormalisation.name), build.integer(kGroups.name)};
}

void append_input(Sequential& network, const Build& build, int64_t condition) {
  const std::string input = build.text(kInput.name);
  if (input == "log1p") network.append(std::make_shared<SignedLog>(condition > 0 ? build.data_size() : 0));
}

Shape append_planes(Sequential& network, const Build& build, int64_t condition) {
  if (condition == 0) return build.data;
  const auto planes = std::make_shared<ConditionPlanes>(build.data, condition);
  network.append(planes);
  return planes->output_shape({build.data_size() + condition});
}

namespace {

// Returns the likelihood's mean of data at outputs of 0 and of 1, averaged over the values of an example; nothing when
// there is no likelihood yet, or it has no mean.
std::optional<std::array<double, 2>> means_of_ends(const Build& build) {
  if (!build.model || !build.model->component(Kind::kLikelihood)) return {};
  const at::NoGradGuard no_grad;
  Shape shape = build.data;  // g [1, 1, data…]
  shape.insert(shape.begin(), {1, 1});
  const auto mean = [&](double output) {
    return build.model->likelihood().mean(at::full(shape, output, build.options)).mean().item<double>();
  };
  try {
    return std::array<double, 2>{mean(0), mean(1)};
  } catch (const Unsupported&) {
    return {};
  }
}

}  // namespace

void append_output(Sequential& network, const Build& build) {
  const std::string output = build.text(kOutput.name);
  if (output == "none") return;
  if (build.outputs != 1)
    throw Error("output = \"" + output +
                "\" expects a likelihood with one output for each data value; found " +
                std::to_string(build.outputs) + ": use output = \"none\"");
  if (const auto means = means_of_ends(build); means && !((*means)[0] < 0.4 && (*means)[1] > 0.6)) {
    char range[64];
    std::snprintf(range, sizeof range, "%.3g to %.3g", (*means)[0], (*means)[1]);
    throw Error("output = \"" + output +
                "\" expects a likelihood that takes the decoder's output for a mean; with this one (" +
                build.model->label(Kind::kLikelihood) + ") outputs from 0 to 1 mean data from " + range +
                " only, since it takes them for logits or the like: use output = \"none\"");
  }
  network.append(activation(output));
}

namespace {

// The derivative in b of the mean −log p(x|b) over examples, where b is the output for each channel, or each value.
class SlopeOfConstant {
 public:
  SlopeOfConstant(const Build& build, Tensor x) : build_(build), x_(std::move(x)) {}
  Tensor operator()(const Tensor& at_bias) const {
    const at::AutoGradMode recording(true);
    const Tensor b = at_bias.detach().clone().requires_grad_(true);
    Shape shape = build_.data;  // [1, data…], as there is one output per value
    shape.insert(shape.begin(), 1);
    const bool one_each = b.numel() == build_.data_size();
    Shape of_channels(build_.data.size(), 1);
    of_channels[0] = build_.data[0];
    const Tensor g = (one_each ? b.reshape(build_.data) : b.reshape(of_channels).expand(build_.data))
                         .reshape(shape)
                         .unsqueeze(0);
    Shape all = shape;
    all.insert(all.begin(), x_.size(0));
    const Tensor nll = build_.model->likelihood().nll(x_, g.expand(all), {}).mean();
    return torch::autograd::grad({nll}, {b})[0];
  }

 private:
  const Build& build_;
  Tensor x_;
};

// Finds the zero of an increasing function of each number, by doubling steps and then bisection. A slope of nearly 0
// ends the doubling, since the zero may be infinite: for example, the best logit if all data are 0.
Tensor root_of(const SlopeOfConstant& slope, const Tensor& like) {
  constexpr double kFlat = 1e-3;
  constexpr int kDoublings = 24, kHalvings = 48;
  const Tensor direction = -slope(at::zeros_like(like)).sign();
  Tensor near = at::zeros_like(like), far = at::zeros_like(like), going = direction.ne(0);
  double step = 1;
  for (int i = 0; i < kDoublings && going.any().item<bool>(); ++i, step *= 2) {
    near = at::where(going, far, near);
    far = at::where(going, direction * step, far);
    going = going.logical_and(slope(far).mul(direction).lt(-kFlat));
  }
  for (int i = 0; i < kHalvings; ++i) {
    const Tensor middle = 0.5 * (near + far);
    const Tensor before = slope(middle).mul(direction).lt(0);
    near = at::where(before, middle, near);
    far = at::where(before, far, middle);
  }
  return 0.5 * (near + far);
}

}  // namespace

void start_at_data(Sequential& network, const Build& build) {
  constexpr int64_t kExamples = 512;
  if (build.text(kInitBias.name).empty()) return;
  const std::string expects = "init_bias = \"" + build.text(kInitBias.name) + "\" expects ";
  if (build.outputs != 1)
    throw Error(expects + "a likelihood with one output for each data value; found " +
                std::to_string(build.outputs));
  if (build.text(kOutput.name) != "none") throw Error(expects + "output = \"none\"");
  Tensor bias;
  for (const auto& item : network.named_parameters())
    if (item.key().ends_with("bias")) bias = item.value();
  if (!bias.defined() || !build.model || !build.model->component(Kind::kLikelihood))
    throw Error(expects + "a last layer with constant terms, and a likelihood");
  Likelihood& likelihood = build.model->likelihood();
  const bool was_training = likelihood.is_training();
  likelihood.eval();  // running means of training batches must not include this one
  const Tensor found = root_of(SlopeOfConstant(build, build.examples(kExamples)), bias.detach());
  likelihood.train(was_training);
  const at::NoGradGuard no_grad;
  bias.copy_(found);
}

LayerPtr residual_block(const Build& build, const Block& block, const Shape& shape) {
  auto inner = std::make_shared<Sequential>();
  for (int i = 0; i < 2; ++i) {
    append_block(*inner, build, block, shape);
    inner->append(make_conv2d(build, block, shape[0], shape[0], Convolution{3, 1, 1}));
  }
  return std::make_shared<Residual>(inner);
}

void require_halvings(const Build& build, size_t layers) {
  if (build.data.size() != 3)
    throw Error("conv expects images [channels, height, width]; found data of shape " + to_text(build.data) +
                ": use mlp for such data");
  if (layers == 0) throw Error("conv expects channels for at least one layer; found an empty list");
  const int64_t side = std::min(build.data[1], build.data[2]);
  if (layers >= 63 || side >> layers == 0)
    throw Error("conv halves the image once for each of its " + std::to_string(layers) +
                " channel counts, which images of " + std::to_string(build.data[1]) + "×" +
                std::to_string(build.data[2]) + " do not allow; give it fewer channels");
}

Shape decoded_shape(const Build& build) {
  if (build.data.empty()) throw Error("a decoder expects data of at least one dimension; found none");
  Shape shape = build.data;
  shape[0] *= build.outputs;
  return shape;
}

std::string python_module(const Layer& network, const std::string& class_name, const std::string& attribute,
                          bool is_conditioned) {
  std::vector<std::string> helpers;
  for (const auto& module : network.modules(/*include_self=*/false)) {
    const auto* layer = dynamic_cast<const Layer*>(module.get());
    const std::string helper = layer ? layer->python_helper() : "";
    if (!helper.empty() && std::find(helpers.begin(), helpers.end(), helper) == helpers.end())
      helpers.push_back(helper);
  }
  if (const std::string own = network.python_helper();
      !own.empty() && std::find(helpers.begin(), helpers.end(), own) == helpers.end())
    helpers.push_back(own);

  std::string text = "import torch\n";
  for (const std::string& helper : helpers) text += "\n\n" + helper;
  text +=
      "\n\nclass " + class_name + "(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n";
  text += "        self." + attribute + " = " + indented(indented(network.python())) + "\n";
  text += is_conditioned ? "\n    def forward(self, x, condition):\n        return self." + attribute +
                               "(torch.cat([x.flatten(1), condition], 1))\n"
                         : "\n    def forward(self, x):\n        return self." + attribute + "(x)\n";
  return text;
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
