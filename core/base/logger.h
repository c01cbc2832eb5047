#pragma once
// The Log of a program, on spdlog: levels by topic, lines of text or JSON, and files beside.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/log.h"

namespace variform::base {

/// From which level on messages are shown.
struct Levels {
  Level least = Level::kInfo;
  std::map<std::string, Level, std::less<>> topics = {};  ///< exceptions

  Level of(std::string_view topic) const;
};

/// Reads "debug,plugins=trace": a level, and levels of topics, in any order. What is not said stays as in `before`.
/// Throws Error naming the part that is neither, and the levels.
Levels levels_in(const std::string& text, Levels before);

struct LoggerOptions {
  Levels levels = {};
  bool json = false;    ///< one JSON object per line, with time, level, topic and text
  bool colour = false;  ///< levels in the colours of a terminal
};

/// Shows messages by `print`, which gets whole lines, harmless to a terminal (base/quote.h) but for the colours. May be
/// called by several threads.
class Logger final : public Log {
 public:
  using Print = std::function<void(const std::string& lines)>;
  Logger(LoggerOptions options, Print print);
  ~Logger() override;

  /// Other options from now on.
  void set(LoggerOptions options);
  void write(Level level, std::string_view topic, const std::string& text) override;
  bool wants(Level level, std::string_view topic) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace variform::base
