// Settings of a process that computes: memory, denormals, threads. main() applies them before its first thread.
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

namespace variform::base {
class Log;
}

namespace variform::model {

// Keeps freed memory in the process, up to its peak, for the next tensors. A program linked to variform-process uses
// jemalloc: glibc's malloc returns a freed tensor of some hundred KiB to the system and fetches it again, page by page
// and filled with zeros, in every step. That took a fifth of an evaluation's time; small pieces between large ones took
// a sixteenth of an MLP's step. Builds with sanitizers keep the sanitizer's malloc.
inline void keep_freed_memory() {
#if defined(VARIFORM_JEMALLOC)
  ssize_t never = -1;
  const auto set = [&](const char* when) { ::mallctl(when, nullptr, nullptr, &never, sizeof(never)); };
  set("arenas.dirty_decay_ms");  // of arenas that are made later
  set("arenas.muzzy_decay_ms");
  set("arena.0.dirty_decay_ms");  // of the one that exists
  set("arena.0.muzzy_decay_ms");
#endif
}

// Treats denormal numbers (below 1.2e-38 in float32) as zero, in this thread and those that it starts from now on.
// Processors are slow with them, and Adam's averages produce many: once a weight's gradient has become zero, such as a
// dead unit's, its average shrinks by a tenth per step and is denormal from about the 700th to the 850th.
inline void flush_denormals() { at::Context::setFlushDenormal(true); }

/// The number of processors that this process may keep busy: those that it is bound to (taskset, a batch system), or
/// fewer where its control group has a quota or SLURM_CPUS_PER_TASK says so. At least 1.
std::int64_t usable_processors();

/// Returns a control group's quota in processors, rounded up: the least of the group's own and its ancestors', of
/// version 2 (`cpu.max`) or 1; nothing if there is none. `mounted` is where groups are mounted, `membership` the text
/// of /proc/self/cgroup.
std::optional<std::int64_t> quota_of(const std::filesystem::path& mounted, const std::string& membership);

/// Returns how many threads a computation gets: `wanted`, or for 0 as many as possible; never more than
/// usable_processors(), nor than OMP_NUM_THREADS says.
std::int64_t threads_for(std::int64_t wanted);
/// Sets the number of LibTorch's threads to threads_for(wanted), notes it where that is fewer, and returns it.
std::int64_t set_threads(std::int64_t wanted, base::Log& log);

}  // namespace variform::model
