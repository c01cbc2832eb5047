// Networks whose linear maps are spectrally normalised: an encoder and a decoder of convolutions by the Block, and a
// decoder that makes the layer itself.

#include <variform/nn/network.h>
#include <variform/plugin.h>

namespace {

using variform::Build;
namespace nn = variform::nn;

nn::LayerPtr down(const Build& build) {
  const nn::Block block = nn::block_of(build);
  auto network = std::make_shared<nn::Sequential>();
  const auto halving = nn::make_conv2d(build, block, build.data[0], 4, nn::Convolution{4, 2, 1});
  const variform::Shape shape = halving->output_shape(build.data);
  network->append(halving);
  nn::append_block(*network, build, block, shape);
  network->append(std::make_shared<nn::Flatten>());
  network->append(nn::make_linear(build, block, shape[0] * shape[1] * shape[2], build.outputs));
  return network;
}

nn::LayerPtr up(const Build& build) {
  const nn::Block block = nn::block_of(build);
  const int64_t height = build.data[1] / 2, width = build.data[2] / 2;
  auto network = std::make_shared<nn::Sequential>();
  network->append(nn::make_linear(build, block, build.latent, 4 * height * width));
  network->append(std::make_shared<nn::Unflatten>(variform::Shape{4, height, width}));
  nn::append_block(*network, build, block, {4, height, width});
  network->append(nn::make_conv_transpose2d(build, block, 4, build.outputs * build.data[0],
                                            nn::Convolution{4, 2, 1},
                                            {build.data[1] % 2, build.data[2] % 2}));
  return network;
}

void require_image(const Build& build) {
  if (build.data.size() != 3 || build.data[1] < 2 || build.data[2] < 2)
    throw variform::Error("expects images of at least 2×2; found data " + variform::to_text(build.data));
}

class Halving final : public nn::NetworkEncoder {
 public:
  explicit Halving(const Build& build) : NetworkEncoder(build, (require_image(build), down(build))) {}
};

class Doubling final : public nn::NetworkDecoder {
 public:
  explicit Doubling(const Build& build) : NetworkDecoder(build, (require_image(build), up(build))) {}
};

nn::LayerPtr isometric(const Build& build) {
  const auto linear = std::make_shared<nn::Linear>(build, build.latent, build.outputs * build.data_size());
  auto network = std::make_shared<nn::Sequential>();
  network->append(std::make_shared<nn::SpectralNorm>(build, linear));
  network->append(std::make_shared<nn::Unflatten>(nn::decoded_shape(build)));
  return network;
}

/// An affine map that stretches no latent.
class Affine final : public nn::NetworkDecoder {
 public:
  explicit Affine(const Build& build) : NetworkDecoder(build, isometric(build)) {}
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Halving>("source-halving", "One convolution and one linear map.",
                                             "Miyato et al. 2018",
                                             {nn::kActivation, nn::kNormalisationWithSpectral, nn::kGroups}),
                variform::component<Doubling>("source-doubling",
                                              "One linear map and one transposed convolution.",
                                              "Miyato et al. 2018",
                                              {nn::kActivation, nn::kNormalisationWithSpectral, nn::kGroups}),
                variform::component<Affine>("source-short", "An affine map of spectral norm 1.",
                                            "Miyato et al. 2018"))
