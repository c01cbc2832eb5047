#pragma once
// What the kernel lets a process do that opens what others wrote.

namespace variform::base {

/// From now on this process (call it in one of a single thread) can read files, take and give back memory, write to what
/// is open already, and end. Everything else (opening for writing, renaming, removing, starting programs, the network,
/// signals to others) fails with EPERM. Without effect where the kernel has no seccomp.
void only_read_files();

}  // namespace variform::base
