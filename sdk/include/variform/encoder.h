#pragma once
// Encoder: the network that amortises inference. Unless a function says otherwise, the rules of variform/component.h
// hold; calls: once per step and batch, and again where a prior is made of posteriors; source: theory §1.

#include <variform/component.h>

namespace variform {
inline namespace v2 {

/// Maps data to the numbers from which the variational family makes a posterior.
class VARIFORM_API Encoder : public Component {
 public:
  static constexpr Kind kKind = Kind::kEncoder;  ///< what kind of component it is
  ~Encoder() override;
  /// x [B, data…] -> [B, Build::outputs], B ≥ 0, without interaction between rows. The result may be bfloat16 under
  /// mixed precision: the engine widens it.
  virtual Tensor encode(const Tensor& x, const Context& context) = 0;
};

}  // namespace v2
}  // namespace variform
