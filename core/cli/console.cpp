// See console.h.

#include "cli/console.h"

#include "base/frames.h"
#include "cli/commands.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/quote.h"
#include "base/table.h"
#include "base/words.h"
#include "config/text.h"

namespace variform::cli {
namespace {
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

int terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}
}  // namespace

std::string fitted(const std::string& text) { return base::folded(text, output_width()); }

std::size_t output_width() {
  if (const char* columns = std::getenv("COLUMNS")) {
    std::size_t width = 0;
    const char* end = columns + std::strlen(columns);
    if (std::from_chars(columns, end, width).ptr == end && width > 0) return width;
  }
  winsize size{};
  const int output = result_output();
  return ::isatty(output) != 0 && ::ioctl(output, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::string bar_text(int64_t done, int64_t total, int64_t made, double seconds, const char* unit) {
  constexpr int kCells = 20;
  const double share = static_cast<double>(done) / static_cast<double>(std::max<int64_t>(total, 1));
  const double rate = static_cast<double>(made) / std::max(seconds, 1e-9);
  const std::string left = rate > 0 ? base::duration_text(static_cast<double>(total - done) / rate) : "?";
  const int full = static_cast<int>(share * kCells);
  char speed[32], text[160];
  std::snprintf(speed, sizeof speed, rate < 9.95 ? "%.2g" : "%.0f", rate);
  std::snprintf(text, sizeof text, "%3d%% [%s%s] %lld/%lld, %s %s/s, %s left", static_cast<int>(share * 100),
                std::string(static_cast<size_t>(full), '#').c_str(),
                std::string(static_cast<size_t>(kCells - full), '.').c_str(), static_cast<long long>(done),
                static_cast<long long>(total), speed, unit, left.c_str());
  return text;
}

void show_bar(const std::string& text) {
  write_over(config::shorten(base::shown(text), static_cast<std::size_t>(terminal_width() - 2)));
}

void clear_bar_line() { clear_line(); }

Console::Console(model::RunFolder* folder, bool quiet)
    : folder_(folder),
      quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) != 0),
      started_(Clock::now()),
      drawn_(started_ - std::chrono::hours(1)),
      printed_(started_) {}

Console::~Console() { clear_bar(); }

void Console::clear_bar() {
  if (bar_shown_) clear_bar_line();
  bar_shown_ = false;
}

void Console::print(const std::string& line) {
  if (folder_) folder_->append_log(line);
  if (quiet_) return;
  clear_bar();
  write_message(line);
}

void Console::message(const std::string& text) { print(base::without_frames(text)); }

void Console::draw_bar(int64_t step, int64_t horizon) {
  const std::string bar = bar_text(step, horizon, step - first_step_, seconds_since(started_), "steps");
  show_bar(bar + (latest_.empty() ? "" : "  " + base::values_text(latest_)));
  bar_shown_ = true;
}

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
    draw_bar(step, horizon);
  } else if (!values.empty() && seconds_since(printed_) > 10) {
    printed_ = Clock::now();
    print("step " + std::to_string(step) + "/" + std::to_string(horizon) + ": " + base::values_text(values));
  }
}

void Console::evaluated(int64_t step, const std::string& split, const std::map<std::string, double>& values,
                        bool best) {
  print("step " + std::to_string(step) + ", " + split + ": " + base::values_text(values) +
        (best ? " (best so far)" : ""));
}

}  // namespace variform::cli
