// See plugin_log.h.

#include "plugins/plugin_log.h"

namespace variform::plugins {
namespace {

constexpr const char* kTopic = "plugins";

base::Level level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return base::Level::kDebug;
    case LogLevel::kInfo: return base::Level::kInfo;
    case LogLevel::kNote: return base::Level::kNote;
    case LogLevel::kWarning: return base::Level::kWarning;
  }
  return base::Level::kInfo;
}

}  // namespace

void PluginLog::write(LogLevel level, const std::string& who, std::string_view text) {
  log_.write(level_of(level), kTopic, (who.empty() ? "" : who + ": ") + std::string(text));
}

bool PluginLog::wants(LogLevel level) const { return log_.wants(level_of(level), kTopic); }

}  // namespace variform::plugins
