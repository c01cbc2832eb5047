#pragma once
// Small pieces of text that messages and printed TOML share.

#include <string>
#include <string_view>
#include <vector>

namespace variform::config {

/// Returns the shortest text that reads back to the same double, always recognisable as a number by a point, an
/// exponent, inf or nan: "1.0", "0.001", "1e-05".
std::string format_number(double value);
/// The same for messages: whole numbers without ".0".
std::string format_plain(double value);
/// Returns a TOML basic string, quotes included.
std::string quote(std::string_view text);
/// Returns a TOML key: bare if possible, else quoted.
std::string quote_key(std::string_view key);
/// Lower-cases A to Z; other characters stay.
std::string lower_case(std::string text);
/// Cuts long texts to a message's size, at the end of a character.
std::string shorten(std::string_view text, std::size_t characters = 60);
/// Returns eight hexadecimal digits (FNV-1a) that stand for a text in names of files and runs.
std::string short_hash(std::string_view text);
/// "a, b, c"
std::string join(const std::vector<std::string>& parts, std::string_view separator = ", ");
/// `"a", "b"`
std::string join_quoted(const std::vector<std::string>& parts);

}  // namespace variform::config
