// See logger.h. The only file that sees spdlog.

#include "base/logger.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/quote.h"

namespace variform::base {
namespace {

constexpr Level kLevels[] = {Level::kTrace, Level::kDebug,   Level::kInfo,
                             Level::kNote,  Level::kWarning, Level::kError};

// spdlog has no notes: they are its informations, and plain lines its level below. Order is all that matters to it.
spdlog::level::level_enum spdlog_level(Level level) {
  return static_cast<spdlog::level::level_enum>(static_cast<int>(level));
}
Level level_of(spdlog::level::level_enum level) { return static_cast<Level>(static_cast<int>(level)); }

const char* colour_of(Level level) {
  switch (level) {
    case Level::kTrace:
    case Level::kDebug: return "\x1b[2m";
    case Level::kNote: return "\x1b[36m";
    case Level::kWarning: return "\x1b[33m";
    case Level::kError: return "\x1b[31m";
    default: return "";
  }
}

std::string line_of(const spdlog::details::log_msg& message, bool colour) {
  const Level level = level_of(message.level);
  std::string text = shown_lines(std::string(message.payload.data(), message.payload.size()));
  if (level == Level::kInfo) return text;
  const std::string topic(message.logger_name.data(), message.logger_name.size());
  const std::string prefix = to_string(level) + (topic.empty() ? std::string() : " (" + topic + ")") + ":";
  return (colour ? colour_of(level) + prefix + "\x1b[0m" : prefix) + " " + text;
}

std::string json_of(const spdlog::details::log_msg& message) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
  const nlohmann::json object = {
      {"time", static_cast<double>(milliseconds) / 1000},
      {"level", to_string(level_of(message.level))},
      {"topic", std::string(message.logger_name.data(), message.logger_name.size())},
      {"text", std::string(message.payload.data(), message.payload.size())}};
  return json_shown(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

class PrintSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit PrintSink(Logger::Print print) : print_(std::move(print)) {}
  void set(const LoggerOptions& how) {
    const std::lock_guard lock(mutex_);
    json_ = how.json;
    colour_ = how.colour;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    print_(json_ ? json_of(message) : line_of(message, colour_));
  }
  void flush_() override {}

 private:
  Logger::Print print_;
  bool json_ = false, colour_ = false;  // guarded by the base's mutex, which sink_it_() is called with
};

}  // namespace

const char* to_string(Level level) {
  switch (level) {
    case Level::kTrace: return "trace";
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kNote: return "note";
    case Level::kWarning: return "warning";
    case Level::kError: return "error";
  }
  return "";
}

Level Levels::of(std::string_view topic) const {
  const auto found = topics.find(topic);
  return found == topics.end() ? least : found->second;
}

Levels levels_in(const std::string& text, Levels before) {
  const auto level_named = [&](const std::string& name) {
    std::string all;
    for (Level level : kLevels) {
      if (name == to_string(level)) return level;
      all += (all.empty() ? "" : ", ") + std::string(to_string(level));
    }
    throw Error("a log takes levels such as 'debug,plugins=trace'; expected one of " + all + ", found '" +
                name + "'.");
  };
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) before.least = level_named(part);
    else before.topics[part.substr(0, equals)] = level_named(part.substr(equals + 1));
    begin = end + 1;
  }
  return before;
}

struct Logger::State {
  mutable std::mutex mutex;
  Levels levels;
  std::shared_ptr<spdlog::sinks::sink> sink;
  std::function<void(const LoggerOptions&)> set_sink;  // how it writes
};

Logger::Logger(LoggerOptions options, Print print) : state_(std::make_unique<State>()) {
  const auto sink = std::make_shared<PrintSink>(std::move(print));
  state_->sink = sink;
  state_->set_sink = [sink](const LoggerOptions& how) { sink->set(how); };
  set(std::move(options));
}

Logger::~Logger() = default;

void Logger::set(LoggerOptions options) {
  const std::lock_guard lock(state_->mutex);
  state_->set_sink(options);
  state_->levels = std::move(options.levels);
}

bool Logger::wants(Level level, std::string_view topic) const {
  const std::lock_guard lock(state_->mutex);
  return level >= state_->levels.of(topic);
}

void Logger::write(Level level, std::string_view topic, const std::string& text) {
  if (!wants(level, topic)) return;
  state_->sink->log(spdlog::details::log_msg(spdlog::string_view_t(topic.data(), topic.size()),
                                             spdlog_level(level),
                                             spdlog::string_view_t(text.data(), text.size())));
}

}  // namespace variform::base
