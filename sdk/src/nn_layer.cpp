// Layer, and layers that are composed of other layers.

#include <variform/nn/layer.h>

#include <variform/nn/layers.h>

#include "nn_convolution.h"
#include "nn_linear.h"
#include "nn_products.h"
#include "nn_support.h"

#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Type.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <typeinfo>

namespace variform {
inline namespace v2 {
namespace nn {

Layer::~Layer() = default;
LinearMap::~LinearMap() = default;

Tensor fold(const Tensor& v) { return v.flatten(0, 1); }

Tensor unfold(const Tensor& folded, int64_t tangents) {
  Shape shape = folded.sizes().vec();
  shape[0] /= tangents;
  shape.insert(shape.begin(), tangents);
  return folded.reshape(shape);
}

const void* Layer::ability(std::string_view) const { return nullptr; }

std::optional<Tensor> Layer::slope(const Tensor& x, const Tensor& y) const {
  if (const auto* known = variform::ability<Elementwise>(*this)) return known->slope(x, y);
  return {};
}
bool Layer::isometric() const {
  const auto* known = variform::ability<Isometric>(*this);
  return known && known->isometric();
}
bool Layer::piecewise_linear() const {
  const auto* known = variform::ability<PiecewiseLinear>(*this);
  return known && known->piecewise_linear();
}
bool Layer::rows_independent() const {
  const auto* known = variform::ability<RowsIndependent>(*this);
  return !known || known->rows_independent();
}
std::string Layer::python_helper() const {
  const auto* known = variform::ability<PythonHelper>(*this);
  return known ? known->python_helper() : std::string();
}

Pushed Layer::push(const Tensor& x, const Tensor& v) const {
  if (const auto* own = variform::ability<Push>(*this)) return own->push(x, v);
  at::RecordFunction scope(at::RecordScope::USER_SCOPE);
  if (scope.isActive()) scope.before(kPushFallback + c10::demangle(typeid(*this).name()));
  if (c10::InferenceMode::is_enabled())
    throw Unsupported(
        "a layer without a push() of its own needs recorded operations, which inference mode forbids; use "
        "no_grad instead");
  const bool record = at::GradMode::is_enabled();
  const at::AutoGradMode recorded(true);
  Tensor rows = fold(x.unsqueeze(0).expand(v.sizes())).contiguous();
  if (!rows.requires_grad()) rows = rows.detach().requires_grad_(true);
  const Tensor y = forward(rows);
  Tensor jv = at::zeros_like(y);  // stays when y does not depend on x
  if (y.requires_grad()) {
    const Tensor u = at::zeros_like(y).requires_grad_(true);
    const Tensor pullback = torch::autograd::grad({y}, {rows}, {u}, true, /*create_graph=*/true, true)[0];
    if (pullback.defined() && pullback.requires_grad()) {
      const Tensor found = torch::autograd::grad({pullback}, {u}, {fold(v)}, true, record, true)[0];
      if (found.defined()) jv = found;
    }
  }
  const Tensor first = unfold(y, v.size(0))[0];
  return {record ? first : first.detach(), unfold(record ? jv : jv.detach(), v.size(0))};
}

Pullback Layer::push_metric(const Tensor& x, const Tensor& v) const {
  if (const auto* own = variform::ability<PushMetric>(*this)) return own->push_metric(x, v);
  const Pushed pushed = push(x, v);
  return {pushed.g, inner_products(pushed.jv)};
}

Pushed LinearMap::push(const Tensor& x, const Tensor& v) const {
  return {forward(x), push_linear(v, [this](const Tensor& rows) { return forward(rows); })};
}

Sequential::Sequential(std::vector<LayerPtr> layers) {
  for (LayerPtr& layer : layers) append(std::move(layer));
}

void Sequential::append(LayerPtr layer) {
  if (!layer)
    throw Error("Sequential expects a layer; found none at position " + std::to_string(layers_.size()));
  if (std::find(layers_.begin(), layers_.end(), layer) != layers_.end())
    throw Error("Sequential holds each layer once; the layer at position " + std::to_string(layers_.size()) +
                " is in it already");
  layers_.push_back(register_module(std::to_string(layers_.size()), std::move(layer)));
}

namespace {

// Computes relu(layer.forward(x)), in place where layers are known to return a new tensor.
Tensor rectified(const Layer& layer, const Tensor& x) {
  if (const auto* linear = dynamic_cast<const Linear*>(&layer))
    return rectified_linear(x, linear->weight(), linear->bias());
  const bool is_new = dynamic_cast<const Conv2d*>(&layer) || dynamic_cast<const ConvTranspose2d*>(&layer);
  const Tensor y = layer.forward(x);
  return is_new ? y.relu_() : at::relu(y);
}

}  // namespace

Tensor Sequential::forward(const Tensor& x) const {
  Tensor y = x;
  for (auto layer = layers_.begin(); layer != layers_.end(); ++layer) {
    const bool pair = layer + 1 != layers_.end() && is_rectifier(**(layer + 1));
    y = pair ? rectified(**layer, y) : (*layer)->forward(y);
    if (pair) ++layer;
  }
  return ordered_like(x, y);
}

Pushed Sequential::push(const Tensor& x, const Tensor& v) const {
  Pushed pushed{x, v};
  for (const LayerPtr& layer : layers_) pushed = layer->push(pushed.g, pushed.jv);
  return {ordered_like(x, pushed.g), ordered_like(v, pushed.jv)};
}

namespace {

// Calls the layers' push() one after another, with a shortcut for directions that all rows share. They still do after
// the first linear layer; the nonlinearity then multiplies them by a factor per row. scaled_product() applies the next
// linear layer without making a tensor of these products.
template <class Iterator>
Pushed push_through(Iterator layer, Iterator end, const Tensor& x, const Tensor& v) {
  Pushed pushed{x, v};
  for (; layer != end; ++layer) {
    const bool common = pushed.jv.dim() == 3 && pushed.jv.size(1) > 1 && pushed.jv.stride(1) == 0;
    const Linear* const next =
        common && layer + 1 != end ? dynamic_cast<const Linear*>((layer + 1)->get()) : nullptr;
    const Tensor y = next ? (*layer)->forward(pushed.g) : Tensor();
    const std::optional<Tensor> slope = next ? (*layer)->slope(pushed.g, y) : std::nullopt;
    if (!slope) {
      pushed = (*layer)->push(pushed.g, pushed.jv);
      continue;
    }
    pushed = {next->forward(y), scaled_product(*slope, pushed.jv.select(1, 0), next->weight())};
    ++layer;
  }
  return pushed;
}

}  // namespace

// Layers after the last one that changes inner products are applied to g alone.
Pullback Sequential::push_metric(const Tensor& x, const Tensor& v) const {
  const auto end = std::find_if(layers_.rbegin(), layers_.rend(), [](const LayerPtr& layer) {
                     return !layer->isometric();
                   }).base();
  if (end == layers_.begin()) return {forward(x), inner_products(v)};
  const Pushed pushed = push_through(layers_.begin(), end - 1, x, v);
  Pullback result = (*(end - 1))->push_metric(pushed.g, pushed.jv);
  for (auto layer = end; layer != layers_.end(); ++layer) result.g = (*layer)->forward(result.g);
  result.g = ordered_like(x, result.g);
  return result;
}

Shape Sequential::output_shape(const Shape& in) const {
  Shape shape = in;
  for (const LayerPtr& layer : layers_) shape = layer->output_shape(shape);
  return shape;
}

bool Sequential::piecewise_linear() const {
  return std::all_of(layers_.begin(), layers_.end(),
                     [](const LayerPtr& layer) { return layer->piecewise_linear(); });
}

bool Sequential::rows_independent() const {
  return std::all_of(layers_.begin(), layers_.end(),
                     [](const LayerPtr& layer) { return layer->rows_independent(); });
}

std::string Sequential::python() const {
  std::string text = "torch.nn.Sequential(\n";
  for (const LayerPtr& layer : layers_) text += "    " + indented(layer->python()) + ",\n";
  return text + ")";
}

Residual::Residual(LayerPtr inner, LayerPtr shortcut) {
  if (!inner) throw Error("Residual expects an inner layer; found none");
  inner_ = register_module("inner", std::move(inner));
  if (shortcut) shortcut_ = register_module("shortcut", std::move(shortcut));
}

Tensor Residual::forward(const Tensor& x) const {
  return (shortcut_ ? shortcut_->forward(x) : x) + inner_->forward(x);
}

Pushed Residual::push(const Tensor& x, const Tensor& v) const {
  const Pushed inner = inner_->push(x, v);
  const Pushed shortcut = shortcut_ ? shortcut_->push(x, v) : Pushed{x, v};
  return {shortcut.g + inner.g, shortcut.jv + inner.jv};
}

Shape Residual::output_shape(const Shape& in) const {
  const Shape out = inner_->output_shape(in), beside = shortcut_ ? shortcut_->output_shape(in) : in;
  if (out != beside)
    throw Error("Residual adds its shortcut's " + to_text(beside) + " to its inner layer's " + to_text(out) +
                "; give it layers whose shapes agree");
  return out;
}

bool Residual::piecewise_linear() const {
  return inner_->piecewise_linear() && (!shortcut_ || shortcut_->piecewise_linear());
}

bool Residual::rows_independent() const {
  return inner_->rows_independent() && (!shortcut_ || shortcut_->rows_independent());
}

std::string Residual::python() const {
  std::string text = "Residual(\n    " + indented(inner_->python()) + ",\n";
  if (shortcut_) text += "    " + indented(shortcut_->python()) + ",\n";
  return text + ")";
}

std::string Residual::python_helper() const {
  return R"(class Residual(torch.nn.Module):
    def __init__(self, inner, shortcut=None):
        super().__init__()
        self.inner = inner
        self.shortcut = shortcut

    def forward(self, x):
        return (x if self.shortcut is None else self.shortcut(x)) + self.inner(x)
)";
}

}  // namespace nn
}  // namespace v2
}  // namespace variform
