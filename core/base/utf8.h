#pragma once
// Takes UTF-8 text apart into characters and tells whether it is valid.

#include <cstddef>
#include <string_view>

namespace variform::base {

/// Returns the length of the first character of `text`, which must not be empty; 0: it is not UTF-8.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
/// The code point of one whole character.
char32_t code_point(std::string_view character);
/// Whether a character changes what a terminal does or a reader sees instead of being seen: control characters (C0,
/// DEL, C1), line and paragraph separators, and those that reorder text in two directions.
bool is_control(char32_t character);

}  // namespace variform::base
