// What a program that computes asks of its process: for main(), before the first thread.
#pragma once

#include <ATen/Context.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#if defined(VARIFORM_JEMALLOC)
#include <jemalloc/jemalloc.h>

#include <sys/types.h>
#endif

namespace variform::model {

// Freed memory stays with the process, up to its peak, for the next tensors. In a program linked to variform-process
// jemalloc stands in for malloc, whose glibc kind gives a tensor of some hundred KiB back to the system and fetches it
// again, page by page and filled with zeros, in every step (a fifth of an evaluation's time), and takes longer for small
// pieces between large ones (a sixteenth of an MLP's step). Builds with sanitizers have their own, and keep it.
inline void keep_freed_memory() {
#if defined(VARIFORM_JEMALLOC)
  ssize_t never = -1;
  const auto set = [&](const char* when) { ::mallctl(when, nullptr, nullptr, &never, sizeof(never)); };
  set("arenas.dirty_decay_ms");  // of those that are still to come
  set("arenas.muzzy_decay_ms");
  set("arena.0.dirty_decay_ms");  // of the one that is there
  set("arena.0.muzzy_decay_ms");
#endif
}

// Numbers too small for their exponent (below 1.2e-38 in float32) count as zero, in this thread and those that it starts
// from now on. Processors compute more slowly with them, and Adam's averages are full of them: that of a weight whose gradient
// has become zero, such as a dead unit's, shrinks by a tenth a step and is in that range from about the 700th to the 850th.
inline void flush_denormals() { at::Context::setFlushDenormal(true); }

/// How many processors this process may keep busy: those that it is bound to (taskset, a batch system), less where its
/// control group has a quota or SLURM_CPUS_PER_TASK says so. At least 1.
std::int64_t usable_processors();

/// The processors of a control group's quota, rounded up: the least of the group's own and its ancestors', version 2
/// (`cpu.max`) or 1. `mounted` is where groups are seen, `membership` the text of /proc/self/cgroup. Nothing if there is none.
std::optional<std::int64_t> quota_of(const std::filesystem::path& mounted, const std::string& membership);

/// Sets LibTorch's threads: `wanted`, or with 0 as many as the process may use; never more than OMP_NUM_THREADS says.
/// Returns how many there are now.
std::int64_t set_threads(std::int64_t wanted);

}  // namespace variform::model
