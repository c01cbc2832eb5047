#pragma once
// Reads JSON of run folders and studies, which a person, a full disk or another program may have changed since it was
// written. Errors say the file, the key, what was expected and what was found; nothing else is ever thrown.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace variform::base {

/// "runs/a/environment.json: key \"threads\": expected a whole number, found the text \"x\"."
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A value in a JSON file, and where it stands there. A view: what it was made of must outlive it.
class JsonValue {
 public:
  /// `file` stands for the file in messages ("the checkpoint a.h5, attribute plugins"), `key` is the value's path.
  JsonValue(const nlohmann::json& value, std::string_view file, std::string key = {})
      : value_(&value), file_(file), key_(std::move(key)) {}

  const nlohmann::json& raw() const { return *value_; }
  const std::string& key() const { return key_; }

  /// Returns a member of an object; an error if it is missing, or if this is not an object.
  JsonValue at(std::string_view name) const;
  /// Returns a member; nothing if it is missing or null, an error if this is not an object.
  std::optional<JsonValue> find(std::string_view name) const;
  /// Returns the elements of an array; an error if this is not one.
  std::vector<JsonValue> elements() const;
  /// Returns the members of an object with their names; an error if this is not one.
  std::vector<std::pair<std::string, JsonValue>> members() const;

  std::string text() const;
  bool flag() const;
  double number() const;
  /// A whole number from `least` to `most`.
  std::int64_t integer(std::int64_t least = INT64_MIN, std::int64_t most = INT64_MAX) const;
  std::uint64_t unsigned_integer() const;

  /// Throws: `expected` is "a whole number", "an object".
  [[noreturn]] void fail(const std::string& expected) const;

 private:
  const nlohmann::json* value_;
  std::string_view file_;
  std::string key_;
};

/// The contents of a JSON file. Neither copied nor moved, since values point into it.
class JsonFile {
 public:
  /// Throws JsonError for a file that is missing, not a file, or not JSON.
  explicit JsonFile(const std::filesystem::path& file);
  /// The same for a text; `name` stands for it in messages.
  JsonFile(std::string_view text, std::string name);
  JsonFile(const JsonFile&) = delete;
  JsonFile& operator=(const JsonFile&) = delete;

  JsonValue root() const { return {value_, name_}; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  nlohmann::json value_;
};

/// Whether arrays and objects are nested deeper than any of ours: copying and printing them would overflow the stack.
/// Call it before parsing a text from elsewhere.
bool is_too_deep(std::string_view json_text);

/// Describes a value in words: `the number 7`, `the text "x"`, `an array of 3`.
std::string json_in_words(const nlohmann::json& value);

}  // namespace variform::base
