// Encoder `resnet`: residual convolutions between halvings of the image.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include "output.h"

namespace {

namespace nn = variform::nn;

nn::LayerPtr resnet_layers(const variform::Build& build) {
  const std::vector<int64_t> channels = build.integers("channels");
  nn::require_halvings(build, channels.size());
  const nn::Block block = nn::block_of(build);
  auto layers = std::make_shared<nn::Sequential>();
  const int64_t condition = condition_of(build);
  append_input(*layers, build, condition);
  variform::Shape shape = append_planes(*layers, build, condition);
  for (int64_t count : channels) {
    const auto halving = make_conv2d(build, block, shape[0], count, nn::Convolution{4, 2, 1});
    shape = halving->output_shape(shape);
    layers->append(halving);
    for (int64_t i = 0; i < build.integer("blocks"); ++i) layers->append(residual_block(build, block, shape));
  }
  append_block(*layers, build, block, shape);
  layers->append(std::make_shared<nn::Flatten>());
  const int64_t width =
      append_hidden(*layers, build, block, shape[0] * shape[1] * shape[2], build.integers("hidden"));
  layers->append(variform::make_output(build, block, width));
  return layers;
}

/// (Convolution that halves the image → residual blocks) for each number of channels → perceptron.
class Resnet final : public nn::NetworkEncoder {
 public:
  explicit Resnet(const variform::Build& build)
      : NetworkEncoder(build, resnet_layers(build), condition_of(build)) {}
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Resnet>(
    "resnet", "Residual convolutions between halvings of the image, and a perceptron.",
    "He et al., Identity Mappings in Deep Residual Networks, ECCV 2016",
    {variform::integers("channels", {32, 64}).at_least(1).doc("Channels after each halving of the image."),
     variform::integer("blocks", 1)
         .at_least(1)
         .doc("Residual blocks, of two convolutions each, after each halving."),
     variform::integers("hidden", {256})
         .at_least(1)
         .doc("Widths of the linear layers after the convolutions."),
     nn::kActivation, nn::kNormalisationWithSpectral, nn::kGroups, nn::kInput, variform::kCondition}))
