#pragma once
// docs/compositions.md: what composes with what, found by trying.

#include <string>

namespace variform::composition {

/// Four tables (families and priors, each kind and objectives), with the reasons of what is refused.
std::string tables();

}  // namespace variform::composition
