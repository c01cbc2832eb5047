#pragma once
// Layers that carry tangents: beside forward(), each knows its own Jacobian–vector product. A decoder made of them has
// an exact pushforward for the price of the products alone, and each layer states its PyTorch counterpart for `export`.
// Unless a function says otherwise, the rules of variform/component.h hold; dtype: x's, or bfloat16 under mixed
// precision, where autocast surrounds the network; device: x's; calls: any number of times per step; thread: any,
// several at once in evaluation mode; errors: throws Error for sizes that do not fit, constructors first; source:
// torch.nn's of that name, theory §1 for tangents.

#include <variform/ext/decoder.h>
#include <variform/ext/network.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace variform {
inline namespace v2 {
namespace nn {

/// What the default of Layer::push is called, with the layer's class behind it, where LibTorch's profiler or another
/// observer of its user scopes looks.
inline constexpr const char* kPushFallback = "variform::nn::Layer::push by double backward: ";

/// A differentiable map of a batch of rows. State is named tensors, named as in the PyTorch counterpart.
/// Everything here is plain differentiable operations: no .item(), no host decisions on data, no global
/// generator. Abilities: those below, PiecewiseLinear and RowsIndependent.
class VARIFORM_API Layer : public torch::nn::Module {
 public:
  ~Layer() override;

  /// x [N, …] -> [N, …], N ≥ 0.
  virtual Tensor forward(const Tensor& x) const = 0;
  /// One row's shape in -> out, without N. Throws Error when `in` does not fit.
  virtual Shape output_shape(const Shape& in) const = 0;
  /// The constructor expression of the PyTorch counterpart, whose state dict has the same names and shapes:
  /// "torch.nn.Linear(16, 512)". May span lines.
  virtual std::string python() const = 0;
  /// The ability of that name, or nullptr; as Component::ability().
  virtual const void* ability(std::string_view id) const;

  /// T tangents beside one primal pass: x [N, …], v [T, N, …] -> g = forward(x) [N, …] and jv [T, N, …], the Jacobian
  /// at x applied to v. Differentiable in x, v and the parameters: gradients of a loss on jv are right. A direction
  /// that is the same for all rows may be given with stride 0 along N: the first product is then skipped. By the
  /// ability Push; without it by double backward through forward(), for rows that do not interact: right for any
  /// function, at about three more passes for every tangent and the memory of all of them; a training says so before
  /// its first step.
  Pushed push(const Tensor& x, const Tensor& v) const;
  /// push() and the inner products of its tangents: x [N, …], v [T, N, …] -> g [N, …], metric [N, T, T]. By the ability
  /// PushMetric; without it from jv.
  Pullback push_metric(const Tensor& x, const Tensor& v) const;
  /// f'(x) [N, …], for x and y [N, …], of a layer y = f(x) that acts on every value by itself, by the ability
  /// Elementwise; empty for all others.
  std::optional<Tensor> slope(const Tensor& x, const Tensor& y) const;
  /// True when forward() leaves values as they are or only rearranges them (ability Isometric).
  bool isometric() const;
  /// True when forward() is piecewise linear in x (ability PiecewiseLinear), so that its second derivative is zero
  /// almost everywhere.
  bool piecewise_linear() const;
  /// False when rows of a batch interact (ability RowsIndependent).
  bool rows_independent() const;
  /// The source of a helper class that python() refers to (ability PythonHelper); empty when it names classes of torch
  /// only.
  std::string python_helper() const;
};

/// A layer that pushes tangents by its own formula.
class Push {
 public:
  static constexpr std::string_view kId = "variform.nn.push/1";  ///< its name
  /// The rule of Layer::push().
  virtual Pushed push(const Tensor& x, const Tensor& v) const = 0;

 protected:
  ~Push() = default;
};

/// A layer that knows the inner products of pushed tangents by a shorter way; a linear one does when tangents are many:
/// v(WᵀW)vᵀ, the same to rounding, without jv.
class PushMetric {
 public:
  static constexpr std::string_view kId = "variform.nn.push-metric/1";  ///< its name
  /// The rule of Layer::push_metric().
  virtual Pullback push_metric(const Tensor& x, const Tensor& v) const = 0;

 protected:
  ~PushMetric() = default;
};

/// A layer y = f(x) that acts on every value by itself.
class Elementwise {
 public:
  static constexpr std::string_view kId = "variform.nn.elementwise/1";  ///< its name
  /// f'(x) [N, …], differentiable, given x and y = f(x), both [N, …]; empty where a parameter makes it another kind of
  /// layer.
  virtual std::optional<Tensor> slope(const Tensor& x, const Tensor& y) const = 0;

 protected:
  ~Elementwise() = default;
};

/// A layer that leaves values as they are or only rearranges them, so that it keeps inner products.
class Isometric {
 public:
  static constexpr std::string_view kId = "variform.nn.isometric/1";  ///< its name
  /// True when it does.
  virtual bool isometric() const { return true; }

 protected:
  ~Isometric() = default;
};

/// A layer whose PyTorch counterpart needs a class of its own.
class PythonHelper {
 public:
  static constexpr std::string_view kId = "variform.nn.python-helper/1";  ///< its name
  /// The source of that class, which python() refers to.
  virtual std::string python_helper() const = 0;

 protected:
  ~PythonHelper() = default;
};

/// Layers are shared: a network and whoever built it may both hold one.
using LayerPtr = std::shared_ptr<Layer>;

/// [T, N, …] -> [T·N, …]: the way to push all tangents through one product.
VARIFORM_API Tensor fold(const Tensor& v);
/// [T·N, …] -> [T, N, …], the inverse of fold().
VARIFORM_API Tensor unfold(const Tensor& folded, int64_t tangents);

/// A layer that is linear in x without a constant term, so that tangents pass as rows do.
class VARIFORM_API LinearMap : public With<Layer, Push, PiecewiseLinear> {
 public:
  ~LinearMap() override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  bool piecewise_linear() const override { return true; }
};

/// Layers one after another, children named "0", "1", … as in torch.nn.Sequential.
class VARIFORM_API Sequential final : public With<Layer, Push, PushMetric, PiecewiseLinear, RowsIndependent> {
 public:
  /// Layers in the order in which data pass; none of them null, none twice.
  explicit Sequential(std::vector<LayerPtr> layers = {});
  /// Appends a layer; the same layer may not be added twice.
  void append(LayerPtr layer);
  /// The layers, in order.
  const std::vector<LayerPtr>& layers() const { return layers_; }

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Pullback push_metric(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override;
  bool rows_independent() const override;
  std::string python() const override;

 private:
  std::vector<LayerPtr> layers_;
};

/// shortcut(x) + inner(x); the shortcut is the identity when not given. Children "inner" and "shortcut".
class VARIFORM_API Residual final : public With<Layer, Push, PiecewiseLinear, RowsIndependent, PythonHelper> {
 public:
  /// Throws Error without an inner layer; that shapes agree is checked by output_shape().
  explicit Residual(LayerPtr inner, LayerPtr shortcut = nullptr);

  Tensor forward(const Tensor& x) const override;
  Pushed push(const Tensor& x, const Tensor& v) const override;
  Shape output_shape(const Shape& in) const override;
  bool piecewise_linear() const override;
  bool rows_independent() const override;
  std::string python() const override;
  std::string python_helper() const override;

 private:
  LayerPtr inner_, shortcut_;
};

}  // namespace nn
}  // namespace v2
}  // namespace variform
