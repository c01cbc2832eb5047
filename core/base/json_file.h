#pragma once
// JSON of run folders and studies, which a person, a full disk or another program may have changed since it was written.
// What is wrong is said with the file, the key, what was expected and what was found; nothing else is ever thrown.

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
  /// `file` stands for the file in messages ("the checkpoint a.h5, attribute plugins"), `key` is the value's path in it.
  JsonValue(const nlohmann::json& value, std::string_view file, std::string key = {})
      : value_(&value), file_(file), key_(std::move(key)) {}

  const nlohmann::json& raw() const { return *value_; }
  const std::string& key() const { return key_; }

  /// A member of an object: an error if there is none, or if this is no object.
  JsonValue at(std::string_view name) const;
  /// Nothing if there is no such member, or it is null; an error if this is no object.
  std::optional<JsonValue> find(std::string_view name) const;
  /// Of an array; an error if it is none.
  std::vector<JsonValue> elements() const;
  /// Of an object, with their names; an error if it is none.
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

/// What a file holds. Neither copied nor moved, since values point into it.
class JsonFile {
 public:
  /// Throws JsonError for a file that is missing, no file, or not JSON.
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

/// Whether arrays and objects stand in each other deeper than any of ours do: copying and printing them would fill the
/// stack. To be asked before a text of others is parsed.
bool is_too_deep(std::string_view json_text);

/// What a value is, in words: `the number 7`, `the text "x"`, `an array of 3`.
std::string json_in_words(const nlohmann::json& value);

}  // namespace variform::base
