#pragma once
// Text that others wrote (names, labels, paths, values) on its way into something that gives characters a meaning: one
// function for each such place. No text becomes a command.

#include <string>
#include <string_view>
#include <vector>

namespace variform::base {

// ------------------------------------------------------------------------------------------------ for people

/// For messages, terminals and logs: control characters, what reorders text, and bytes that are no UTF-8, as \xNN.
std::string shown(std::string_view text);
/// The same for a text of several lines: their ends stay, a tab becomes a space. What every line on a terminal passes.
std::string shown_lines(std::string_view text);

// -------------------------------------------------------------------------------------------------- for shells

/// One word of a shell's command line: as it is where nothing in it means something to a shell, else in single quotes;
/// what shown() would change as escapes, so that what is shown is what is meant. Every command that a message suggests
/// has its paths and values through this.
std::string for_shell(std::string_view text);
/// KEY=VALUE for a shell, VALUE being TOML: objective.x='"2024"'. Words need no quotes of TOML there: objective.x=grae.
std::string override_for_shell(std::string_view key, std::string_view toml);

// ------------------------------------------------------------------------------------------------- for gnuplot

/// A text in a script: in single quotes, where nothing but the quote itself has a meaning; one that has it, in double
/// quotes as octal numbers. Control characters as \xNN, since a command ends at a line's end. Terminals are to be
/// `noenhanced`.
std::string gnuplot_text(std::string_view text);
/// Lines as one text.
std::string gnuplot_lines(const std::vector<std::string>& lines);
/// The same for the text of a tick, which gnuplot takes for a format.
std::string gnuplot_tick(const std::vector<std::string>& lines);
/// The name of a file in the script's folder: never a command or a special name ('< command', '|command', '-').
std::string gnuplot_file(std::string_view name);

// --------------------------------------------------------------------------------------------- for other files

/// A literal of Python by the rules of repr(); bytes that are no UTF-8 as Python names files with them (surrogates).
std::string python_literal(std::string_view text);
/// Text or the value of an attribute of HTML.
std::string html(std::string_view text);
/// A cell of a CSV file. A spreadsheet shows it as text: what it would take for a formula has an apostrophe in front, as
/// has what begins with one; csv_text() takes it off. Numbers stay numbers; line breaks become spaces.
std::string csv_cell(std::string_view text);
/// The same between quotes, also where it needs none.
std::string csv_quoted(std::string_view text);
/// What the text of a cell was before csv_cell(), after the quotes are gone.
std::string csv_text(std::string_view cell);
/// A cell of a table in Markdown.
std::string markdown_cell(std::string_view text);
/// Text in TeX.
std::string tex(std::string_view text);
/// JSON that is finished but for characters that a terminal must not get: as \uNNNN, which is the same JSON.
std::string json_shown(std::string_view json_text);

}  // namespace variform::base
