#pragma once
// Sends what plugins say (variform/log.h) to a log.

#include <variform/log_sink.h>

#include "base/log.h"

namespace variform::plugins {

/// While it lives, messages of plugins go to `log`, under the topic "plugins"; afterwards where they went before.
class PluginLog final : public LogSink {
 public:
  explicit PluginLog(base::Log& log) : log_(log), before_(exchange_log_sink(this)) {}
  ~PluginLog() override { exchange_log_sink(before_); }
  PluginLog(const PluginLog&) = delete;
  PluginLog& operator=(const PluginLog&) = delete;

  void write(LogLevel level, const std::string& who, std::string_view text) override;
  bool wants(LogLevel level) const override;

 private:
  base::Log& log_;
  LogSink* const before_;
};

}  // namespace variform::plugins
