#pragma once
// Restricts what a process that reads untrusted bytes may ask of the kernel.

namespace variform::base {

/// Lets this process, which must have a single thread, only read files, take and give back memory, write to what is
/// open already, and end. Everything else (opening for writing, renaming, removing, starting programs, the network,
/// signals to others) fails with EPERM. Has no effect where the kernel has no seccomp.
void only_read_files();

}  // namespace variform::base
