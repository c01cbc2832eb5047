#pragma once
// Runs commands in processes of their own, with their output in a file.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace variform::study {

/// How a command ended.
struct Exit {
  int code = 0;              ///< exit status; 128 + n after signal n
  bool interrupted = false;  ///< SIGTERM was sent to it because `interrupted` returned true
  bool killed = false;       ///< it was killed because `unwanted` returned true
};

/// Runs arguments[0] with the others, stdout and stderr appended to `log`, and waits. Once `interrupted` returns true
/// the command gets SIGTERM, once, and is waited for; once `unwanted` does, it is killed, with the processes that it has
/// started. The command dies with the thread that waits for it. May be called from several threads. Throws
/// std::system_error when the command cannot be started.
Exit execute(const std::vector<std::string>& arguments, const std::filesystem::path& log,
             const std::function<bool()>& interrupted, const std::function<bool()>& unwanted = {});

/// Kills (SIGKILL) the commands that execute() waits for, with the processes that they have started. For a process that
/// ends at once itself, and whose commands may hang in a plugin. Async-signal-safe; does nothing in a child of fork().
void kill_commands() noexcept;

/// Returns a log from some byte on; empty if there is no log.
std::string text_since(const std::filesystem::path& log, std::size_t start);

}  // namespace variform::study
