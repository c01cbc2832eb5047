#pragma once
// KL divergences of single latents during a training, for what is shown of it.

#include "config/experiment.h"
#include "model/assembly.h"
#include "model/batches.h"

namespace variform::train {

/// Returns KL(q(z_i|x) ‖ p(z_i)) of the first rows of the evaluation split, one evaluation batch of them: [B, d] float64
/// on the CPU, in nats. Leaves the model's mode and its stream of random numbers as they were. Throws Unsupported when the
/// prior is not Gaussian or the posterior's latents are not known one by one, and ComponentError.
Tensor kl_of_latents(model::Assembly& assembly, model::Batches& batches, const config::TrainSpec& spec);

}  // namespace variform::train
