#pragma once
// Computes JᵀJ from a matrix with fewer rows than the Jacobian.

#include <variform/model.h>
#include <variform/nn/layer.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace variform::measure {

/// The matrix RT with JᵀJ = (RT)ᵀ(RT), for a decoder whose last map is linear: W = QR [out, in] with QᵀQ = I and
/// out > in, and J = WT, where T are the tangents before that map. R [in, in] is computed in float64 and rounded to W's
/// dtype. Small eigenvalues are then as precise as with J; with Tᵀ(WᵀW)T they would not be.
class ShortJacobian {
 public:
  /// Computes R for the model's decoder as it is now, to be used for about `data` rows. Does nothing where it would not
  /// pay, for other decoders, under autocast, and for models without shortcuts (Model::reference).
  ShortJacobian(Model& model, int64_t data);

  /// Returns JᵀJ at z [N, d], [N, d, d] float64, of J in the model's dtype. Nothing when there is no R, or when the
  /// result at the first row differs from that of the decoder's pushforward, which a plugin may have written itself.
  std::optional<Tensor> operator()(Model& model, const Tensor& z);

  /// The number of rows of RT: `in`; P, that of J, when there is no R.
  int64_t size() const { return size_; }

 private:
  Tensor metric(Model& model, const Tensor& z) const;

  nn::LayerPtr network_;             // up to its last map; null: there is no R
  std::vector<nn::LayerPtr> parts_;  // groups of R's rows, from the diagonal on
  bool is_checked_ = false;
  int64_t size_ = 0;
};

}  // namespace variform::measure
