// Decoder `mlp`: a multilayer perceptron.

#include <variform/nn/network.h>
#include <variform/plugin.h>

namespace {

namespace nn = variform::nn;

nn::LayerPtr mlp_layers(const variform::Build& build) {
  const nn::Block block = nn::block_of(build);
  auto layers = std::make_shared<nn::Sequential>();
  const int64_t width =
      append_hidden(*layers, build, block, build.latent + condition_of(build), build.integers("hidden"));
  layers->append(make_linear(build, block, width, build.outputs * build.data_size()));
  if (build.data.size() > 1) layers->append(std::make_shared<nn::Unflatten>(nn::decoded_shape(build)));
  start_at_data(*layers, build);
  append_output(*layers, build);
  return layers;
}

/// (Linear → normalisation → activation) for each hidden width → Linear → the data's shape → squashing.
class Mlp final : public nn::NetworkDecoder {
 public:
  explicit Mlp(const variform::Build& build)
      : NetworkDecoder(build, mlp_layers(build), condition_of(build)) {}
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Mlp>(
    "mlp", "Multilayer perceptron.", "Kingma & Welling 2014, appendix C",
    {variform::integers("hidden", {512, 512}).at_least(1).doc("Widths of the hidden layers, first to last."),
     nn::kActivation, nn::kNormalisationWithSpectral, nn::kGroups, nn::kOutput, nn::kInitBias,
     variform::kCondition}))
