// See short_jacobian.h.

#include "measure/short_jacobian.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/accumulate.h>

#include <variform/ext/condition.h>
#include <variform/host.h>
#include <variform/nn/layers.h>

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "model/assembly.h"

namespace variform::measure {
namespace {

// Splits a network into its layers up to its last linear map, and that map; null when it does not end in one.
std::pair<std::vector<nn::LayerPtr>, const nn::Linear*> split(const nn::Layer* network) {
  const auto* const sequence = dynamic_cast<const nn::Sequential*>(network);
  if (!sequence) return {};
  std::vector<nn::LayerPtr> layers = sequence->layers();
  while (!layers.empty() && layers.back()->isometric()) layers.pop_back();
  if (layers.empty()) return {};
  const auto* const last = dynamic_cast<const nn::Linear*>(layers.back().get());
  layers.pop_back();
  return {std::move(layers), last};
}

// y = Wx.
nn::LayerPtr linear(const Tensor& weight) {
  Build build = BuildMaker::make(nullptr);
  build.options = weight.options();
  build.rng = model::make_generator(at::kCPU, 0);
  const auto layer = std::make_shared<nn::Linear>(build, weight.size(1), weight.size(0), /*bias=*/false);
  Tensor(layer->weight()).copy_(weight);
  return layer;
}

// Splits R's rows into groups, without the zeros at their start: four groups hold three eighths fewer numbers than R.
std::vector<nn::LayerPtr> parts_of(const Tensor& r) {
  constexpr int64_t kParts = 4, kLeast = 64;
  const int64_t n = r.size(0), rows = std::max(kLeast, (n + kParts - 1) / kParts);
  std::vector<nn::LayerPtr> parts;
  for (int64_t first = 0; first < n; first += rows)
    parts.push_back(linear(r.slice(0, first, first + rows).slice(1, first)));
  return parts;
}

// Returns P, the number of values in a Jacobian's column.
int64_t outputs(Model& model) { return c10::multiply_integers(model.data) * model.likelihood().outputs(); }

}  // namespace

ShortJacobian::ShortJacobian(Model& model, int64_t data) : size_(outputs(model)) {
  if (model.reference() || model.mixed_precision() || !model.decoder().rows_independent()) return;
  auto [layers, last] = split(network_of(model.decoder()));
  if (!last || last->weight().dim() != 2 || is_conditioned(model.decoder())) return;
  const int64_t out = last->weight().size(0), in = last->weight().size(1);
  if (out != size_ || data * model.latent * (out - in) < out * in)
    return;  // it would not pay: computing R takes out · in² multiplications
  const at::NoGradGuard no_grad;
  const Tensor r = std::get<1>(at::linalg_qr(last->weight().to(at::kDouble), "r"));
  parts_ = parts_of(r.to(last->weight().scalar_type()));
  network_ = std::make_shared<nn::Sequential>(std::move(layers));
  size_ = in;
}

Tensor ShortJacobian::metric(Model& model, const Tensor& z) const {
  const Tensor tangents = network_->push(z, model.unit_tangents(z.size(0))).jv;
  Tensor sum;
  int64_t first = 0;
  for (const nn::LayerPtr& part : parts_) {
    const Tensor rows = part->forward(tangents.slice(-1, first)),
                 inner = inner_products(rows.to(at::kDouble));
    sum = sum.defined() ? sum.add_(inner) : inner;
    first += rows.size(-1);
  }
  return sum;
}

std::optional<Tensor> ShortJacobian::operator()(Model& model, const Tensor& z) {
  if (!network_) return {};
  if (!std::exchange(is_checked_, true)) {
    constexpr double kRounding = 1e-3;
    const Tensor one = z.narrow(0, 0, 1);
    const Tensor plain =
        inner_products(model.pushforward(one, model.unit_tangents(1), {}).jv.to(at::kDouble));
    const Tensor off = (metric(model, one) - plain).abs().max(), most = plain.abs().max();
    if (!(off <= kRounding * most).item<bool>()) {
      network_.reset();
      size_ = outputs(model);
      return {};
    }
  }
  return metric(model, z);
}

}  // namespace variform::measure
