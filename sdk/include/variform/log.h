#pragma once
// What a plugin has to say to whoever runs the program. It reaches the terminal and, in a training, the run's log.txt,
// with the component's name before it. Never print: stdout belongs to a command's result. Light: no LibTorch.

#include <string_view>

namespace variform {
inline namespace v2 {

/// How much a message matters to the one who reads it.
enum class LogLevel {
  kDebug,    ///< how something was decided: shown with `-v`, or VARIFORM_LOG=debug
  kInfo,     ///< ordinary news
  kNote,     ///< what a user would like to know, and need not act on
  kWarning,  ///< what a user should look at
};

/// Says a sentence, or several lines. May be called by any thread, at any time; outside of the program (in a test of
/// the plugin by itself) nobody listens. An error is an exception, not a message.
__attribute__((visibility("default"))) void log(LogLevel level, std::string_view text);

/// Whether anybody reads messages of this level: for those that cost something to compose.
__attribute__((visibility("default"))) bool wants_log(LogLevel level);

}  // namespace v2
}  // namespace variform
