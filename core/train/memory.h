// How the process keeps memory.
#pragma once

#if defined(__linux__)
#include <malloc.h>
#endif

namespace variform::train {

// Freed memory stays with the process, up to its peak, for the next tensors. As glibc comes, a tensor of some hundred KiB
// may go back to the system and be fetched again, page by page and filled with zeros, in every step: a fifth of an
// evaluation's time. For main() of a program that computes.
inline void keep_freed_memory() {
#if defined(__GLIBC__)
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that it takes
  ::mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

}  // namespace variform::train
