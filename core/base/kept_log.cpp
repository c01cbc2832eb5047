// See kept_log.h.

#include "base/kept_log.h"

namespace variform::base {

std::string KeptLog::with_level(Level level, const std::string& text) {
  return level == Level::kInfo ? text : std::string(to_string(level)) + ": " + text;
}

}  // namespace variform::base
