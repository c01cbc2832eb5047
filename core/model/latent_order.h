#pragma once
// Which latents of a trained model carry something, and how much.

#include <ATen/core/Tensor.h>
#include <variform/model.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace variform::model {
struct Session;

/// Mean and standard deviation of the prior in each latent, [d]; those of N(0, 1) when it is not Gaussian.
std::pair<at::Tensor, at::Tensor> scale_of_prior(Model& model);

/// Latents by falling contribution to the KL: ½(μ² + σ² − 1 − log σ²) averaged over data, in units of the prior when
/// that is Gaussian; by the variance of the location for posteriors without covariance.
struct LatentOrder {
  std::vector<std::int64_t> order;
  std::vector<double> contribution;  ///< by latent, not by rank
  bool is_kl = true;                 ///< false: variances of the location
};
LatentOrder order_of_latents(Session& session, const std::string& split = {}, std::int64_t limit = 2000);

}  // namespace variform::model
