#pragma once
// Layers beyond linear maps and elementwise functions: attention, softmax, norms of a part of a row, pooling, sums and
// joins of branches, and any function that somebody writes. All push tangents exactly (dual.h), but for Function, which
// falls back to automatic differentiation. Unless a function says otherwise, the rules of variform/nn/layer.h hold.

#include <variform/nn/dual.h>
#include <variform/nn/layers.h>

#include <functional>

namespace variform {
inline namespace v2 {
namespace nn {

/// torch.nn.Softmax, or LogSoftmax, along a dimension that is counted from the end (−1: the last; −3: an image's
/// channels).
class VARIFORM_API Softmax final : public With<Layer, Push> {
 public:
  /// `logarithm`: of it.
  explicit Softmax(int64_t dim = -1, bool logarithm = false);
  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;

 private:
  int64_t dim_;
  bool logarithm_;
};

/// Multi-head self-attention of tokens, [N, L, width] -> the same shape (Vaswani et al. 2017, §3.2): queries, keys and
/// values are linear maps of the tokens, softmax(q kᵀ/√(width/heads)) v in each head, then a linear map of all heads.
/// No order is known to it: see AddParameter. State: qkv.weight [3 width, width], qkv.bias, out.weight, out.bias.
class VARIFORM_API Attention final : public With<Layer, Push, PythonHelper> {
 public:
  /// `heads` must divide `width`.
  Attention(const Build& build, int64_t width, int64_t heads = 1);
  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;
  std::string python_helper() const override;

 private:
  int64_t width_, heads_;
  std::shared_ptr<Linear> qkv_, out_;
};

/// A trained tensor that is added to every row, such as the positions of tokens. State: value, of that shape, normal
/// with deviation 0.02 at the start.
class VARIFORM_API AddParameter final : public With<Layer, Push, PiecewiseLinear, PythonHelper> {
 public:
  /// Of the shape of the last dimensions of a row; not empty.
  AddParameter(const Build& build, Shape shape);
  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override { return true; }
  std::string python() const override;
  std::string python_helper() const override;

 private:
  Shape shape_;
  Tensor value_;
};

/// torch.nn.RMSNorm over the last dimension. State: weight [width].
class VARIFORM_API RmsNorm final : public With<Layer, Push> {
 public:
  /// For data whose last dimension is `width`.
  RmsNorm(const Build& build, int64_t width);
  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;

 private:
  Tensor weight_;
};

/// x/|x| along a dimension counted from the end, as torch.nn.functional.normalize.
class VARIFORM_API L2Normalise final : public With<Layer, Push, PythonHelper> {
 public:
  /// `dim`: -1 is the last.
  explicit L2Normalise(int64_t dim = -1);
  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;
  std::string python_helper() const override;

 private:
  int64_t dim_;
};

/// torch.nn.AvgPool2d: means of squares of an image, a side of s becomes ⌊(s − kernel)/stride⌋ + 1.
class VARIFORM_API AveragePool2d final : public LinearMap {
 public:
  /// `stride` 0: the kernel's side.
  explicit AveragePool2d(int64_t kernel, int64_t stride = 0);
  Tensor forward(const Tensor& x) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;

 private:
  int64_t kernel_, stride_;
};

/// torch.nn.MaxPool2d; its tangent is that of the largest value, the first one where several are.
class VARIFORM_API MaxPool2d final : public With<Layer, Push, PiecewiseLinear> {
 public:
  /// `stride` 0: the kernel's side.
  explicit MaxPool2d(int64_t kernel, int64_t stride = 0);
  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override { return true; }
  std::string python() const override;

 private:
  int64_t kernel_, stride_;
};

/// torch.nn.PixelShuffle: [C·f², h, w] -> [C, f h, f w].
class VARIFORM_API PixelShuffle final : public With<LinearMap, Isometric> {
 public:
  /// `factor`: f, at least 1.
  explicit PixelShuffle(int64_t factor);
  Tensor forward(const Tensor& x) const override;
  Shape output_shape(const Shape& in) const override;
  bool isometric() const override { return true; }
  std::string python() const override;

 private:
  int64_t factor_;
};

/// Changes the order of a row's dimensions: Permute({1, 2, 0}) takes [channels, height, width] to [height, width,
/// channels].
class VARIFORM_API Permute final : public With<LinearMap, Isometric, PythonHelper> {
 public:
  /// Each dimension of a row once, from 0.
  explicit Permute(std::vector<int64_t> dims);
  Tensor forward(const Tensor& x) const override;
  Shape output_shape(const Shape& in) const override;
  bool isometric() const override { return true; }
  std::string python() const override;
  std::string python_helper() const override;

 private:
  std::vector<int64_t> dims_;
};

/// `length` entries of a row's dimension from `start` on: one part of a split; the dimension is counted from the end.
class VARIFORM_API Narrow final : public With<LinearMap, PythonHelper> {
 public:
  /// `dim`: -1 is the last; `start` from 0.
  Narrow(int64_t dim, int64_t start, int64_t length);
  Tensor forward(const Tensor& x) const override;
  Shape output_shape(const Shape& in) const override;
  std::string python() const override;
  std::string python_helper() const override;

 private:
  int64_t dim_, start_, length_;
};

/// What several layers make of the same data, side by side along a dimension that is counted from the end (−3: an
/// image's channels). A branch that is activation("identity") keeps the data themselves, as skip connections of U-nets
/// do. Children "0", "1", ….
class VARIFORM_API Concatenate final
    : public With<Layer, Push, PiecewiseLinear, RowsIndependent, PythonHelper> {
 public:
  /// At least one branch, none of them null.
  explicit Concatenate(std::vector<LayerPtr> branches, int64_t dim = -1);
  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override;
  bool rows_independent() const override;
  std::string python() const override;
  std::string python_helper() const override;

 private:
  int64_t dim_;
  std::vector<LayerPtr> branches_;
};

/// Any function of rows, written in operations of LibTorch: no push() is needed. Tangents are computed by double
/// backward, which costs about three more passes for every tangent and keeps the memory of all of them; a training says
/// so before its first step. Without parameters: derive from Layer for a function with a state.
class VARIFORM_API Function final : public Layer {
 public:
  /// A function of x [N, …] that treats each row by itself, and what it makes of one row's shape. `python`: its PyTorch
  /// counterpart, for `export`.
  Function(std::function<Tensor(const Tensor& x)> function,
           std::function<Shape(const Shape& in)> output_shape, std::string python = {});
  Tensor forward(const Tensor& x) const override;
  Shape output_shape(const Shape& in) const override;
  /// Throws Unsupported when no counterpart was given.
  std::string python() const override;

 private:
  std::function<Tensor(const Tensor& x)> function_;
  std::function<Shape(const Shape& in)> shape_;
  std::string python_;
};

}  // namespace nn
}  // namespace v2
}  // namespace variform
