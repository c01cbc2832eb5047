#pragma once
// Linear and convolutional layers, normalisations and changes of shape. Parameters have PyTorch's names, shapes and
// default distributions (uniform within ±1/√fan_in), drawn from Build::rng in float64 and then rounded, so that models
// of either precision start alike. Unless a function says otherwise, the rules of variform/nn/layer.h hold.

#include <variform/nn/layer.h>

#include <array>
#include <functional>

namespace variform {
inline namespace v2 {
namespace nn {

/// y = x Wᵀ + b on the last dimension. State: weight [out, in], bias [out].
class VARIFORM_API Linear final : public With<Layer, Push, PushMetric, PiecewiseLinear> {
 public:
  /// From `in` to `out` numbers, both at least 1; without b when `bias` is false.
  Linear(const Build& build, int64_t in, int64_t out, bool bias = true);

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Pullback push_metric(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override { return true; }
  std::string python() const override;

  const Tensor& weight() const { return weight_; }  ///< W [out, in]
  const Tensor& bias() const { return bias_; }      ///< b [out]; undefined when there is none

 private:
  friend class SpectralNorm;
  static Tensor apply(const Tensor& x, const Tensor& weight, const Tensor& bias);
  Tensor weight_, bias_;
};

/// A square kernel moved by `stride` over images padded with zeros.
struct Convolution {
  int64_t kernel = 3;   ///< its side, in pixels
  int64_t stride = 1;   ///< pixels from one place to the next
  int64_t padding = 0;  ///< rows and columns of zeros on each side
  bool bias = true;     ///< a constant for each output channel
};

/// Cross-correlation, as torch.nn.Conv2d: a side of s becomes ⌊(s + 2·padding − kernel)/stride⌋ + 1.
class VARIFORM_API Conv2d final : public With<Layer, Push, PiecewiseLinear> {
 public:
  /// From `in` to `out` channels. State: weight [out, in, kernel, kernel], bias [out].
  Conv2d(const Build& build, int64_t in, int64_t out, const Convolution& options);

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override { return true; }
  std::string python() const override;

 private:
  friend class SpectralNorm;
  Tensor apply(const Tensor& x, const Tensor& bias) const;
  Tensor apply(const Tensor& x, const Tensor& weight, const Tensor& bias) const;
  Convolution options_;
  Tensor weight_, bias_;
};

/// The transpose of a Conv2d, as torch.nn.ConvTranspose2d: a side of s becomes
/// (s − 1)·stride − 2·padding + kernel + output_padding. Output padding [height, width] undoes the rounding
/// of Conv2d.
class VARIFORM_API ConvTranspose2d final : public With<Layer, Push, PiecewiseLinear> {
 public:
  /// From `in` to `out` channels; an output padding below the stride. State: weight [in, out, kernel, kernel],
  /// bias [out].
  ConvTranspose2d(const Build& build, int64_t in, int64_t out, const Convolution& options,
                  std::array<int64_t, 2> output_padding = {0, 0});

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override { return true; }
  std::string python() const override;

 private:
  friend class SpectralNorm;
  Tensor apply(const Tensor& x, const Tensor& bias) const;
  Tensor apply(const Tensor& x, const Tensor& weight, const Tensor& bias) const;
  Convolution options_;
  std::array<int64_t, 2> output_padding_;
  Tensor weight_, bias_;
};

/// A linear or convolutional layer whose weight W is divided by an estimate σ of its largest singular value
/// (spectral normalisation, Miyato et al. 2018), as torch.nn.utils.parametrizations.spectral_norm:
/// y = (W/σ)x + b. W is taken as a matrix of one row for each output or output channel, [out, …]: for images
/// that is not the norm of the map, which can be larger, up to `kernel` times.
///
/// σ = uᵀWv with unit vectors u, v, which are buffers and no functions of W: gradients hold them fixed. One
/// power iteration v → u = Wv/|Wv|, v = Wᵀu/|Wᵀu| moves them in each training step (Model::step ≥ 0), when the
/// layer is first used in training mode; within a step, in evaluation mode, outside a training, and without
/// Build::model they stay, so that all that a step computes is of one network. They start near W's own, from a
/// draw of Build::rng. State: bias, parametrizations.weight.original (W), parametrizations.weight.0._u and
/// ._v.
class VARIFORM_API SpectralNorm final : public With<Layer, Push, PiecewiseLinear> {
 public:
  /// Normalises that layer and takes its parameters over: it is not to be used by itself any more.
  SpectralNorm(const Build& build, std::shared_ptr<Linear> layer);
  /// The same of a convolution.
  SpectralNorm(const Build& build, std::shared_ptr<Conv2d> layer);
  /// The same of a transposed convolution.
  SpectralNorm(const Build& build, std::shared_ptr<ConvTranspose2d> layer);

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override { return true; }
  std::string python() const override;

  /// σ, 0-dim; differentiable in W.
  Tensor norm() const;

 private:
  using Apply = std::function<Tensor(const Tensor& x, const Tensor& weight, const Tensor& bias)>;
  SpectralNorm(const Build& build, LayerPtr layer, Apply apply, int64_t output_dimension);
  Tensor matrix() const;
  Tensor normalised() const;
  void move() const;

  LayerPtr layer_;
  Apply apply_;
  int64_t output_dimension_;
  Tensor weight_, bias_, u_, v_;
  const Model* model_;
  mutable int64_t moved_in_ = -1;
};

/// torch.nn.LayerNorm over the last dimensions of a row, which have the given shape (all of them, or a token's width),
/// composed of elementary operations: LibTorch's fused kernel gives silently wrong gradients of losses on its tangents.
/// State: weight, bias of that shape.
class VARIFORM_API LayerNorm final : public With<Layer, Push> {
 public:
  /// For data whose shape ends in that one; not empty.
  LayerNorm(const Build& build, Shape shape);

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;

 private:
  Shape shape_;
  Tensor weight_, bias_;
};

/// torch.nn.GroupNorm: [N, channels, …] normalised within each of `groups` groups of channels. State: weight,
/// bias [channels]. One group is the layer normalisation of images, as many as channels the instance normalisation.
class VARIFORM_API GroupNorm final : public With<Layer, Push> {
 public:
  /// `groups` must divide `channels`.
  GroupNorm(const Build& build, int64_t groups, int64_t channels);

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;

 private:
  int64_t groups_;
  Tensor weight_, bias_;
};

/// [N, …] -> [N, P].
class VARIFORM_API Flatten final : public With<LinearMap, Isometric> {
 public:
  Tensor forward(const Tensor& x) const override;
  Shape output_shape(const Shape& in) const override;
  bool isometric() const override { return true; }
  std::string python() const override;
};

/// [N, P] -> [N, shape…].
class VARIFORM_API Unflatten final : public With<LinearMap, Isometric> {
 public:
  /// To data of that shape.
  explicit Unflatten(Shape shape);
  Tensor forward(const Tensor& x) const override;
  Shape output_shape(const Shape& in) const override;
  bool isometric() const override { return true; }
  std::string python() const override;

 private:
  Shape shape_;
};

/// Images [N, C, h, w] -> [N, C, height, width], torch.nn.Upsample of that size (bilinear: corners not
/// aligned).
class VARIFORM_API Upsample final : public LinearMap {
 public:
  /// How values between pixels come about.
  enum class Mode { kNearest, kBilinear };
  /// To images of that size, in pixels.
  Upsample(int64_t height, int64_t width, Mode mode = Mode::kNearest);
  Tensor forward(const Tensor& x) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;

 private:
  Shape size_;
  Mode mode_;
};

}  // namespace nn
}  // namespace v2
}  // namespace variform
