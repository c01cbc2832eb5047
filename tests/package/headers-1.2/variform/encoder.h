#pragma once
// Encoder: the network that amortises inference.

#include <variform/component.h>

namespace variform {
inline namespace v1 {

/// Maps data to the numbers from which the variational family makes a posterior.
class VARIFORM_API Encoder : public Component {
 public:
  ~Encoder() override;
  /// x [B, data…] -> [B, Build::outputs]. No interaction between rows.
  virtual Tensor encode(const Tensor& x) = 0;
};

}  // namespace v1
}  // namespace variform
