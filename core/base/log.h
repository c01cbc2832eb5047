#pragma once
// What the engine has to say while it works. Libraries get a Log from their caller and never print by themselves.

#include <string>

namespace variform::base {

/// How much something matters to the one who reads it.
enum class Level { kTrace, kDebug, kInfo, kNote, kWarning, kError };

/// Takes messages of one or several lines, without an end of line. Implementations say a message's level before it ("note:",
/// "warning:", "error:"; nothing before kInfo), and may be called by several threads.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(Level level, const std::string& text) = 0;

  void debug(const std::string& text) { write(Level::kDebug, text); }
  void info(const std::string& text) { write(Level::kInfo, text); }
  /// What a user would like to know, and need not act on.
  void note(const std::string& text) { write(Level::kNote, text); }
  /// What a user should look at.
  void warning(const std::string& text) { write(Level::kWarning, text); }
};

}  // namespace variform::base
