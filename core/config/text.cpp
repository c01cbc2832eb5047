// Small pieces of text that messages and printed TOML share.

#include "config/text.h"

#include <cstdint>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/short_hash.h"

namespace variform::config {
namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
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
  constexpr const char* kHex = "0123456789ABCDEF";
  return std::string("\\u00") + kHex[c >> 4] + kHex[c & 15];
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
  for (const char c : text) out += escaped_character(static_cast<unsigned char>(c));
  return out + "\"";
}

std::string quote_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), is_bare) ? std::string(key) : quote(key);
}

std::string for_shell(std::string_view text) {
  constexpr std::string_view kPlain = "%+,-./:=@_";  // besides letters, digits and what is not ASCII
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  const auto is_plain = [&](char c) {
    return is_bare(c) || (static_cast<unsigned char>(c) & 0x80) != 0 ||
           kPlain.find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return std::string(text);
  const bool escapes = std::any_of(text.begin(), text.end(), is_control);
  std::string quoted = escapes ? "$'" : "'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const auto digit = [](int value) { return static_cast<char>('0' + value); };
    if (is_control(c)) quoted += {'\\', digit(byte / 64), digit(byte / 8 % 8), digit(byte % 8)};
    else if (c == '\'') quoted += escapes ? "\\'" : "'\\''";
    else quoted += std::string(escapes && c == '\\' ? "\\" : "") + c;
  }
  return quoted + "'";
}

std::string override_for_shell(std::string_view key, std::string_view toml) {
  const std::string_view inner =
      toml.size() > 2 && toml.front() == '"' ? toml.substr(1, toml.size() - 2) : "";
  const bool is_word = !inner.empty() && !(inner[0] >= '0' && inner[0] <= '9') && inner[0] != '-' &&
                       std::all_of(inner.begin(), inner.end(), is_bare) && inner != "true" &&
                       inner != "false" && inner != "inf" && inner != "nan";
  return for_shell(key) + "=" + for_shell(is_word ? inner : toml);
}

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string shorten(std::string_view text, std::size_t characters) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
    if (starts_character && seen++ == characters) return std::string(text.substr(0, i)) + "…";
  }
  return std::string(text);
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
