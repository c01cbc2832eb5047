#pragma once
// Decides who computes the dense products of linear layers on this machine: LibTorch's own library (MKL, OpenBLAS) or its
// oneDNN, per class of sizes. Which is faster depends on the processor, its instruction set, the library and the number
// of threads, so it is measured: once, and kept in the user's cache.

#include <string>

namespace variform::base {
class Log;
}

namespace variform::model {

/// Decides, and has the SDK's layers compute so from now on. Returns the choice as runs record it: a word for each class of
/// sizes, from small to large: "libtorch onednn onednn". Call it once the number of threads is set.
///
/// VARIFORM_KERNELS=libtorch or =onednn chooses one for all sizes, without measuring; =measured is the default. Otherwise
/// `recorded`, a choice that an earlier call returned, is kept if it is not empty, with a note if this machine's is
/// another one: a resumed training sums in the order of its beginning. Throws std::runtime_error for another value of
/// VARIFORM_KERNELS.
std::string choose_products(base::Log& log, const std::string& recorded = {});

}  // namespace variform::model
