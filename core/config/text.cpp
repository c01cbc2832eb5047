// See text.h.

#include "config/text.h"

#include <cstdint>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/short_hash.h"
#include "base/utf8.h"

namespace variform::config {
namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::string unicode_escape(char32_t code) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string text = "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) text += kHex[(code >> shift) & 15];
  return text;
}

std::string escaped_character(unsigned char c) {
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\t': return "\\t";
    case '\r': return "\\r";
    default: break;
  }
  if (c >= 0x20 && c != 0x7f) return std::string(1, static_cast<char>(c));
  return unicode_escape(c);
}

}  // namespace

std::string format_plain(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 32> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), result.ptr);
}

std::string format_number(double value) {
  std::string text = format_plain(value);
  return text.find_first_of(".enf") == std::string::npos ? text + ".0" : text;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const std::string_view part : base::utf8_characters(text)) {
    const char32_t code = part.size() > 1 ? base::code_point(part) : 0;
    if (part.size() == 1) out += escaped_character(static_cast<unsigned char>(part[0]));
    else if (base::is_control(code)) out += unicode_escape(code);
    else out += part;
  }
  return out + "\"";
}

std::string quote_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), is_bare) ? std::string(key) : quote(key);
}

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string shorten(std::string_view text, std::size_t characters) {
  const std::vector<std::string_view> all = base::utf8_characters(text);
  if (all.size() <= characters) return std::string(text);
  return std::string(text.substr(0, static_cast<std::size_t>(all[characters].data() - text.data()))) + "…";
}

std::string short_hash(std::string_view text) { return base::short_hash(text); }

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::string join_quoted(const std::vector<std::string>& parts) {
  std::vector<std::string> quoted;
  for (const std::string& part : parts) quoted.push_back(quote(part));
  return join(quoted);
}

}  // namespace variform::config
