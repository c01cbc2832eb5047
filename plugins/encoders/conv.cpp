// Encoder `conv`: strided convolutions that halve the image, then a perceptron.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include "output.h"

namespace {

namespace nn = variform::nn;

using Layers = std::shared_ptr<nn::Sequential>;

nn::LayerPtr conv_layers(Layers layers, const variform::Build& build, const std::vector<int64_t>& channels,
                         const std::vector<int64_t>& hidden, const nn::Block& block) {
  nn::require_halvings(build, channels.size());
  variform::Shape shape = append_planes(*layers, build, condition_of(build));
  for (int64_t count : channels) {
    const auto layer = make_conv2d(build, block, shape[0], count, nn::Convolution{4, 2, 1});
    shape = layer->output_shape(shape);
    layers->append(layer);
    append_block(*layers, build, block, shape);
  }
  layers->append(std::make_shared<nn::Flatten>());
  const int64_t width = append_hidden(*layers, build, block, shape[0] * shape[1] * shape[2], hidden);
  layers->append(variform::make_output(build, block, width));
  return layers;
}

/// (Conv2d 4×4, stride 2, padding 1: s → ⌊s/2⌋) for each channel count → Flatten → hidden layers → Linear.
class Conv final : public nn::NetworkEncoder {
 public:
  explicit Conv(const variform::Build& build)
      : NetworkEncoder(build,
                       conv_layers(input_of(build), build, build.integers("channels"),
                                   build.integers("hidden"), nn::block_of(build)),
                       condition_of(build)) {}

 private:
  static Layers input_of(const variform::Build& build) {
    auto layers = std::make_shared<nn::Sequential>();
    append_input(*layers, build, condition_of(build));
    return layers;
  }
};

/// The encoder of Burgess et al. 2018 as Locatello et al. 2019 (table 1) have it: 32, 32, 64, 64 channels, each halving
/// an image of 64×64, then 256 numbers, all ReLU.
class ConvLocatello final : public nn::NetworkEncoder {
 public:
  explicit ConvLocatello(const variform::Build& build)
      : NetworkEncoder(build, layers(build), condition_of(build)) {}

 private:
  static nn::LayerPtr layers(const variform::Build& build) {
    if (build.data.size() != 3 || build.data[1] != 64 || build.data[2] != 64)
      throw variform::Error("encoder 'conv-locatello' is for images of 64×64; found data " +
                            variform::to_text(build.data) + "; use 'conv'");
    return conv_layers(std::make_shared<nn::Sequential>(), build, {32, 32, 64, 64}, {256}, {});
  }
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<ConvLocatello>(
        "conv-locatello", "The convolutions of the disentanglement literature, for images of 64×64.",
        "Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of Disentangled "
        "Representations, ICML 2019, table 1",
        {variform::kCondition}),
    variform::component<Conv>("conv", "Strided convolutions and a perceptron, for images of any size.",
                              "Radford et al. 2016 (DCGAN)",
                              {variform::integers("channels", {32, 64})
                                   .at_least(1)
                                   .doc("Channels after each halving of the image."),
                               variform::integers("hidden", {256})
                                   .at_least(1)
                                   .doc("Widths of the linear layers after the convolutions."),
                               nn::kActivation, nn::kNormalisationWithSpectral, nn::kGroups, nn::kInput,
                               variform::kCondition}))
