#pragma once
// Writes the codes, covariances and Jacobians of a data set as HDF5.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/watch.h"

namespace variform::model {
struct Session;
}

namespace variform::exports {

struct EncodeOptions {
  std::string split = "test";
  std::int64_t limit = 0;      ///< first rows; 0: all
  std::int64_t jacobians = 0;  ///< Jacobians of the first rows
  std::int64_t batch = 256;
  base::Watch watch = {};  ///< part "codes", counted in rows
};

/// Writes index [N], h [N, d] (location of q), variances [N, d] and covariance [N, d, d] where q has one (the latter
/// up to 2 GiB), labels [N] where the data have some, condition [N, c], factors and latents likewise, jacobians
/// [n, P, d] at h (P counts the decoder's outputs, in its own order). Returns sentences about what is left out.
/// Throws when the file cannot be written (checked before anything is computed), when it is interrupted (nothing is
/// written then), or when the decoder has no Jacobians and they are asked for.
std::vector<std::string> encode(model::Session& session, const std::filesystem::path& file,
                                const EncodeOptions& options = {});

}  // namespace variform::exports
