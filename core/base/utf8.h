#pragma once
// Takes UTF-8 text apart into characters and tells whether it is valid.

#include <cstddef>
#include <string_view>
#include <vector>

namespace variform::base {

/// Returns the length of the first character of `text`, which must not be empty; 0: it is not UTF-8.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
/// The code point of one whole character.
char32_t code_point(std::string_view character);
/// Whether a character changes what a terminal does or a reader sees instead of being seen: control characters (C0,
/// DEL, C1), line and paragraph separators, and those that reorder text in two directions.
bool is_control(char32_t character);

/// Returns the characters in order, as views of `text`. A byte that is not UTF-8 is one by itself.
std::vector<std::string_view> utf8_characters(std::string_view text);
/// Returns how many characters there are: what positions in files count.
std::size_t utf8_count(std::string_view text);
/// Returns how many columns of a terminal a text takes: two for the wide characters of East Asia and for emoji, none
/// for marks that combine with the character before them, one for all others.
std::size_t utf8_width(std::string_view text);

}  // namespace variform::base
