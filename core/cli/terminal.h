#pragma once
// The one place where the program prints. Nearly every line contains text by others (names, paths, labels), which must
// not control a terminal: base::shown_lines() or base::Logger makes it harmless. Results go to stdout, all else to
// stderr.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace variform::cli {

/// Writes whole lines to stderr, as the log makes them, above a bar that is shown. May be called by several threads, as
/// may the next two.
void write_lines(const std::string& lines);
/// Shows a bar on the terminal's last line, cut to its width, instead of the one before.
void show_bar(const std::string& text);
void clear_bar();
/// Whether stderr is a terminal.
bool has_terminal();

/// Writes text, or JSON by json_text(), to stdout.
void write_result(const std::string& text);
/// Returns indented JSON; characters that a terminal must not get are escaped by the rules of JSON.
std::string json_text(const nlohmann::json& json);

/// Reserves stdout for write_result(): anything else that is printed there, for instance by a plugin, goes to stderr.
void guard_stdout();
/// True when write_result() could not write all of its text.
bool result_lost();
/// The descriptor for results: stdout as the process got it, which plugins cannot reach.
int result_output();

/// The width of tables on stdout: COLUMNS if it is a number, else the terminal's width; 0, no limit, where stdout is
/// not a terminal.
std::size_t output_width();
/// Folds the lines of a text to that width.
std::string fitted(const std::string& text);

}  // namespace variform::cli
