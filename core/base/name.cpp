// See name.h.

#include "base/name.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace variform::base {

std::string name_problem(std::string_view name) {
  constexpr std::size_t kMostCharacters = 100,
                        kMostBytes = 180;  // a file's name has 255 bytes, endings included
  if (name.empty()) return "it is empty";
  for (const char separator : {'/', '\\'})
    if (name.find(separator) != std::string_view::npos)
      return std::string("it holds a \"") + separator + "\"";
  if (name.find("..") != std::string_view::npos) return "it holds \"..\"";
  if (name[0] == '-' || name[0] == '.' || name[0] == ' ')
    return std::string("it begins with \"") + name[0] + "\"";
  std::size_t characters = 0;
  for (std::string_view rest = name; !rest.empty(); ++characters) {
    const std::size_t length = utf8_length(rest);
    if (length == 0) return "it is not UTF-8";
    if (is_control(code_point(rest.substr(0, length)))) return "it holds a control character";
    rest.remove_prefix(length);
  }
  if (characters > kMostCharacters || name.size() > kMostBytes)
    return fmt::format("it has {} characters", characters);
  return {};
}

}  // namespace variform::base
