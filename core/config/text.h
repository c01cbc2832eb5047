#pragma once
// Small pieces of text that messages and printed TOML share.

#include <string>
#include <string_view>
#include <vector>

namespace variform::config {

/// The shortest text that reads back to the same double, always recognisable as a number with a point, an
/// exponent, inf or nan: "1.0", "0.001", "1e-05".
std::string format_number(double value);
/// The same for messages: whole numbers without ".0".
std::string format_plain(double value);
/// A TOML basic string, quotes included.
std::string quote(std::string_view text);
/// A TOML key: bare if it can be, else quoted.
std::string quote_key(std::string_view key);
/// A to Z as a to z; other characters as they are.
std::string lower_case(std::string text);
/// Long texts cut to a message's size, at a character's end.
std::string shorten(std::string_view text, std::size_t characters = 60);
/// Eight hexadecimal digits that stand for a text in names of files and runs (FNV-1a).
std::string short_hash(std::string_view text);
/// "a, b, c"
std::string join(const std::vector<std::string>& parts, std::string_view separator = ", ");
/// `"a", "b"`
std::string join_quoted(const std::vector<std::string>& parts);

}  // namespace variform::config
