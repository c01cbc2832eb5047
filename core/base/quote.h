#pragma once
// Quotes text that others wrote (names, labels, paths, values): one function for each place that gives characters a
// meaning. No text becomes a command.

#include <string>
#include <string_view>
#include <vector>

namespace variform::base {

// ------------------------------------------------------------------------------------------------ for people

/// For messages, terminals and logs: control characters, what reorders text, and bytes that are not UTF-8, as \xNN.
std::string shown(std::string_view text);
/// The same for several lines: newlines stay, a tab becomes a space. Every line on a terminal passes through it.
std::string shown_lines(std::string_view text);

// -------------------------------------------------------------------------------------------------- for shells

/// Returns one word of a shell's command line: unchanged where no character is special, else in single quotes.
/// Characters that shown() would change become escapes, so that a copied command means what it shows. Quotes the paths
/// and values of every command that a message suggests.
std::string for_shell(std::string_view text);
/// KEY=VALUE for a shell, with VALUE in TOML: objective.x='"2024"'. Words need no TOML quotes there: objective.x=grae.
std::string override_for_shell(std::string_view key, std::string_view toml);

// ------------------------------------------------------------------------------------------------- for gnuplot

/// Quotes a text for a script: in single quotes, where only the quote itself is special; a text that has one, in double
/// quotes with octal escapes. Control characters become \xNN, since a newline ends a command. Terminals must be
/// `noenhanced`.
std::string gnuplot_text(std::string_view text);
/// Quotes lines as one text.
std::string gnuplot_lines(const std::vector<std::string>& lines);
/// The same for the label of a tick, which gnuplot treats as a format.
std::string gnuplot_tick(const std::vector<std::string>& lines);
/// Quotes the name of a file in the script's folder: never a command or a special name ('< command', '|command', '-').
std::string gnuplot_file(std::string_view name);

// --------------------------------------------------------------------------------------------- for other files

/// A Python literal by the rules of repr(); bytes that are not UTF-8 become surrogates, as in names of files.
std::string python_literal(std::string_view text);
/// Text or an attribute's value in HTML.
std::string html(std::string_view text);
/// A cell of a CSV file. A cell that a spreadsheet would take for a formula, or that begins with an apostrophe, gets an
/// apostrophe in front, which csv_text() removes. Numbers stay numbers; line breaks become spaces.
std::string csv_cell(std::string_view text);
/// The same, always between quotes.
std::string csv_quoted(std::string_view text);
/// Undoes csv_cell() on a cell whose quotes are gone.
std::string csv_text(std::string_view cell);
/// A cell of a table in Markdown.
std::string markdown_cell(std::string_view text);
/// Text in TeX.
std::string tex(std::string_view text);
/// Replaces characters in JSON that a terminal must not get by \uNNNN, which is the same JSON.
std::string json_shown(std::string_view json_text);

}  // namespace variform::base
