#pragma once
// What the engine has to say while it works. Libraries get a Log from their caller and never print by themselves.

#include <string>
#include <string_view>

namespace variform::base {

/// How much something matters to the one who reads it.
enum class Level { kTrace, kDebug, kInfo, kNote, kWarning, kError };

/// Takes messages of one or several lines, without an end of line. Implementations say a message's level before it
/// ("note:", "warning:", "error:"; nothing before kInfo), and may be called by several threads. `topic` is the room that
/// speaks ("plugins", "train"), by which a reader may ask for more.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(Level level, std::string_view topic, const std::string& text) = 0;
  /// Whether anybody reads such messages. Those below kInfo should be composed only if so.
  virtual bool wants(Level level, std::string_view topic) const {
    (void)topic;
    return level >= Level::kInfo;
  }

  void info(const std::string& text) { write(Level::kInfo, {}, text); }
  /// What a user would like to know, and need not act on.
  void note(const std::string& text) { write(Level::kNote, {}, text); }
  /// What a user should look at.
  void warning(const std::string& text) { write(Level::kWarning, {}, text); }
  /// How something was decided, for whoever asks for it (-v). `text` is called only then.
  template <class Text>
  void debug(std::string_view topic, const Text& text) {
    if (wants(Level::kDebug, topic)) write(Level::kDebug, topic, text());
  }
};

/// For work that nobody listens to.
class SilentLog final : public Log {
 public:
  void write(Level, std::string_view, const std::string&) override {}
  bool wants(Level, std::string_view) const override { return false; }
};

/// "note", "warning", …
const char* to_string(Level level);

}  // namespace variform::base
