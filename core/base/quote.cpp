// See quote.h.

#include "base/quote.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <system_error>

#include "base/utf8.h"

namespace variform::base {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

std::string hex_of(char32_t value, int digits) {
  std::string text;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) text += kHexDigits[(value >> shift) & 15];
  return text;
}

std::string escaped_bytes(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += "\\x" + hex_of(static_cast<unsigned char>(c), 2);
  return text;
}

// Calls plain(character) or odd(bytes) for each character in turn. A control character is odd, and so is each byte that
// is not UTF-8.
template <class Plain, class Odd>
void each_character(std::string_view text, const Plain& plain, const Odd& odd) {
  for (const std::string_view part : utf8_characters(text)) {
    if (utf8_length(part) == 0 || is_control(code_point(part))) odd(part);
    else plain(part);
  }
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// Replaces some ASCII characters.
template <class Replace>
std::string replaced(std::string_view text, const Replace& replacement) {
  std::string out;
  for (const char c : text)
    if (const std::string_view instead = replacement(c); !instead.empty()) out += instead;
    else out += c;
  return out;
}

bool is_number(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

// Whether a spreadsheet would take the text for a formula; it takes the wide characters in East Asian settings.
bool begins_formula(std::string_view text) {
  constexpr std::array<std::string_view, 8> kBeginnings{"=",  "+",      "-",      "@",
                                                        "\t", "\uff1d", "\uff0b", "\uff0d"};
  return !is_number(text) &&
         (text.starts_with("\uff20") ||
          std::any_of(kBeginnings.begin(), kBeginnings.end(),
                      [&](std::string_view beginning) { return text.starts_with(beginning); }));
}

}  // namespace

// ---------------------------------------------------------------------------------------------------- for people

std::string shown(std::string_view text) {
  std::string out;
  each_character(
      text, [&](std::string_view part) { out += part; },
      [&](std::string_view part) { out += escaped_bytes(part); });
  return out;
}

std::string shown_lines(std::string_view text) {
  std::string out;
  each_character(
      text, [&](std::string_view part) { out += part; },
      [&](std::string_view part) { out += part == "\n"   ? "\n"
                                          : part == "\t" ? " "
                                                         : escaped_bytes(part); });
  return out;
}

// ---------------------------------------------------------------------------------------------------- for shells

std::string for_shell(std::string_view text) {
  constexpr std::string_view kPlain = "%+,-./:=@_";  // besides letters, digits and what is not ASCII
  bool escapes = false;
  each_character(
      text, [](std::string_view) {}, [&](std::string_view) { escapes = true; });
  const auto is_plain = [&](char c) {
    return is_word(c) || (static_cast<unsigned char>(c) & 0x80) != 0 ||
           kPlain.find(c) != std::string_view::npos;
  };
  if (!escapes && !text.empty() && text[0] != '=' && std::all_of(text.begin(), text.end(), is_plain))
    return std::string(text);
  std::string quoted = escapes ? "$'" : "'";
  const auto digit = [](int value) { return static_cast<char>('0' + value); };
  each_character(
      text,
      [&](std::string_view part) {
        if (part == "'") quoted += escapes ? "\\'" : "'\\''";
        else (quoted += escapes && part == "\\" ? "\\" : "") += part;
      },
      [&](std::string_view part) {
        for (const char c : part) {
          const int byte = static_cast<unsigned char>(c);
          quoted += {'\\', digit(byte / 64), digit(byte / 8 % 8), digit(byte % 8)};
        }
      });
  return quoted + "'";
}

std::string override_for_shell(std::string_view key, std::string_view toml) {
  const std::string_view inner =
      toml.size() > 2 && toml.front() == '"' ? toml.substr(1, toml.size() - 2) : "";
  const bool is_bare = !inner.empty() && !(inner[0] >= '0' && inner[0] <= '9') && inner[0] != '-' &&
                       std::all_of(inner.begin(), inner.end(), is_word) && inner != "true" &&
                       inner != "false" && inner != "inf" && inner != "nan";
  return for_shell(key) + "=" + for_shell(is_bare ? inner : toml);
}

// --------------------------------------------------------------------------------------------------- for gnuplot

// A doubled quote within single quotes stands for one, but not before a point. Within double quotes everything but
// letters and blanks is therefore written as its octal number, so that nothing there has a meaning.
std::string gnuplot_text(std::string_view text) {
  const std::string plain = shown(text);
  if (plain.find('\'') == std::string::npos) return "'" + plain + "'";
  std::string quoted = "\"";
  for (const char c :
       plain) {  // digits too, since gnuplot would read those that follow an octal escape as part of it
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalpha(byte) || c == ' ' || c == '%' || byte >= 0x80) {
      quoted += c;
      continue;
    }
    quoted += '\\';
    for (const int place : {64, 8, 1}) quoted += static_cast<char>('0' + byte / place % 8);
  }
  return quoted + "\"";
}

