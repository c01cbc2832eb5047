#pragma once
// Ranks the latents of a trained model by how much they carry.

#include <ATen/core/Tensor.h>
#include <variform/model.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace variform::model {
struct Session;

/// Returns the prior's mean and standard deviation in each latent, [d]; those of N(0, 1) when it is not Gaussian.
std::pair<at::Tensor, at::Tensor> scale_of_prior(Model& model);

/// Latents in descending order of their contribution to the KL: ½(μ² + σ² − 1 − log σ²) averaged over rows, in units of
/// the prior when that is Gaussian. For posteriors without covariance: by the variance of the location.
struct LatentOrder {
  std::vector<std::int64_t> order;
  std::vector<double> contribution;  ///< by latent, not by rank
  bool is_kl = true;                 ///< false: variances of the location
};
LatentOrder order_of_latents(Session& session, const std::string& split = {}, std::int64_t limit = 2000);

}  // namespace variform::model
