#pragma once
// How much memory this process may still take.

#include <cstdint>
#include <string>

namespace variform::base {

/// Bytes that may still be taken before something refuses them: what the system has available, what the control groups
/// (version 1 or 2) leave, and what the limits of address space and data segment (`ulimit -v`, `ulimit -d`) leave.
std::uint64_t free_memory();

/// "3.91 GB" (10^9 bytes), "25 MB", "640 bytes".
std::string memory_text(std::uint64_t bytes);

}  // namespace variform::base
