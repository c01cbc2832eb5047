// Decoder `conv`: a perceptron, then transposed convolutions that double the image: the mirror of the
// encoder.

#include <variform/nn/network.h>
#include <variform/plugin.h>

namespace {

namespace nn = variform::nn;

// Returns the sides of the image before each halving that the encoder would do, and after the last:
// [layers + 1][height, width].
std::vector<std::array<int64_t, 2>> halvings(const variform::Shape& data, size_t layers) {
  std::vector<std::array<int64_t, 2>> sides{{data[1], data[2]}};
  for (size_t i = 0; i < layers; ++i) sides.push_back({sides[i][0] / 2, sides[i][1] / 2});
  return sides;
}

std::shared_ptr<nn::Sequential> conv_layers(const variform::Build& build,
                                            const std::vector<int64_t>& channels,
                                            const std::vector<int64_t>& hidden, const nn::Block& block) {
  nn::require_halvings(build, channels.size());
  const auto sides = halvings(build.data, channels.size());
  variform::Shape shape{channels.front(), sides.back()[0], sides.back()[1]};

  auto layers = std::make_shared<nn::Sequential>();
  const int64_t width = append_hidden(*layers, build, block, build.latent + condition_of(build), hidden);
  layers->append(make_linear(build, block, width, shape[0] * shape[1] * shape[2]));
  layers->append(std::make_shared<nn::Unflatten>(shape));
  append_block(*layers, build, block, shape);
  for (size_t i = 0; i < channels.size(); ++i) {
    const bool last = i + 1 == channels.size();
    const auto& from = sides[channels.size() - i];
    const auto& to = sides[channels.size() - i - 1];
    const int64_t count = last ? build.outputs * build.data[0] : channels[i + 1];
    layers->append(make_conv_transpose2d(
        build, block, channels[i], count, nn::Convolution{4, 2, 1},
        std::array<int64_t, 2>{to[0] - 2 * from[0],
                               to[1] - 2 * from[1]}));  // the rest that the halving rounded away
    if (!last) append_block(*layers, build, block, {count, to[0], to[1]});
  }
  return layers;
}

/// Hidden layers → Linear → (ConvTranspose2d 4×4, stride 2, padding 1: s → 2s or 2s + 1) for each channel
/// count.
class Conv final : public nn::NetworkDecoder {
 public:
  explicit Conv(const variform::Build& build) : NetworkDecoder(build, layers(build), condition_of(build)) {}

 private:
  static nn::LayerPtr layers(const variform::Build& build) {
    const auto layers =
        conv_layers(build, build.integers("channels"), build.integers("hidden"), nn::block_of(build));
    start_at_data(*layers, build);
    append_output(*layers, build);
    return layers;
  }
};

/// The decoder of Burgess et al. 2018 as Locatello et al. 2019 (table 1) have it: 256 numbers, 64 channels of 4×4, then
/// 64, 32, 32 channels and the image, each doubling the side, all ReLU.
class ConvLocatello final : public nn::NetworkDecoder {
 public:
  explicit ConvLocatello(const variform::Build& build)
      : NetworkDecoder(build, layers(build), condition_of(build)) {}

 private:
  static nn::LayerPtr layers(const variform::Build& build) {
    if (build.data.size() != 3 || build.data[1] != 64 || build.data[2] != 64)
      throw variform::Error("decoder 'conv-locatello' is for images of 64×64; found data " +
                            variform::to_text(build.data) + "; use 'conv'");
    return conv_layers(build, {64, 64, 32, 32}, {256}, {});
  }
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<ConvLocatello>(
        "conv-locatello",
        "The transposed convolutions of the disentanglement literature, for images of 64×64.",
        "Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of Disentangled "
        "Representations, ICML 2019, table 1",
        {variform::kCondition}),
    variform::component<Conv>("conv", "A perceptron and transposed convolutions, for images of any size.",
                              "Radford et al. 2016 (DCGAN)",
                              {variform::integers("channels", {64, 32})
                                   .at_least(1)
                                   .doc("Channels before each doubling of the image."),
                               variform::integers("hidden", {256})
                                   .at_least(1)
                                   .doc("Widths of the linear layers before the convolutions."),
                               nn::kActivation, nn::kNormalisationWithSpectral, nn::kGroups, nn::kOutput,
                               nn::kInitBias, variform::kCondition}))
