// Decoder `linear`: an affine map, with which everything of the theory has a closed form.

#include <variform/nn/network.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace {

namespace nn = variform::nn;

// Starts the constant term of the first output of each data value at the mean of the training data.
void start_at_mean(const nn::Linear& layer, const variform::Build& build) {
  if (!layer.bias().defined())
    throw variform::Error("init_bias = \"data-mean\" expects bias = true; found bias = false");
  const at::NoGradGuard no_grad;
  const at::Tensor mean = build.examples(build.integer("examples")).mean(0).reshape({-1});  // [P]
  layer.bias().slice(0, 0, build.data_size()).copy_(mean);
}

// Sets W row by row, one row per output.
void start_at(const nn::Linear& layer, const std::vector<double>& matrix) {
  const at::Tensor& weight = layer.weight();
  if (static_cast<int64_t>(matrix.size()) != weight.numel())
    throw variform::Error("matrix expects " + std::to_string(weight.size(0)) + " rows of " +
                          std::to_string(weight.size(1)) + " numbers, one row per data value; found " +
                          std::to_string(matrix.size()) + " numbers in all");
  const at::NoGradGuard no_grad;
  weight.copy_(at::tensor(matrix, at::kDouble).view_as(weight));
}

nn::LayerPtr linear_layers(const variform::Build& build) {
  const int64_t values = build.outputs * build.data_size();
  const auto layer =
      std::make_shared<nn::Linear>(build, build.latent + condition_of(build), values, build.flag("bias"));
  if (build.text("init_bias") == "data-mean") start_at_mean(*layer, build);
  if (const std::vector<double> matrix = build.numbers("matrix"); !matrix.empty()) start_at(*layer, matrix);
  auto layers = std::make_shared<nn::Sequential>();
  layers->append(layer);
  if (build.data.size() > 1) layers->append(std::make_shared<nn::Unflatten>(nn::decoded_shape(build)));
  append_output(*layers, build);
  return layers;
}

/// Wz + b: J = W everywhere.
class Linear final : public nn::NetworkDecoder {
 public:
  explicit Linear(const variform::Build& build)
      : NetworkDecoder(build, linear_layers(build), condition_of(build)) {}
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Linear>(
    "linear", "Affine map: probabilistic PCA with a Gaussian likelihood.", "theory §4; Tipping & Bishop 1999",
    {variform::flag("bias", true).doc("Whether there is a trained constant term."),
     variform::text("init_bias", "none")
         .one_of({"none", "data-mean"})
         .doc(
             "Where the constant term starts: as PyTorch's, or at the mean of the training data, its optimum "
             "under a Gaussian likelihood. It is trained either way."),
     variform::integer("examples", 10000)
         .at_least(1)
         .in("rows")
         .doc("How many training rows the mean is taken of."),
     variform::numbers("matrix", {})
         .doc(
             "W row by row, d numbers per data value (and as many as the condition has after "
             "them): where its training starts, or what it is as a generator of data; left out, it is drawn."),
     nn::kOutput, variform::kCondition}))
