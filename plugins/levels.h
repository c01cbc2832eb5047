#pragma once
// What the family and the prior of latents in levels share: the network of a level, and the parameters that describe
// it. It belongs to the stock plugins; the SDK knows levels (ext/levels.h), and no network of theirs.

#include <variform/ext/levels.h>
#include <variform/nn/activation.h>
#include <variform/nn/network.h>
#include <variform/schema.h>

#include <cstdint>
#include <memory>

namespace variform {

/// Widths of the hidden layers of the networks.
inline constexpr Parameter kLevelHidden =
    integers("hidden", {64})
        .at_least(1)
        .doc("Widths of the hidden layers of every level's network; []: it is affine.");

/// Whether the networks give a level's scale, beside its mean; `doc` says what it depends on otherwise.
constexpr Parameter level_scale(const char* doc) { return flag("scale", true).doc(doc); }

/// Fills the network of a level of `size` latents: `inputs` numbers to its mean [size], and with `scales` as many for
/// its scale. Returns the last layer.
inline std::shared_ptr<nn::Linear> append_level(nn::Sequential& layers, const Build& build,
                                                std::int64_t inputs, std::int64_t size, bool scales) {
  const nn::Block block{build.text(nn::kActivation), "none", 1};
  const std::int64_t width = append_hidden(layers, build, block, inputs, build.integers("hidden"));
  auto last = std::make_shared<nn::Linear>(build, width, scales ? 2 * size : size);
  layers.append(last);
  return last;
}

}  // namespace variform
