// See short_jacobian.h.

#include "evaluate/short_jacobian.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/accumulate.h>

#include <variform/decoder.h>
#include <variform/nn/layers.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "train/assembly.h"

namespace variform::evaluate {
namespace {

// The network up to its last linear map, and that map; null when it does not end so.
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

// y = Rx.
nn::LayerPtr linear(const Tensor& r) {
  Build build(nullptr);
  build.options = r.options();
  build.rng = train::make_generator(at::kCPU, 0);
  const auto layer = std::make_shared<nn::Linear>(build, r.size(1), r.size(0), /*bias=*/false);
  Tensor(layer->weight()).copy_(r);
  return layer;
}

Tensor gram(const Tensor& tangents) { return inner_products(tangents.to(at::kDouble)); }

}  // namespace

ShortJacobian::ShortJacobian(Model& model, int64_t data) {
  size_ = c10::multiply_integers(model.data) * model.likelihood().outputs();
  if (model.reference || model.mixed_precision || !model.decoder().samplewise()) return;
  auto [layers, last] = split(model.decoder().network());
  if (!last || last->weight().dim() != 2) return;
  const int64_t out = last->weight().size(0), in = last->weight().size(1);
  if (out != size_ || data * model.latent * (out - in) < out * in)
    return;  // finding R takes out · in² multiplications
  const at::NoGradGuard no_grad;
  const auto [q, r] = at::linalg_qr(last->weight().to(at::kDouble), "r");
  layers.push_back(linear(r.to(last->weight().scalar_type())));
  network_ = std::make_shared<nn::Sequential>(std::move(layers));
  size_ = in;
}

std::optional<Tensor> ShortJacobian::operator()(Model& model, const Tensor& z) {
  if (!network_) return {};
  const auto tangents = [&](const Tensor& at) {
    return network_->push(at, model.unit_tangents(at.size(0))).jv;
  };
  if (!std::exchange(is_checked_, true)) {
    constexpr double kRounding = 1e-3;
    const Tensor one = z.narrow(0, 0, 1);
    const Tensor plain = gram(model.pushforward(one, model.unit_tangents(1)).jv), found = gram(tangents(one));
    const Tensor off = (found - plain).abs().max(), most = plain.abs().max();
    if (!(off <= kRounding * most).item<bool>()) {
      network_.reset();
      size_ = c10::multiply_integers(model.data) * model.likelihood().outputs();
      return {};
    }
  }
  return tangents(z);
}

}  // namespace variform::evaluate
