// See words.h.

#include "base/words.h"

#include <cmath>

#include <fmt/format.h>

namespace variform::base {

std::string duration_text(double seconds) {
  const long whole = std::lround(seconds);
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

std::string values_text(const std::map<std::string, double>& values) {
  std::string text;
  const auto add = [&](const std::string& name, double value) {
    text += fmt::format("{}{} {:.5g}", text.empty() ? "" : ", ", name, value);
  };
  if (const auto loss = values.find("loss"); loss != values.end()) add("loss", loss->second);
  for (const auto& [name, value] : values)
    if (name != "loss" && name != "lr") add(name, value);
  return text;
}

std::string with_article(const std::string& noun) {
  return (std::string_view("aeio").find(noun.front()) != std::string_view::npos ? "an " : "a ") + noun;
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (std::size_t end; (end = text.find(separator)) != std::string_view::npos;
       text.remove_prefix(end + separator.size()))
    parts.emplace_back(text.substr(0, end));
  parts.emplace_back(text);
  return parts;
}

}  // namespace variform::base
