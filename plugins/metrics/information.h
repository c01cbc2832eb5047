#pragma once
// Measures what codes tell about data: active latents, the divergence of each latent, and the two parts of the mean KL,
// E_x KL(q(z|x) ‖ p(z)) = I(x; z) + KL(q(z) ‖ p(z)) (Hoffman and Johnson 2016).

#include <variform/model.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "progress.h"

namespace variform::metrics {

/// Computes log q(z) where q(z) = (1/N) Σ_n q(z|x_n) is the mixture over all N rows, at draws of some of those rows.
class AggregatePosterior {
 public:
  /// Adds the next B rows: their posterior, and one draw of each, [B, d].
  void add(std::shared_ptr<const Posterior> posterior, const Tensor& z);

  struct Densities {
    Tensor own;        ///< log q(z_s|x_s), [S] float64
    Tensor aggregate;  ///< log q(z_s), the row's own posterior among the N
    Tensor prior;      ///< log p(z_s)
  };
  /// Computes the densities for S rows, evenly spread. Throws Unsupported when the family has no density at other rows'
  /// draws.
  Densities densities(Model& model, int64_t draws, const Progress& progress = {}) const;
  int64_t size() const { return size_; }

 private:
  struct Part {
    std::shared_ptr<const Posterior> posterior;
    Tensor z;
  };
  std::vector<Part> parts_;
  int64_t size_ = 0;
};

}  // namespace variform::metrics
