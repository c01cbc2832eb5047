// How the process keeps memory.
#pragma once

#if defined(VARIFORM_JEMALLOC)
#include <jemalloc/jemalloc.h>

#include <sys/types.h>
#endif

namespace variform::train {

// Freed memory stays with the process, up to its peak, for the next tensors: for main() of a program that computes, linked
// to variform-memory. There jemalloc stands in for malloc, whose glibc kind gives a tensor of some hundred KiB back to the
// system and fetches it again, page by page and filled with zeros, in every step (a fifth of an evaluation's time), and
// takes longer for small pieces between large ones (a sixteenth of an MLP's step). Builds with sanitizers keep theirs.
inline void keep_freed_memory() {
#if defined(VARIFORM_JEMALLOC)
  ssize_t never = -1;
  for (const char* const when : {"arenas.dirty_decay_ms", "arenas.muzzy_decay_ms",  // arenas that are still to come,
                                 "arena.0.dirty_decay_ms", "arena.0.muzzy_decay_ms"})  // and the one that is there
    ::mallctl(when, nullptr, nullptr, &never, sizeof(never));
#endif
}

}  // namespace variform::train
