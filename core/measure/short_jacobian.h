#pragma once
// Fewer numbers than the Jacobian with the same inner products.

#include <variform/model.h>
#include <variform/nn/layer.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace variform::measure {

/// Where a decoder is a network whose last map is linear, W = QR [out, in] with QᵀQ = I and out > in, J = WT has the inner
/// products of RT, T the tangents before that map: JᵀJ = (RT)ᵀ(RT). R [in, in] is found in float64 and rounded as W is, so
/// that small eigenvalues are as good as J's, which those of Tᵀ(WᵀW)T are not.
class ShortJacobian {
 public:
  /// Of the model's decoder as it is now, for about that many data. Makes nothing where it would not pay, for another
  /// kind of decoder, under autocast and for a model that is to do without short ways (Model::reference).
  ShortJacobian(Model& model, int64_t data);

  /// JᵀJ at z [N, d], [N, d, d] float64, of J in the model's dtype. None when there is no short way, or when at the first
  /// datum it is not that of the decoder's pushforward, which a plugin may have written by itself.
  std::optional<Tensor> operator()(Model& model, const Tensor& z);

  /// Numbers in a column of it: `in`; P where there is no short way.
  int64_t size() const { return size_; }

 private:
  Tensor metric(Model& model, const Tensor& z) const;

  nn::LayerPtr network_;             // up to its last map; null: no short way
  std::vector<nn::LayerPtr> parts_;  // R's rows from the diagonal on, a few together
  bool is_checked_ = false;
  int64_t size_ = 0;
};

}  // namespace variform::measure
