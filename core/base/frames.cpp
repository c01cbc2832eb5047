// See frames.h.

#include "base/frames.h"

#include <algorithm>
#include <cstdlib>

namespace variform::base {

bool shows_frames() {
  const char* asked = std::getenv("VARIFORM_BACKTRACE");
  return asked && *asked && std::string_view(asked) != "0";
}

// In the environment, so that the processes which a study starts show them, too.
void show_frames() { ::setenv("VARIFORM_BACKTRACE", "1", 1); }

std::string without_frames(std::string_view message) {
  if (shows_frames()) return std::string(message);
  std::string kept;
  bool in_frames = false;
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t end = std::min(message.find('\n', at), message.size());
    const std::string_view line = message.substr(at, end - at);
    const bool begins = line.starts_with("Exception raised from ");
    const bool goes_on = in_frames && (line.starts_with("frame #") || line.starts_with("<omitting ") ||
                                       line.starts_with("(no backtrace") || line.empty());
    if (!begins && !goes_on) kept.append(line).push_back('\n');
    in_frames = begins || (goes_on && !line.empty());
    at = end + 1;
  }
  if (!kept.empty() && (message.empty() || message.back() != '\n' || in_frames)) kept.pop_back();
  return kept;
}

}  // namespace variform::base
