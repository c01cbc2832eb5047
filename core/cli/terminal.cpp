// See terminal.h.

#include "cli/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>

#include "base/file.h"
#include "base/quote.h"
#include "base/table.h"
#include "config/text.h"

namespace variform::cli {
namespace {

// The descriptor for results: stdout as the program found it, once guard_stdout() has been called.
int result_descriptor = STDOUT_FILENO;
bool result_was_lost = false;

// The bar on the terminal's last line.
struct Bar {
  std::mutex mutex;
  std::string text;  // empty: no bar

  void take_off() const {
    if (!text.empty()) std::fputs("\r\x1b[K", stderr);
  }
  void put_on() const {
    if (text.empty()) return;
    std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
    std::fflush(stderr);
  }
} bar;

int terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

std::string ended(const std::string& text) {
  const std::string safe = base::shown_lines(text);
  return safe.ends_with('\n') ? safe : safe + '\n';
}

}  // namespace

void write_lines(const std::string& lines) {
  const std::lock_guard lock(bar.mutex);
  bar.take_off();
  std::fputs((lines.ends_with('\n') ? lines : lines + '\n').c_str(), stderr);
  bar.put_on();
}

void show_bar(const std::string& text) {
  const std::lock_guard lock(bar.mutex);
  bar.text = config::shorten(base::shown(text), static_cast<std::size_t>(terminal_width() - 2));
  bar.put_on();
}

void clear_bar() {
  const std::lock_guard lock(bar.mutex);
  bar.take_off();
  bar.text.clear();
}

bool has_terminal() { return ::isatty(STDERR_FILENO) != 0; }

void write_result(const std::string& text) {
  const std::string all = ended(text);
  if (base::write_all(result_descriptor, std::as_bytes(std::span(all))) != 0) result_was_lost = true;
}

std::string json_text(const nlohmann::json& json) {
  return base::json_shown(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void guard_stdout() {
  std::fflush(stdout);
  const int own = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (own < 0) return;  // stdout is closed, or no descriptor is free: leave it as it is
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) ::close(own);
  else result_descriptor = own;
}

bool result_lost() { return result_was_lost; }

int result_output() { return result_descriptor; }

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

}  // namespace variform::cli
