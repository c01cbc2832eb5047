// See console.h.

#include "cli/console.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/words.h"

namespace variform::cli {
namespace {
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}
}  // namespace

std::string bar_text(int64_t done, int64_t total, int64_t made, double seconds, const char* unit) {
  constexpr int kCells = 20;
  const double share = static_cast<double>(done) / static_cast<double>(std::max<int64_t>(total, 1));
  const double rate = static_cast<double>(made) / std::max(seconds, 1e-9);
  const std::string left = rate > 0 ? base::duration_text(static_cast<double>(total - done) / rate) : "?";
  const int full = static_cast<int>(share * kCells);
  const std::string speed = rate < 9.95 ? fmt::format("{:.2g}", rate) : fmt::format("{:.0f}", rate);
  return fmt::format("{:3}% [{}{}] {}/{}, {} {}/s, {} left", static_cast<int>(share * 100),
                     std::string(static_cast<size_t>(full), '#'),
                     std::string(static_cast<size_t>(kCells - full), '.'), done, total, speed, unit, left);
}

Console::Console(const Common& common, base::Log& log)
    : log_(log),
      quiet_(!log.wants(base::Level::kInfo, {}) || common.quiet),
      terminal_(common.shows_bars()),
      started_(Clock::now()),
      drawn_(started_ - std::chrono::hours(1)),
      printed_(started_) {}

Console::~Console() { clear_bar(); }

void Console::stepped(int64_t step, int64_t horizon, const std::map<std::string, double>& values) {
  if (first_step_ < 0) {
    first_step_ = step - 1;
    started_ = Clock::now();
  }
  if (!values.empty()) latest_ = values;
  if (quiet_) return;
  if (terminal_) {
    if (seconds_since(drawn_) < 0.1 && step != horizon) return;
    drawn_ = Clock::now();
    const std::string text = bar_text(step, horizon, step - first_step_, seconds_since(started_), "steps");
    show_bar(text + (latest_.empty() ? "" : "  " + base::values_text(latest_)));
  } else if (!values.empty() && seconds_since(printed_) > 10) {
    printed_ = Clock::now();
    log_.info(fmt::format("step {}/{}: {}", step, horizon, base::values_text(values)));
  }
}

void Console::evaluated(int64_t step, const std::string& split, const std::map<std::string, double>& values,
                        bool best) {
  log_.info(
      fmt::format("step {}, {}: {}{}", step, split, base::values_text(values), best ? " (best so far)" : ""));
}

}  // namespace variform::cli
