#pragma once
// Layers that carry tangents: beside forward(), each knows its own Jacobian–vector product. A decoder made of
// them has an exact pushforward for the price of the products alone, and each layer states its PyTorch
// counterpart for `export`.

#include <variform/decoder.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace variform {
inline namespace v1 {
namespace nn {

/// What the default of Layer::push is called, with the layer's class behind it, where LibTorch's profiler or another
/// observer of its user scopes looks.
inline constexpr const char* kPushFallback = "variform::nn::Layer::push by double backward: ";

/// A differentiable map of a batch of rows. State is named tensors, named as in the PyTorch counterpart.
/// Everything here is plain differentiable operations: no .item(), no host decisions on data, no global
/// generator.
class VARIFORM_API Layer : public torch::nn::Module {
 public:
  ~Layer() override;

  /// x [N, …] -> [N, …].
  virtual Tensor forward(const Tensor& x) const = 0;

  /// T tangents beside one primal pass: x [N, …], v [T, N, …] -> g = forward(x) [N, …] and jv [T, N, …], the
  /// Jacobian at x applied to v. Differentiable in x, v and the parameters: gradients of a loss on jv are
  /// right. A direction that is the same for all rows may be given with stride 0 along N: the first product
  /// is then skipped. Default: double backward through forward(), for rows that do not interact: right for any function, at
  /// about three more passes for every tangent and the memory of all of them; a training says so before its first step.
  virtual Pushed push(const Tensor& x, const Tensor& v) const;

  /// One datum's shape in -> out, without N. Throws Error when `in` does not fit.
  virtual Shape output_shape(const Shape& in) const = 0;

  /// True when forward() is piecewise linear in x, so that its second derivative is zero almost everywhere.
  virtual bool piecewise_linear() const { return false; }
  /// False when rows of a batch interact.
  virtual bool samplewise() const { return true; }

  /// The constructor expression of the PyTorch counterpart, whose state dict has the same names and shapes:
  /// "torch.nn.Linear(16, 512)". May span lines.
  virtual std::string python() const = 0;
  /// The source of a helper class that python() refers to; empty when it names classes of torch only.
  virtual std::string python_helper() const { return {}; }

  /// push() and the inner products of its tangents: x [N, …], v [T, N, …] -> g [N, …], gram [N, T, T]. Default: from
  /// jv. A linear layer has a shorter way when tangents are many, v(WᵀW)vᵀ: the same to rounding, without jv.
  virtual PushedGram push_gram(const Tensor& x, const Tensor& v) const;

  /// f'(x) [N, …], differentiable, of a layer y = f(x) that acts on every value by itself; empty for all others.
  virtual std::optional<Tensor> slope(const Tensor& x, const Tensor& y) const;

  /// True when forward() leaves values as they are or only rearranges them, so that it keeps inner products.
  virtual bool isometric() const { return false; }
};

/// Layers are shared: a network and whoever built it may both hold one.
using LayerPtr = std::shared_ptr<Layer>;

/// [T, N, …] -> [T·N, …]: the way to push all tangents through one product.
VARIFORM_API Tensor fold(const Tensor& v);
/// [T·N, …] -> [T, N, …], the inverse of fold().
VARIFORM_API Tensor unfold(const Tensor& folded, int64_t tangents);

/// A layer that is linear in x without a constant term, so that tangents pass as rows do.
class VARIFORM_API LinearMap : public Layer {
 public:
  ~LinearMap() override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  bool piecewise_linear() const override { return true; }
};

/// Layers one after another, children named "0", "1", … as in torch.nn.Sequential.
class VARIFORM_API Sequential final : public Layer {
 public:
  /// Layers in the order in which data pass; none of them null, none twice.
  explicit Sequential(std::vector<LayerPtr> layers = {});
  /// Appends a layer; the same layer may not be added twice.
  void append(LayerPtr layer);
  /// The layers, in order.
  const std::vector<LayerPtr>& layers() const { return layers_; }

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  PushedGram push_gram(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override;
  bool samplewise() const override;
  std::string python() const override;

 private:
  std::vector<LayerPtr> layers_;
};

/// shortcut(x) + inner(x); the shortcut is the identity when not given. Children "inner" and "shortcut".
class VARIFORM_API Residual final : public Layer {
 public:
  /// Throws Error without an inner layer; that shapes agree is checked by output_shape().
  explicit Residual(LayerPtr inner, LayerPtr shortcut = nullptr);

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override;
  bool samplewise() const override;
  std::string python() const override;
  std::string python_helper() const override;

 private:
  LayerPtr inner_, shortcut_;
};

}  // namespace nn
}  // namespace v1
}  // namespace variform
