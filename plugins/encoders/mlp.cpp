// Encoder `mlp`: a multilayer perceptron on flattened data.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include "output.h"

namespace {

namespace nn = variform::nn;

nn::LayerPtr mlp_layers(const variform::Build& build) {
  const int64_t condition = condition_of(build);
  const nn::Block block = nn::block_of(build);
  auto layers = std::make_shared<nn::Sequential>();
  append_input(*layers, build, condition);
  if (build.data.size() > 1 && condition == 0) layers->append(std::make_shared<nn::Flatten>());
  const int64_t width =
      append_hidden(*layers, build, block, build.data_size() + condition, build.integers("hidden"));
  layers->append(variform::make_output(build, block, width));
  return layers;
}

/// Flatten → (Linear → normalisation → activation) for each hidden width → Linear.
class Mlp final : public nn::NetworkEncoder {
 public:
  explicit Mlp(const variform::Build& build)
      : NetworkEncoder(build, mlp_layers(build), condition_of(build)) {}
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Mlp>(
    "mlp", "Multilayer perceptron on flattened data.", "Kingma & Welling 2014, appendix C",
    {variform::integers("hidden", {512, 512}).at_least(1).doc("Widths of the hidden layers, first to last."),
     nn::kActivation, nn::kNormalisationWithSpectral, nn::kGroups, nn::kInput, variform::kCondition}))
