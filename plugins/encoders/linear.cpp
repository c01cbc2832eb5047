// Encoder `linear`: an affine map of flattened data, the exact encoder of probabilistic PCA.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include "output.h"

namespace {

namespace nn = variform::nn;

nn::LayerPtr linear_layers(const variform::Build& build) {
  const int64_t condition = condition_of(build);
  auto layers = std::make_shared<nn::Sequential>();
  append_input(*layers, build, condition);
  if (build.data.size() > 1 && condition == 0) layers->append(std::make_shared<nn::Flatten>());
  layers->append(
      variform::make_output(build, nn::Block{}, build.data_size() + condition, build.flag("bias")));
  return layers;
}

/// Wx + b.
class Linear final : public nn::NetworkEncoder {
 public:
  explicit Linear(const variform::Build& build)
      : NetworkEncoder(build, linear_layers(build), condition_of(build)) {}
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Linear>("linear", "Affine map of flattened data.",
                                "theory §4: exact for a linear decoder with Gaussian likelihood",
                                {variform::flag("bias", true).doc("Whether there is a constant term."),
                                 nn::kInput, variform::kCondition}))
