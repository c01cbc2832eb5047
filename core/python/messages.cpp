// See messages.h.

#include "python/messages.h"

#include <utility>

#include "base/frames.h"
#include "plugins/plugin_log.h"

namespace variform::python {

void Messages::write(base::Level level, std::string_view, const std::string& text) {
  constexpr std::size_t kMost = 1000;
  const std::lock_guard lock(mutex_);
  if (kept_.size() < kMost)
    kept_.push_back(std::string(to_string(level)) + ": " + base::without_frames(text));
}

bool Messages::wants(base::Level level, std::string_view) const { return level >= base::Level::kInfo; }

std::vector<std::string> Messages::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(kept_, {});
}

Messages& messages() {
  static Messages& all = *new Messages;  // outlives plugins, which may speak while the process ends
  static const auto& of_plugins = *new plugins::PluginLog(all);
  static_cast<void>(of_plugins);
  return all;
}

}  // namespace variform::python
