#pragma once
// docs/compositions.md: what composes with what, found by trying.

#include <string>

namespace variform::composition {

/// Tables of two kinds (families and priors, each kind and objectives), of each kind with a condition and missing
/// values, and of commands and metrics with them, with the reasons of what is refused.
std::string tables();

}  // namespace variform::composition
