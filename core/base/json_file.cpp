// See json_file.h.

#include "base/json_file.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/contents.h"

namespace variform::base {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kShownText = 60;
constexpr int kDeepestJson = 64;

// Returns a text from a file as it may be shown: ASCII unchanged, all else as JSON's escapes; never too long.
std::string shown(const std::string& text) {
  const bool is_cut = text.size() > kShownText;
  return json(is_cut ? text.substr(0, kShownText) : text)
             .dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace) +
         (is_cut ? "…" : "");
}

std::string join_keys(const std::string& before, std::string_view name) {
  return before.empty() ? std::string(name) : before + "." + std::string(name);
}

// The errors of contents_of() already name the file.
std::string text_of_json(const fs::path& file) {
  try {
    return contents_of(file);
  } catch (const std::runtime_error& error) {
    throw JsonError(error.what());
  }
}

json parsed(std::string_view text, const std::string& name) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    throw JsonError(name + ": expected JSON, found nothing: it is empty.");
  if (is_too_deep(text))
    throw JsonError(fmt::format("{}: expected JSON, found arrays and objects nested more than {} deep.", name,
                                kDeepestJson));
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    const std::size_t at = std::min(error.byte > 0 ? error.byte - 1 : 0, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    throw JsonError(fmt::format("{}, line {}: expected JSON, {}", name, line,
                                at >= text.size() ? "found the end of the file too early: it was cut off."
                                                  : fmt::format("found something else (byte {}).", at)));
  } catch (const json::exception&) {  // a number beyond float64
    throw JsonError(name + ": expected JSON, found a number that is too large.");
  }
}

}  // namespace

bool is_too_deep(std::string_view json_text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json_text.size(); ++i) {
    const char c = json_text[i];
    if (in_string && c == '\\') ++i;  // an escaped character does not end a string
    else if (c == '"') in_string = !in_string;
    else if (!in_string && (c == '[' || c == '{') && ++depth > kDeepestJson) return true;
    else if (!in_string && (c == ']' || c == '}')) --depth;
  }
  return false;
}

std::string json_in_words(const json& value) {
  switch (value.type()) {
    case json::value_t::null: return "null";
    case json::value_t::boolean: return value.get<bool>() ? "true" : "false";
    case json::value_t::string: return "the text " + shown(value.get_ref<const std::string&>());
    case json::value_t::array: return "an array of " + std::to_string(value.size());
    case json::value_t::object: return "an object";
    default: return "the number " + value.dump();
  }
}

void JsonValue::fail(const std::string& expected) const {
  throw JsonError(std::string(file_) + ": " + (key_.empty() ? "" : "key " + shown(key_) + ": ") +
                  "expected " + expected + ", found " + json_in_words(*value_) + ".");
}

JsonValue JsonValue::at(std::string_view name) const {
  if (auto found = find(name)) return *found;
  throw JsonError(std::string(file_) + ": key " + shown(join_keys(key_, name)) +
                  ": expected one, found none.");
}

std::optional<JsonValue> JsonValue::find(std::string_view name) const {
  if (!value_->is_object()) fail("an object");
  const auto found = value_->find(name);
  if (found == value_->end() || found->is_null()) return {};
  return JsonValue(*found, file_, join_keys(key_, name));
}

std::vector<JsonValue> JsonValue::elements() const {
  if (!value_->is_array()) fail("an array");
  std::vector<JsonValue> all;
  for (std::size_t i = 0; i < value_->size(); ++i)
    all.emplace_back((*value_)[i], file_, fmt::format("{}[{}]", key_, i));
  return all;
}

std::vector<std::pair<std::string, JsonValue>> JsonValue::members() const {
  if (!value_->is_object()) fail("an object");
  std::vector<std::pair<std::string, JsonValue>> all;
  for (const auto& [name, value] : value_->items())
    all.emplace_back(name, JsonValue(value, file_, join_keys(key_, name)));
  return all;
}

std::string JsonValue::text() const {
  if (!value_->is_string()) fail("a text");
  return value_->get<std::string>();
}

bool JsonValue::flag() const {
  if (!value_->is_boolean()) fail("true or false");
  return value_->get<bool>();
}

double JsonValue::number() const {
  if (!value_->is_number()) fail("a number");
  return value_->get<double>();
}

std::int64_t JsonValue::integer(std::int64_t least, std::int64_t most) const {
  std::string expected = "a whole number";
  if (least != INT64_MIN && most != INT64_MAX) expected += fmt::format(" from {} to {}", least, most);
  else if (least != INT64_MIN) expected += ", at least " + std::to_string(least);
  const bool fits = value_->is_number_integer() && (!value_->is_number_unsigned() ||
                                                    value_->get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
  if (!fits || value_->get<std::int64_t>() < least || value_->get<std::int64_t>() > most) fail(expected);
  return value_->get<std::int64_t>();
}

std::uint64_t JsonValue::unsigned_integer() const {
  if (!value_->is_number_unsigned()) fail("a whole number, at least 0");
  return value_->get<std::uint64_t>();
}

JsonFile::JsonFile(const fs::path& file) : name_(file.string()), value_(parsed(text_of_json(file), name_)) {}

JsonFile::JsonFile(std::string_view text, std::string name)
    : name_(std::move(name)), value_(parsed(text, name_)) {}

}  // namespace variform::base
