#pragma once
// Checks before a training instead of after hours of it: whether the slots compose, whether one step runs, and
// whether the gradient of a loss on tangents is correct.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/assembly.h"

namespace variform::model {

/// Refuses compositions that are wrong whatever the data are: a likelihood for other data than these, a prior that
/// does not cover the family's support, an infinite KL, a likelihood that needs all values where some are missing.
/// `domain` and `has_missing` are the data set's. Throws variform::Error with a sentence that names both sides.
void check_composition(Model& model, Domain domain, bool has_missing);

/// The findings of one step on two rows.
struct Preflight {
  bool closed_kl = false;         ///< the KL of the family's posterior to the prior is in closed form
  bool piecewise_linear = false;  ///< Gauss–Newton is all of the Hessian almost everywhere (§3)
  PushforwardTier tier = PushforwardTier::kUndecided;  ///< of an objective that uses tangents
  double tangent_error = 0;           ///< relative error of its gradient against central differences
  std::vector<std::string> parts;     ///< what the objective gives beside "loss": names that `best` may have
  std::vector<std::string> findings;  ///< of what_components_do(): sentences
  std::vector<std::string> notes;     ///< what is correct but costs time: sentences
  std::vector<std::string> adversaries;  ///< parts that train the objective's own parameters alone
};

/// Runs one training step (without update) on two rows; throws what it throws. For an objective that uses tangents,
/// the step is repeated on a float64 twin of the model, and its gradient along one random direction is compared with
/// central differences. Beyond 1e-4 it throws variform::Error, since LibTorch is silently wrong for some fused
/// layers (batch_norm in training mode, layer_norm, instance_norm …).
/// `twin` builds the same model in float64.
Preflight run_preflight(Assembly& assembly, const Batch& rows,
                        const std::function<std::unique_ptr<Assembly>()>& twin);

}  // namespace variform::model
