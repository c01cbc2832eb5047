#pragma once
// A batch of d×d covariance matrices that hides how it is stored, and §4 of the theory: the optimal Gaussian
// covariance inside a structure, and the penalty that is left when it is put in. The algebra is float64 throughout.

#include <variform/types.h>

#include <memory>
#include <string>
#include <vector>

namespace variform {
inline namespace v2 {

/// The shape of a covariance matrix: block-diagonal with blocks of the given sizes (d blocks of one: diagonal;
/// one block of d: full), one variance for all coordinates (tied), or low rank plus s²I.
struct VARIFORM_API Structure {
  std::vector<int64_t> blocks;  ///< sizes, adding up to d
  bool tied = false;            ///< isotropic: s²I
  int64_t rank = -1;            ///< s²I plus a positive part of rank r, when 0 ≤ r; blocks then is {d}

  /// d blocks of one.
  static Structure diagonal(int64_t d);
  /// One block of d.
  static Structure full(int64_t d);
  /// One variance for all d coordinates.
  static Structure isotropic(int64_t d);
  /// s²I plus a positive part of the given rank, 0 ≤ rank < d.
  static Structure low_rank(int64_t d, int64_t rank);
  /// Blocks of `size`, the last one smaller when size does not divide d. Throws Error for a size below 1.
  static Structure equal_blocks(int64_t d, int64_t size);
  /// What a component's `structure` parameter says: "full", "diagonal", "isotropic", "block" with equal blocks of
  /// `block`, or "low-rank" with `rank`. Error otherwise.
  static Structure named(const std::string& name, int64_t d, int64_t block, int64_t rank = 0);
  /// d, the sum of the blocks.
  int64_t dimension() const;
  /// "diagonal", "full", "isotropic", "blocks [4, 4]", "rank 3 plus s²I".
  std::string name() const;
  /// Throws Error unless the blocks are positive and add up to d, and a rank, if given, is below d.
  void validate(int64_t d) const;
};

/// Σ = L Lᵀ, a batch of B (or 1, broadcast). Cheap to copy; immutable; differentiable in what it was made from, in
/// whose dtype and on whose device its functions compute. Any thread. Unless a function says otherwise: shapes: [B or
/// 1, d, d]; errors: the makers throw Error when shapes do not fit each other.
class VARIFORM_API Covariance {
 public:
  /// How a covariance is stored: the library's own business.
  class Impl;

  /// diag(deviations²), deviations [B, d] > 0.
  static Covariance diagonal(const Tensor& deviations);
  /// deviation² I, deviation [B] > 0.
  static Covariance isotropic(const Tensor& deviation, int64_t d);
  /// L Lᵀ with lower-triangular factors of the blocks, [B, b_k, b_k] each.
  static Covariance cholesky(std::vector<Tensor> factors);
  /// The same of a covariance that has a narrower structure than its blocks say, such as a low rank plus s²I.
  static Covariance cholesky(std::vector<Tensor> factors, Structure structure);
  /// U diag(variances − s2) Uᵀ + s2 I with orthonormal columns U [B, d, r], variances [B, r], s2 [B].
  static Covariance low_rank(const Tensor& u, const Tensor& variances, const Tensor& s2);

  Tensor variances() const;              ///< diagonal of Σ, [B, d]
  Tensor log_det() const;                ///< log det Σ, [B]
  Tensor trace(const Tensor& h) const;   ///< tr(h Σ), h [B, d, d] -> [B]
  Tensor dense() const;                  ///< Σ, [B, d, d]
  Tensor precision() const;              ///< Σ⁻¹, [B, d, d]
  Tensor scale(const Tensor& e) const;   ///< L e for standard normal e [..., B, d]: a draw of N(0, Σ)
  Tensor whiten(const Tensor& y) const;  ///< L⁻¹ y, [..., B, d]
  /// d.
  int64_t dimension() const;
  at::ScalarType dtype() const;  ///< of what the functions above return
  /// The structure that it has by construction, which is §4's row for its family.
  Structure structure() const;
  /// The coordinates are independent by construction.
  bool is_diagonal() const;
  /// The same covariance in another dtype.
  Covariance to(at::ScalarType dtype) const;

 private:
  explicit Covariance(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// A Gaussian distribution.
struct Gaussian {
  Tensor mean;            ///< [B or 1, d]
  Covariance covariance;  ///< of as many data as the mean
};

/// §4, second column: the Σ inside `structure` that minimises ½ tr(HΣ) + β KL(N(h, Σ) ‖ N(h, Q⁻¹)).
/// h = H [B, d, d] symmetric, any floating dtype; beta 0-dim or [B], > 0; precision Q [d, d], or
/// [d] when it is diagonal; identity when undefined.
/// Returns float64. Throws Error when the structure does not fit d.
VARIFORM_API Covariance optimal_covariance(const Structure& structure, const Tensor& h, const Tensor& beta,
                                           const Tensor& precision = {});

/// §4, third column: what is left of ½ tr(HΣ) + β(KL − ½ (h−m)ᵀQ(h−m)) at that Σ, [B] float64, in nats. No constant
/// dropped. Where I + H/β, restricted to the structure, is not positive definite the result is NaN (§4: unbounded
/// below). β may be 0 here: the penalty then is 0, and so is its gradient. Arguments as above; a diagonal Q given as
/// [d] spares the factorisation of Q and two triangular solves. Throws Error when the structure does not fit d.
VARIFORM_API Tensor curvature_penalty(const Structure& structure, const Tensor& h, const Tensor& beta,
                                      const Tensor& precision = {});

}  // namespace v2
}  // namespace variform
