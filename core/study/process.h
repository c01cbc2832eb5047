#pragma once
// A command in a process of its own, its output in a file.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace variform::study {

/// How a command ended.
struct Exit {
  int code = 0;              ///< exit status; 128 + n after signal n
  bool interrupted = false;  ///< SIGTERM was sent to it because `interrupted` said so
};

/// Runs arguments[0] with the others, stdout and stderr appended to `log`, and waits. Once `interrupted` is true the
/// command gets SIGTERM, once, and is waited for. The command dies with the thread that waits for it. May be called
/// from several threads. `kept` is a descriptor that the command inherits: a lock that lives as long as it. Throws
/// std::system_error when it cannot be started.
Exit execute(const std::vector<std::string>& arguments, const std::filesystem::path& log,
             const std::function<bool()>& interrupted, int kept = -1);

/// Ends at once (SIGKILL), with what they have started, the commands that execute() waits for: for a process that ends at
/// once itself, and whose commands may hang in a plugin. Async-signal-safe; does nothing in a child of fork().
void kill_commands() noexcept;

/// A log from some byte on; empty where there is none.
std::string text_since(const std::filesystem::path& log, std::size_t start);

}  // namespace variform::study
