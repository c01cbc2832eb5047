// See words.h.

#include "base/words.h"

#include <cmath>
#include <cstdio>

namespace variform::base {

std::string duration_text(double seconds) {
  char text[32];
  const long whole = std::lround(seconds);
  if (whole >= 3600) std::snprintf(text, sizeof text, "%ld h %02ld min", whole / 3600, whole / 60 % 60);
  else if (whole >= 60) std::snprintf(text, sizeof text, "%ld min %02ld s", whole / 60, whole % 60);
  else std::snprintf(text, sizeof text, "%ld s", whole);
  return text;
}

std::string values_text(const std::map<std::string, double>& values) {
  std::string text;
  const auto add = [&](const std::string& name, double value) {
    char number[32];
    std::snprintf(number, sizeof number, "%.5g", value);
    text += (text.empty() ? "" : ", ") + name + " " + number;
  };
  if (const auto loss = values.find("loss"); loss != values.end()) add("loss", loss->second);
  for (const auto& [name, value] : values)
    if (name != "loss" && name != "lr") add(name, value);
  return text;
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
