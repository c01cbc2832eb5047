#pragma once
// The one place where the program prints. What others wrote (names, paths, labels) is in nearly every line; none of it may
// command a terminal, so that all text passes base::shown_lines() here. Results go to stdout, everything else to stderr.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/log.h"

namespace variform::cli {

/// Notes, warnings, errors, progress: a line or several on stderr.
void write_message(const std::string& text);
/// A line that is written over by the next one, and its removal; for terminals.
void write_over(const std::string& line);
void clear_line();

/// The engine's log on stderr.
class TerminalLog final : public base::Log {
 public:
  void write(base::Level level, const std::string& text) override;
  /// What matters less than this is not shown.
  base::Level least = base::Level::kInfo;
};

/// Text, or JSON by json_text(), on stdout.
void write_result(const std::string& text);
/// Indented; what a terminal must not get is escaped by the rules of JSON.
std::string json_text(const nlohmann::json& json);

/// Keeps stdout for write_result(): whatever else the process prints there, a plugin for instance, goes to stderr.
void guard_stdout();
/// True when write_result() could not write all of its text.
bool result_lost();
/// Where results go: stdout as the process was given it, which plugins do not reach.
int result_output();

}  // namespace variform::cli
