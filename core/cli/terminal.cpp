// See terminal.h.

#include "cli/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>

#include "base/file.h"
#include "base/quote.h"

namespace variform::cli {
namespace {

// Where results go: stdout as the program found it, once guard_stdout() has been called.
int result_descriptor = STDOUT_FILENO;
bool result_was_lost = false;

std::string ended(const std::string& text) {
  const std::string safe = base::shown_lines(text);
  return safe.ends_with('\n') ? safe : safe + '\n';
}

}  // namespace

void write_message(const std::string& text) { std::fputs(ended(text).c_str(), stderr); }

void write_over(const std::string& line) {
  std::fprintf(stderr, "\r%s\x1b[K", base::shown(line).c_str());
  std::fflush(stderr);
}

void clear_line() { std::fputs("\r\x1b[K", stderr); }

void TerminalLog::write(base::Level level, const std::string& text) {
  if (level < least) return;
  const char* prefix = level == base::Level::kNote      ? "note: "
                       : level == base::Level::kWarning ? "warning: "
                       : level == base::Level::kError   ? "error: "
                                                        : "";
  write_message(prefix + text);
}

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
  if (own < 0) return;  // closed, or no descriptor to spare: as it was
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) ::close(own);
  else result_descriptor = own;
}

bool result_lost() { return result_was_lost; }

int result_output() { return result_descriptor; }

}  // namespace variform::cli
