#pragma once
// Encoders and decoders that are one network of variform/nn layers, and the PyTorch source of such a network. Unless a
// function says otherwise, the rules of variform/nn/layer.h hold.

#include <variform/encoder.h>
#include <variform/ext/condition.h>
#include <variform/nn/activation.h>
#include <variform/nn/attention.h>
#include <variform/nn/layers.h>

#include <optional>
#include <string>
#include <vector>

namespace variform {
inline namespace v2 {
namespace nn {

/// An encoder that is `network`, registered as "network". The network takes [B, data…] to [B, outputs]; conditioned on
/// c numbers it takes [B, P + c], the flattened data and after them the condition.
class VARIFORM_API NetworkEncoder : public With<Encoder, MadeOfLayers, Conditioned> {
 public:
  /// Conditioned on `condition` numbers per row (see condition_of()), or on none. Throws Error when the network's
  /// output shape for such an input is not [outputs].
  NetworkEncoder(const Build& build, LayerPtr network, int64_t condition = 0);
  ~NetworkEncoder() override;
  Tensor encode(const Tensor& x, const Context& context) override;
  const Layer* network() const override { return network_.get(); }
  bool is_conditioned() const override { return condition_ > 0; }

 private:
  LayerPtr network_;
  int64_t condition_;
};

/// A decoder that is `network`, registered as "network": its pushforward and its pullback metric are the layers' own.
/// The network takes [N, d] to [N, outputs·data[0], data[1]…]; conditioned on c numbers it takes [N, d + c], the
/// latents and after them the condition, and tangents are those of the latents. A decoder with another pushforward
/// derives from Decoder.
class VARIFORM_API NetworkDecoder : public With<Decoder, Pushforward, PullbackMetric, PiecewiseLinear,
                                                RowsIndependent, MadeOfLayers, Conditioned> {
 public:
  /// Conditioned on `condition` numbers per row (see condition_of()), or on none. Throws Error when the network's
  /// output shape for such an input is not that.
  NetworkDecoder(const Build& build, LayerPtr network, int64_t condition = 0);
  ~NetworkDecoder() override;
  Tensor decode(const Tensor& z, const Context& context) override;
  Pushed pushforward(const Tensor& z, const Tensor& v, const Context& context) final;
  Pullback pullback_metric(const Tensor& z, const Tensor& v, const Context& context) final;
  PushforwardTier pushforward_tier() const final { return PushforwardTier::kLayers; }
  bool rows_independent() const override { return network_->rows_independent(); }
  bool piecewise_linear() const override { return network_->piecewise_linear(); }
  const Layer* network() const override { return network_.get(); }
  bool is_conditioned() const override { return condition_ > 0; }

 private:
  LayerPtr network_;
  int64_t condition_;
};

/// What the stock networks put between their linear maps: `activation` a name of activation(),
/// `normalisation` one of "none", "layer", "group", "spectral".
struct Block {
  std::string activation = "relu";     ///< a name that activation() knows
  std::string normalisation = "none";  ///< "none", "layer", "group" or "spectral"
  int64_t groups = 8;                  ///< of "group"; must divide every width
};

/// A Block's activation, for a component's schema.
inline constexpr Parameter kActivation = text("activation", "relu")
                                             .one_of({"relu", "leaky-relu", "leaky-relu-0.2", "elu", "silu",
                                                      "gelu", "softplus", "tanh", "sigmoid", "identity"})
                                             .doc("Nonlinearity after each hidden layer.");
/// A Block's normalisation, for the schema of a component that makes linear maps of its own.
inline constexpr Parameter kNormalisation = text("normalisation", "none")
                                                .one_of({"none", "layer", "group"})
                                                .doc(
                                                    "Normalisation before each nonlinearity: over an example "
                                                    "(layer) or over groups of channels (group).");
/// A Block's normalisation, for the schema of a component whose linear maps are all made by make_linear() and
/// its siblings, append_hidden() and residual_block().
inline constexpr Parameter kNormalisationWithSpectral =
    text("normalisation", "none")
        .one_of({"none", "layer", "group", "spectral"})
        .doc(
            "Normalisation before each nonlinearity, over an example (layer) or over groups of channels "
            "(group); or of every weight of the network, the last one, too, by its largest singular value "
            "(spectral).");
/// A Block's groups, for a component's schema.
inline constexpr Parameter kGroups =
    integer("groups", 8).at_least(1).doc("Groups of the normalisation \"group\"; must divide every width.");
/// The Block that the parameters kActivation, kNormalisation (or kNormalisationWithSpectral) and kGroups describe.
VARIFORM_API Block block_of(const Build& build);

/// What an encoder does to the data before its network, for its schema; append_input() appends it. Left empty it is no
/// part of a resolved config.
inline constexpr Parameter kInput =
    text("input", "")
        .one_of({"", "log1p"})
        .doc(
            "What is done to the data before the network: nothing when empty; sign(x) log(1 + |x|) for "
            "\"log1p\", for counts and other values of many magnitudes.");
/// Appends the map that kInput names, if any. Of the joined input of an encoder that is conditioned on `condition`
/// numbers it changes the data alone.
VARIFORM_API void append_input(Sequential& network, const Build& build, int64_t condition = 0);
/// Appends what brings an encoder's joined input [N, P + c] to [N, channels + c, height, width] for convolutions;
/// nothing when `condition` is 0. Returns the shape of one row behind it. Build::data must be images.
VARIFORM_API Shape append_planes(Sequential& network, const Build& build, int64_t condition);

/// A decoder's last nonlinearity, for its schema; append_output() appends it.
inline constexpr Parameter kOutput =
    text("output", "none")
        .one_of({"none", "sigmoid"})
        .doc(
            "Squashing of the decoder's output: none when the likelihood expects logits or any real number.");
/// Appends the nonlinearity that kOutput names, if any. Throws Error when the likelihood has several outputs a value,
/// or takes them for logits or log-rates: when the means of squashed outputs do not reach from about 0 to about 1.
VARIFORM_API void append_output(Sequential& network, const Build& build);

/// Where the constant terms of a decoder's last layer start, for its schema; start_at_data() sets them. Left empty it
/// is no part of a resolved config.
inline constexpr Parameter kInitBias =
    text("init_bias", "")
        .one_of({"", "data"})
        .doc(
            "Where the last layer's constant terms start: at random when empty; for \"data\" where the first "
            "512 training data are likeliest for outputs that do not depend on z, such as the logarithm of "
            "the mean count for a Poisson's log-rate.");
/// Does so for the last constant terms of a network that has no output nonlinearity yet. Throws Error where the
/// likelihood has several outputs a value, or the output is squashed.
VARIFORM_API void start_at_data(Sequential& network, const Build& build);

/// A Linear, spectrally normalised when that is the Block's normalisation.
VARIFORM_API LayerPtr make_linear(const Build& build, const Block& block, int64_t in, int64_t out,
                                  bool bias = true);
/// A Conv2d, spectrally normalised when that is the Block's normalisation.
VARIFORM_API LayerPtr make_conv2d(const Build& build, const Block& block, int64_t in, int64_t out,
                                  const Convolution& options);
/// A ConvTranspose2d, spectrally normalised when that is the Block's normalisation.
VARIFORM_API LayerPtr make_conv_transpose2d(const Build& build, const Block& block, int64_t in, int64_t out,
                                            const Convolution& options,
                                            std::array<int64_t, 2> output_padding = {0, 0});
/// Appends normalisation (nothing for "spectral", which is of the linear maps) and activation for data of the
/// given shape ([P] or [channels, height, width]).
VARIFORM_API void append_block(Sequential& network, const Build& build, const Block& block,
                               const Shape& shape);
/// Appends make_linear() → normalisation → activation for each hidden width, starting at `in`; returns the last
/// width.
VARIFORM_API int64_t append_hidden(Sequential& network, const Build& build, const Block& block, int64_t in,
                                   const std::vector<int64_t>& hidden);
/// x + conv(act(norm(conv(act(norm(x)))))), 3×3 convolutions by make_conv2d() on images of the given shape (He et al.
/// 2016, identity mappings).
VARIFORM_API LayerPtr residual_block(const Build& build, const Block& block, const Shape& shape);
/// Throws Error unless Build::data is [channels, height, width] and its sides can be halved `layers` times.
VARIFORM_API void require_halvings(const Build& build, size_t layers);
/// What a decoder returns for one latent: [outputs·data[0], data[1]…].
VARIFORM_API Shape decoded_shape(const Build& build);

/// The complete source of a Python module with one torch.nn.Module, `class_name`, whose state dict is that of a
/// component whose child `attribute` is `network`. Needs torch only. The module of a conditioned component is called
/// with the input and the condition.
VARIFORM_API std::string python_module(const Layer& network, const std::string& class_name,
                                       const std::string& attribute = "network", bool is_conditioned = false);

}  // namespace nn
}  // namespace v2
}  // namespace variform
