// Decoder `mlp`: a multilayer perceptron.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace {

namespace nn = variform::nn;

// Makes every weight matrix one with orthonormal rows or columns, whichever are fewer, uniformly distributed (Haar): Q
// of a Gaussian matrix, with the signs that make R's diagonal positive. A square layer is badly conditioned without it.
void start_orthogonal(nn::Sequential& layers, const variform::Build& build) {
  const at::NoGradGuard no_grad;
  for (variform::Tensor& weight : layers.parameters()) {
    if (weight.dim() != 2) continue;
    const bool wide = weight.size(0) < weight.size(1);
    const auto gaussian = at::randn({weight.size(wide ? 1 : 0), weight.size(wide ? 0 : 1)}, build.rng,
                                    build.options.dtype(at::kDouble));
    const auto [q, r] = at::linalg_qr(gaussian);
    const variform::Tensor orthonormal = q * r.diagonal().sign();
    weight.copy_(wide ? orthonormal.t() : orthonormal);
  }
}

nn::LayerPtr mlp_layers(const variform::Build& build) {
  const nn::Block block = nn::block_of(build);
  auto layers = std::make_shared<nn::Sequential>();
  const int64_t width =
      append_hidden(*layers, build, block, build.latent + condition_of(build), build.integers("hidden"));
  layers->append(make_linear(build, block, width, build.outputs * build.data_size()));
  if (build.data.size() > 1) layers->append(std::make_shared<nn::Unflatten>(nn::decoded_shape(build)));
  if (build.text("start") == "orthogonal") start_orthogonal(*layers, build);
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
     variform::kCondition,
     variform::text("start", "")
         .one_of({"", "orthogonal"})
         .added_later()
         .doc(
             "Where the weights start: uniformly within ±1/√(their inputs) when empty; as matrices with orthonormal rows "
             "or columns for \"orthogonal\" (Saxe et al. 2014).")}))
