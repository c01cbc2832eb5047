#pragma once
// Small, smooth, exactly known components that fill the other slots of a model around the one under test. They are
// no plugins and have no parameters: tests need something that is certainly right.

#include <variform/model.h>

namespace variform::conformance {

/// A component of `kind` for a Build with sizes; the likelihood decodes `outputs` numbers per data value.
///   encoder     tanh(xA)B
///   decoder     tanh(zA + a)B + b, by elementary operations
///   family      diagonal Gaussian, everything in closed form
///   prior       standard normal
///   likelihood  Gaussian, unit variance
///   objective   nll + 0.7 KL, two draws
std::shared_ptr<Component> stand_in(Kind kind, const Build& build, int64_t outputs = 1);

}  // namespace variform::conformance
