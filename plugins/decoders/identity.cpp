// Decoder `identity`: the latents themselves are the likelihood's parameters.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

namespace nn = variform::nn;

nn::LayerPtr identity_layers(const variform::Build& build) {
  const int64_t values = build.outputs * build.data_size();
  if (values != build.latent)
    throw variform::Error("decoder 'identity' hands on d = " + std::to_string(build.latent) +
                          " latents, but the likelihood needs " + std::to_string(values) +
                          " numbers per example; choose d so that they agree");
  auto layers = std::make_shared<nn::Sequential>();
  layers->append(std::make_shared<nn::Unflatten>(nn::decoded_shape(build)));
  return layers;
}

/// g(z) = z in the data's shape: J = I.
class Identity final : public nn::NetworkDecoder {
 public:
  explicit Identity(const variform::Build& build) : NetworkDecoder(build, identity_layers(build)) {}
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Identity>("identity", "The latents as they are.",
                                                  "no paper; for experiments"))
