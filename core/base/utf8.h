#pragma once
// UTF-8, byte by byte: what text from elsewhere is made of, and whether it is text at all.

#include <cstddef>
#include <string_view>

namespace variform::base {

/// Bytes of the character that `text`, which is not empty, begins with; 0: it begins with none.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
/// The code point of a character, all of it.
char32_t code_point(std::string_view character);
/// Characters that change what a terminal or reader does or sees instead of being seen: control characters (C0, DEL, C1),
/// line and paragraph separators, and those that reorder text in two directions.
bool is_control(char32_t character);

}  // namespace variform::base
