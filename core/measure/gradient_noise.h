#pragma once
// Measures how noisy an objective's gradient is: the noise of its own draws (latents, Jacobian columns), beside that of
// the choice of the batch.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "base/watch.h"

namespace variform::model {
struct Session;
}

namespace variform::measure {

/// Computes the section `gradient` of an evaluation (table_of_section), of the loss's gradient with respect to all
/// trained parameters, at the end of the schedules, for the first 8 training batches with `draws` (at least 2)
/// gradients each: gradient_norm, the norm of a batch's expected gradient; gradient_noise, the standard deviation of
/// one draw about it (root of the trace of the covariance, theory §5 on estimators); gradient_noise_of_batches, that of
/// the expected gradient between batches; gradient_noise_ratio, noise over norm. The squares of all estimates are
/// unbiased (one below zero counts as 0). Unit: nats per unit of the parameters. Deterministic. Leaves the model in
/// training mode. Throws Interrupted when `watch` stops it (part "gradient", counted in gradients).
nlohmann::json gradient_noise(model::Session& session, std::int64_t draws, const base::Watch& watch = {});

}  // namespace variform::measure
