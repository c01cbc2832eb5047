// Decoder `resnet`: residual convolutions between doublings of the image.

#include <variform/nn/network.h>
#include <variform/plugin.h>

namespace {

namespace nn = variform::nn;

nn::LayerPtr resnet_layers(const variform::Build& build) {
  const std::vector<int64_t> channels = build.integers("channels");
  nn::require_halvings(build, channels.size());
  const nn::Block block = nn::block_of(build);
  std::vector<std::array<int64_t, 2>> sides{{build.data[1], build.data[2]}};  // from the image down
  for (size_t i = 0; i < channels.size(); ++i) sides.push_back({sides[i][0] / 2, sides[i][1] / 2});
  variform::Shape shape{channels.front(), sides.back()[0], sides.back()[1]};

  auto layers = std::make_shared<nn::Sequential>();
  const int64_t width =
      append_hidden(*layers, build, block, build.latent + condition_of(build), build.integers("hidden"));
  layers->append(make_linear(build, block, width, shape[0] * shape[1] * shape[2]));
  layers->append(std::make_shared<nn::Unflatten>(shape));
  for (size_t i = 0; i < channels.size(); ++i) {
    for (int64_t k = 0; k < build.integer("blocks"); ++k) layers->append(residual_block(build, block, shape));
    append_block(*layers, build, block, shape);
    const auto& to = sides[channels.size() - i - 1];
    const int64_t count = i + 1 == channels.size() ? build.outputs * build.data[0] : channels[i + 1];
    layers->append(make_conv_transpose2d(
        build, block, channels[i], count, nn::Convolution{4, 2, 1},
        std::array<int64_t, 2>{to[0] - 2 * shape[1],
                               to[1] - 2 * shape[2]}));  // the rest that the halving rounded away
    shape = {count, to[0], to[1]};
  }
  start_at_data(*layers, build);
  append_output(*layers, build);
  return layers;
}

/// Perceptron → (residual blocks → transposed convolution that doubles the image) for each number of channels.
class Resnet final : public nn::NetworkDecoder {
 public:
  explicit Resnet(const variform::Build& build)
      : NetworkDecoder(build, resnet_layers(build), condition_of(build)) {}
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Resnet>(
    "resnet", "A perceptron, and residual convolutions between doublings of the image.",
    "He et al., Identity Mappings in Deep Residual Networks, ECCV 2016",
    {variform::integers("channels", {64, 32}).at_least(1).doc("Channels before each doubling of the image."),
     variform::integer("blocks", 1)
         .at_least(1)
         .doc("Residual blocks, of two convolutions each, before each doubling."),
     variform::integers("hidden", {256})
         .at_least(1)
         .doc("Widths of the linear layers before the convolutions."),
     nn::kActivation, nn::kNormalisationWithSpectral, nn::kGroups, nn::kOutput, nn::kInitBias,
     variform::kCondition}))
