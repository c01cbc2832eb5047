#pragma once
// Encoder: the network that amortises inference.

#include <variform/component.h>

namespace variform {
inline namespace v2 {

/// Maps data to the numbers from which the variational family makes a posterior.
class VARIFORM_API Encoder : public Component {
 public:
  static constexpr Kind kKind = Kind::kEncoder;  ///< what kind of component it is
  ~Encoder() override;
  /// x [B, data…] -> [B, Build::outputs], B ≥ 0, without interaction between rows. Differentiable in the parameters; under
  /// no_grad when evaluating. Called once per step and batch. The result has Build::options' dtype, or bfloat16 under
  /// mixed precision, where the engine widens it. One thread at a time; must suit a recorded step (docs/sdk.md).
  virtual Tensor encode(const Tensor& x, const Context& context) = 0;
};

}  // namespace v2
}  // namespace variform
