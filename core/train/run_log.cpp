// See run_log.h.

#include "train/run_log.h"

#include <fmt/format.h>

#include "base/local_time.h"

namespace variform::train {

void RunLog::write_to_file(base::Level level, const std::string& text) {
  const std::string what = level == base::Level::kInfo ? "" : fmt::format("{}: ", base::to_string(level));
  folder_.append_log(fmt::format("{} step {}  {}{}", base::local_time(), step_.load(), what, text));
}

void RunLog::write(base::Level level, std::string_view topic, const std::string& text) {
  write_to_file(level, text);
  to_.write(level, topic, text);
}

}  // namespace variform::train
