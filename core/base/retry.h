#pragma once
// System calls that a signal may interrupt (EINTR). The program's own handlers restart them; those that a plugin, a
// library or a debugger has installed need not, and whoever sends a process signals has to find it at work afterwards.

#include <cerrno>

namespace variform::base {

/// call() until it is not interrupted: `retried([&] { return ::read(file, to, n); })`. Not for close(), whose descriptor
/// is gone even then.
template <class Call>
auto retried(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace variform::base
