// See progress.h.

#include "cli/progress.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "cli/commands.h"
#include "cli/console.h"

namespace variform::cli {
namespace {

std::chrono::duration<double> time_between(bool terminal) {
  constexpr double kOnTerminal = 0.1, kElsewhere = 60;
  const char* asked = std::getenv("VARIFORM_PROGRESS_SECONDS");
  const double seconds = asked ? std::atof(asked) : 0;
  return std::chrono::duration<double>(terminal ? kOnTerminal : seconds > 0 ? seconds : kElsewhere);
}

}  // namespace

Progress::Progress(const Common& common)
    : log_(common.log),
      quiet_(!common.log.wants(base::Level::kInfo, {})),
      terminal_(common.shows_bars()),
      every_(time_between(terminal_)),
      part_started_(std::chrono::steady_clock::now()),
      drawn_(part_started_) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (shown_) clear_bar();
  shown_ = false;
}

void Progress::show(const std::string& what, const char* unit, std::int64_t done, std::int64_t total,
                    std::int64_t made) {
  if (quiet_) return;
  const auto now = std::chrono::steady_clock::now();
  const bool is_new = what != part_;
  if (is_new) {
    part_ = what;
    part_started_ = now;
  }
  if (now - drawn_ < every_ && !(terminal_ && is_new)) return;
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - part_started_).count();
  const std::string text = what + ": " + bar_text(done, total, made < 0 ? done : made, seconds, unit);
  if (terminal_) show_bar(text);
  else log_.info(text);
  shown_ = terminal_;
}

base::Watch watch_with(Progress& progress) {
  return [&progress](const char* part, std::int64_t done, std::int64_t total) {
    const std::string_view name = part;
    const char* unit = name == "values" || name == "codes" ? "rows" : name == "pairs" ? "pairs" : "steps";
    progress.show(part, unit, done, total);
    return !interrupted();
  };
}

}  // namespace variform::cli
