#pragma once
// Reads one table with types, ranges and defaults, and collects errors instead of throwing, so that all mistakes are
// reported together. It remembers which keys were asked for: finish() reports the others as unknown. It also builds the
// table with its defaults filled in, which a run folder keeps.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"

namespace variform::config {

// The values that a getter accepts. Without a fallback the key is required. Bounds are inclusive and hold for each
// element of a list. A fallback is not checked.
struct NumberRule {
  std::optional<double> fallback{};
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool excludes_low = false;   ///< the value must be greater than `low`
  bool excludes_high = false;  ///< the value must be less than `high`
  std::string unit{};          ///< for messages
};
struct IntegerRule {
  std::optional<std::int64_t> fallback{};
  std::int64_t low = std::numeric_limits<std::int64_t>::min();
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  std::string unit{};
};
struct TextRule {
  std::optional<std::string> fallback{};
  std::vector<std::string> choices{};  ///< none: any text
};
struct FlagRule {
  std::optional<bool> fallback{};
};
struct NumbersRule {
  std::optional<std::vector<double>> fallback{};
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool excludes_low = false;
  bool excludes_high = false;
  std::string unit{};
  std::size_t least = 0;  ///< elements
};
struct IntegersRule {
  std::optional<std::vector<std::int64_t>> fallback{};
  std::int64_t low = std::numeric_limits<std::int64_t>::min();
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  std::string unit{};
  std::size_t least = 0;
};
struct TextsRule {
  std::optional<std::vector<std::string>> fallback{};
  std::vector<std::string> choices{};
  std::size_t least = 0;
};

/// After an error every getter returns its fallback, or zero or the empty value, and reading goes on.
/// The node and the diagnostics must outlive the reader. Copies share nothing: pass it by reference.
class Reader {
 public:
  /// `path` is the table's name in messages, "train.optimizer"; empty for the root. A node that is not a table is
  /// itself an error.
  Reader(const Node& table, Diagnostics& diagnostics, std::string path);

  /// Whether the key exists. It counts as known from now on.
  bool has(std::string_view key);

  double number(std::string_view key, const NumberRule& rule = {});          ///< takes integers too; finite
  std::int64_t integer(std::string_view key, const IntegerRule& rule = {});  ///< takes 1e3 too
  std::string text(std::string_view key, const TextRule& rule = {});
  /// A text that becomes part of a path: a name (base/name.h).
  std::string name(std::string_view key, const TextRule& rule = {});
  bool flag(std::string_view key, const FlagRule& rule = {});
  std::vector<double> numbers(std::string_view key, const NumbersRule& rule = {});
  std::vector<std::int64_t> integers(std::string_view key, const IntegersRule& rule = {});
  std::vector<std::string> texts(std::string_view key, const TextsRule& rule = {});

  /// Returns a reader of the table under `key`, of an empty one if it is absent (an error if required). The caller
  /// calls finish() on it, and put(key, sub.resolved()) to keep the defaults.
  Reader table(std::string_view key, bool required = false);
  /// The elements of the array under `key`, of any type; null if absent or not an array (an error).
  const Node::Array* array(std::string_view key, bool required = false);
  /// The node under `key`, whatever it is; null if absent, which is an error if required.
  const Node* node(std::string_view key, bool required = false);

  /// Records a value (or an error, below) for a key that the caller checks itself.
  void put(std::string_view key, Node value);
  void put(std::string_view key, Node value, Position where);
  /// Reports an error at the value of `key`, or at the table if the key is absent. "@" in the message becomes the key's
  /// full path: error("batch", "@ must divide 60000, found 7.").
  void error(std::string_view key, std::string message, std::string hint = {});

  /// Reports every key that nobody asked for. Call it last. `what` completes the sentence: unknown key "x" in
  /// objective "beta-vae"; by default it is the path.
  void finish(std::string_view what = {});

  /// All values asked for, in that order, including defaults (their positions are empty).
  const Node& resolved() const { return resolved_; }
  const Node& source() const { return *table_; }
  Diagnostics& diagnostics() { return *diagnostics_; }
  const std::string& path() const { return path_; }
  /// "train.batch" for "batch".
  std::string full(std::string_view key) const;
  /// The position of the value of `key`, or of the table if it is absent.
  Position where(std::string_view key) const;
  /// Returns advice to set `key` of this table, or of one below it, to a value in TOML: for a shell if the value of
  /// `at` was given on the command line, else for a file.
  std::string advice(std::string_view at, std::string_view key, const std::string& toml) const;
  /// Whether the value of `key` is a text that would be a number or a flag without its quotes.
  bool looks_quoted(std::string_view key) const;
  std::string advice_without_quotes(std::string_view key) const;
  /// Makes `key` known, for hints only or because somebody else reads it.
  void know(std::string_view key);
  /// The known keys, sorted.
  std::vector<std::string> known() const;

 private:
  const Node* get(std::string_view key, bool required);
  void wrong_type(const Node& node, const std::string& name, const std::string& expected,
                  std::string hint = {});
  std::optional<double> to_number(const Node& node, const std::string& name, const NumberRule& rule);
  std::optional<std::int64_t> to_integer(const Node& node, const std::string& name, const IntegerRule& rule);
  std::optional<std::string> to_text(const Node& node, const std::string& name,
                                     const std::vector<std::string>& choices);
  template <class Value, class Convert>
  std::vector<Value> list(std::string_view key, const std::optional<std::vector<Value>>& fallback,
                          std::size_t least, const std::string& expected, Convert convert);

  const Node* table_;
  Diagnostics* diagnostics_;
  std::string path_;
  std::vector<std::string> known_;
  Node resolved_;
};

/// The same for a key that is itself such a name: [study.evaluate.NAME].
void require_name(const Node::Member& member, const std::string& path, Diagnostics& diagnostics);

}  // namespace variform::config
