#pragma once
// Looks at what components do beside what they return. A plugin that draws from a generator of its own, reads a value
// on the host or prints trains all the same, and the damage shows much later, or never.

#include <string>
#include <vector>

#include "model/assembly.h"

namespace variform::model {

/// Calls the functions that a training step uses, one by one, on two rows or so, and returns a sentence for each thing
/// that was noticed, with component and function: draws from LibTorch's global generator, other values at a second call
/// with the same random numbers, text on stdout, values read on the host, gradients switched off, and draws of q that
/// do not depend on the encoder. Buffers, generators and modes are as before afterwards. A function that throws ends
/// the look: the step itself says so better.
std::vector<std::string> what_components_do(Assembly& assembly, const Batch& rows);

}  // namespace variform::model
