#pragma once
// Tells which source this program was built from. Results carry it.

#include <string>

namespace variform::cli {

/// The commit, twelve digits, with "-changed" when files differed from it; "unknown" outside of a Git checkout.
std::string revision();

}  // namespace variform::cli
