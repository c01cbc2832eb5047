// See local_time.h.

#include "base/local_time.h"

#include <ctime>

namespace variform::base {

std::string local_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

}  // namespace variform::base
