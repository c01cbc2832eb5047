// See run_log.h.

#include "train/run_log.h"

#include <fmt/format.h>

#include "base/local_time.h"

namespace variform::train {

void RunLog::write_to_file(base::Level level, const std::string& text) {
  folder_.append_log(
      fmt::format("{} step {}  {}", base::local_time(), step_.load(), with_level(level, text)));
}

void RunLog::write(base::Level level, std::string_view topic, const std::string& text) {
  write_to_file(level, text);
  to().write(level, topic, text);
}

}  // namespace variform::train
