#pragma once
// Finds side effects of components. A plugin that draws from a generator of its own, reads a value on the host or
// prints still trains, and the damage shows much later, or never.

#include <string>
#include <vector>

#include "model/assembly.h"

namespace variform::model {

/// Calls the functions that a training step uses, one by one, on a few rows. Returns a sentence, with component and
/// function, for each of these: draws from LibTorch's global generator, other values at a second call with the same
/// random numbers, text on stdout, values read on the host, gradients switched off, and draws of q that do not depend
/// on the encoder. Restores buffers, generators and modes. A function that throws ends the search: the step itself
/// reports it better.
std::vector<std::string> what_components_do(Assembly& assembly, const Batch& rows);

}  // namespace variform::model
