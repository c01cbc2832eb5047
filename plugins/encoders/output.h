#pragma once
// The last layer of an encoder, whose start is paired across variational families.

#include <variform/nn/network.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <string>

namespace variform {

/// Linear from `in` to build.outputs, with the block's normalisation. The first 2d outputs (mean and log variances of
/// the diagonal family) start at the numbers with which the diagonal family's encoder of the same seed starts,
/// however many follow, so that two families are compared from one start (theory §11).
inline nn::LayerPtr make_output(const Build& build, const nn::Block& block, int64_t in, bool bias = true) {
  const int64_t common = 2 * build.latent;
  if (build.outputs <= common) return nn::make_linear(build, block, in, build.outputs, bias);
  const nn::Linear first(build, in, common, bias), rest(build, in, build.outputs - common, bias);
  nn::LayerPtr whole = nn::make_linear(build, block, in, build.outputs, bias);
  const at::NoGradGuard no_grad;
  for (const auto& item : whole->named_parameters()) {
    const std::string name = item.key().substr(item.key().rfind('.') + 1);
    item.value().copy_(at::cat({first.named_parameters()[name], rest.named_parameters()[name]}));
  }
  return whole;
}

}  // namespace variform