std::string gnuplot_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : ".\"\\n\".") + gnuplot_text(line);
  return text.empty() ? "''" : text;
}

std::string gnuplot_tick(const std::vector<std::string>& lines) {
  return replaced(gnuplot_lines(lines), [](char c) { return c == '%' ? "%%" : ""; });
}

std::string gnuplot_file(std::string_view name) { return gnuplot_text("./" + std::string(name)); }

// ----------------------------------------------------------------------------------------------- for other files

std::string python_literal(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  each_character(
      text,
      [&](std::string_view part) {
        if (part[0] == quote || part[0] == '\\') out += '\\';
        out += part;
      },
      [&](std::string_view part) {
        if (part == "\n") out += "\\n";
        else if (part == "\r") out += "\\r";
        else if (part == "\t") out += "\\t";
        else if (utf8_length(part) == 0) out += "\\udc" + hex_of(static_cast<unsigned char>(part[0]), 2);
        else if (const char32_t code = code_point(part); code < 0x100) out += "\\x" + hex_of(code, 2);
        else out += "\\u" + hex_of(code, 4);
      });
  return out + quote;
}

std::string html(std::string_view text) {
  return replaced(shown_lines(text), [](char c) {
    switch (c) {
      case '&': return "&amp;";
      case '<': return "&lt;";
      case '>': return "&gt;";
      case '"': return "&quot;";
      case '\'': return "&#39;";
      default: return "";
    }
  });
}

std::string csv_cell(std::string_view text) {
  const std::string quoted = csv_quoted(text);
  const std::string inner = quoted.substr(1, quoted.size() - 2);
  const bool is_plain = !inner.starts_with('\'') && inner.find_first_of("\",;#\t ") == std::string::npos;
  return inner == text && is_plain ? inner : quoted;
}

std::string csv_quoted(std::string_view text) {
  const std::string line = replaced(text, [](char c) { return c == '\n' || c == '\r' ? " " : ""; });
  const bool is_guarded = begins_formula(line) || line.starts_with('\'');
  return (is_guarded ? "\"'" : "\"") + replaced(line, [](char c) { return c == '"' ? "\"\"" : ""; }) + "\"";
}

std::string csv_text(std::string_view cell) {
  const std::string_view rest = cell.substr(cell.empty() ? 0 : 1);
  return std::string(cell.starts_with('\'') && (begins_formula(rest) || rest.starts_with('\'')) ? rest
                                                                                                : cell);
}

std::string markdown_cell(std::string_view text) {
  const std::string safe = shown(text);
  return replaced(safe, [](char c) {
    switch (c) {
      case '|': return "\\|";
      case '\\': return "\\\\";
      case '`': return "\\`";
      case '*': return "\\*";
      case '[': return "\\[";
      case ']': return "\\]";
      case '<': return "&lt;";
      case '&': return "&amp;";
      default: return "";
    }
  });
}

std::string tex(std::string_view text) {
  // After a row's end "\\", a "[" or "*" would belong to it.
  const std::string safe = shown(text);
  return (safe.starts_with('[') || safe.starts_with('*') ? "{}" : "") + replaced(safe, [](char c) {
           switch (c) {
             case '<': return "\\textless{}";
             case '>': return "\\textgreater{}";
             case '|': return "\\textbar{}";
             case '&': return "\\&";
             case '%': return "\\%";
             case '$': return "\\$";
             case '#': return "\\#";
             case '_': return "\\_";
             case '{': return "\\{";
             case '}': return "\\}";
             case '\\': return "\\textbackslash{}";
             case '~': return "\\textasciitilde{}";
             case '^': return "\\textasciicircum{}";
             default: return "";
           }
         });
}

std::string json_shown(std::string_view json_text) {
  std::string out;
  each_character(
      json_text, [&](std::string_view part) { out += part; },
      [&](std::string_view part) {
        if (part == "\n") out += part;
        else if (utf8_length(part) == 0) out += "\\ufffd";
        else out += "\\u" + hex_of(code_point(part), 4);
      });
  return out;
}

}  // namespace variform::base
