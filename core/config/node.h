#pragma once
// The tree of config values. toml++ stays behind load.cpp. Values remember where they were written (file, line, column,
// or the command line), so that errors can point there and `config print --origin` can show it. Tables keep the order
// in which they were written.

#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace variform::config {

/// The `file` of a position that is an override; `line` then counts the overrides from 1.
inline constexpr std::string_view kCommandLine = "command line";

/// Where a value was written. Lines and columns count from 1, columns in characters. Line 0 is the file as a whole. An
/// empty file is nowhere: the value is a default.
struct Position {
  std::string file;
  int line = 0;
  int column = 0;

  bool is_default() const { return file.empty(); }
  bool is_command_line() const { return file == kCommandLine; }
};

/// "exp.toml:3:8", "command line" or "default".
std::string to_string(const Position& where);
/// The same without the column: "exp.toml:3".
std::string origin(const Position& where);

/// A value: flag, integer, number, text, array or table. A default-constructed node is an empty table.
class Node {
 public:
  struct Member;
  using Array = std::vector<Node>;

  Node();
  ~Node();  // these need the complete Member
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  explicit Node(bool value, Position where = {});
  explicit Node(std::int64_t value, Position where = {});
  template <class Integer>
  requires(std::is_integral_v<Integer> && !std::is_same_v<Integer, bool> &&
           !std::is_same_v<Integer, std::int64_t>) explicit Node(Integer value, Position where = {})
      : Node(static_cast<std::int64_t>(value), std::move(where)) {}
  explicit Node(double value, Position where = {});
  explicit Node(std::string value, Position where = {});
  explicit Node(const char* value, Position where = {}) : Node(std::string(value), std::move(where)) {}
  explicit Node(Array value, Position where = {});
  static Node table(Position where = {});

  /// The value if it has that type, else null. An integer is not a number here: Reader converts.
  const bool* if_flag() const { return std::get_if<bool>(&value_); }
  const std::int64_t* if_integer() const { return std::get_if<std::int64_t>(&value_); }
  const double* if_number() const { return std::get_if<double>(&value_); }
  const std::string* if_text() const { return std::get_if<std::string>(&value_); }
  const Array* if_array() const { return std::get_if<Array>(&value_); }
  bool is_table() const { return std::holds_alternative<Table>(value_); }

  /// The members of a table in the order of writing; none if this is not a table.
  std::span<const Member> members() const;
  /// The value under `key`; null if this is not a table or has no such key. Not a path: dots have no meaning.
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  const Member* member(std::string_view key) const;
  /// Replaces the value under `key` in its place, or appends it. Makes this a table if it is not one.
  void set(std::string_view key, Node value, Position key_where = {});
  bool erase(std::string_view key);

  const Position& where() const { return where_; }
  void set_where(Position where) { where_ = std::move(where); }

  /// Type and value for messages: `text "abc"`, `integer 3`, `a table`, `an array of 2`.
  std::string describe() const;
  /// Whether the values are equal. Positions and the order of a table's members do not count; integer 1 and number 1.0
  /// differ.
  bool operator==(const Node& other) const;

 private:
  using Table = std::vector<Member>;
  std::variant<Table, bool, std::int64_t, double, std::string, Array> value_;
  Position where_;
};

struct Node::Member {
  std::string key;
  Position where;  ///< of the key
  Node value;
};

/// Something is wrong with a config, or with how the program was called. what() is a sentence or several.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Thrown by Diagnostics::throw_if_any(): what() holds every mistake, rendered with its place and the word "error".
class Mistakes : public Error {
 public:
  Mistakes(const std::string& text, std::string plain) : Error(text), plain_(std::move(plain)) {}
  /// The same without that word, for logs that say a message's level by themselves.
  const std::string& plain() const { return plain_; }

 private:
  std::string plain_;
};

/// Collects errors, so that all mistakes of a config are reported at once. Keeps the texts of the sources to show the
/// lines in question. Not thread-safe.
class Diagnostics {
 public:
  struct Entry {
    Position where;
    std::string message;  ///< a sentence; with its full stop
    std::string hint;     ///< what to do; may be empty
  };

  void error(Position where, std::string message, std::string hint = {});
  /// Registers the text that positions in `file` refer to. load() registers what it reads.
  void add_source(const std::string& file, std::string_view text);

  /// To be called when a source could not be read at all. Its contents are unknown, so that checking the rest would
  /// only add complaints about what is missing: resolve() then stops at the errors so far.
  void mark_incomplete() { incomplete_ = true; }
  bool incomplete() const { return incomplete_; }

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const std::vector<Entry>& entries() const { return entries_; }

  /// Renders every error, ordered by source and line: `file:line:column: error: sentence`, the line, a caret, the hint.
  std::string render(bool says_error = true) const;
  void throw_if_any() const;

 private:
  struct Source {
    std::size_t rank = 0;  // order of registration
    std::vector<std::string> lines;
  };
  void render_entry(const Entry& entry, bool says_error, std::string& out) const;

  std::vector<Entry> entries_;
  bool incomplete_ = false;
  std::map<std::string, Source> sources_;
};

/// Returns the candidate nearest to `name` by edit distance (case and `_`/`-` count half); empty when none is near.
std::string near_match(std::string_view name, const std::vector<std::string>& candidates);

/// Returns `did you mean "diagonal"?`, or empty text when nothing is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace variform::config
