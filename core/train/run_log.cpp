// See run_log.h.

#include "train/run_log.h"

#include <ctime>

namespace variform::train {
namespace {

// "2026-11-30 01:30:05", local time.
std::string now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

}  // namespace

void RunLog::write_to_file(base::Level level, const std::string& text) {
  const std::string what = level == base::Level::kInfo ? "" : std::string(base::to_string(level)) + ": ";
  folder_.append_log(now() + " step " + std::to_string(step_) + "  " + what + text);
}

void RunLog::write(base::Level level, std::string_view topic, const std::string& text) {
  write_to_file(level, text);
  to_.write(level, topic, text);
}

}  // namespace variform::train
