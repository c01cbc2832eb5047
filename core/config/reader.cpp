// Reads typed values and collects errors. Users see these sentences most often: each says what was expected and what
// was found, with range and unit.

#include "config/reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/name.h"
#include "base/quote.h"
#include "config/load.h"
#include "config/text.h"

namespace variform::config {
namespace {

const Node& empty_table() {
  static const Node kEmpty = Node::table();
  return kEmpty;
}

std::string with_unit(double value, const std::string& unit) {
  return format_plain(value) + (unit.empty() ? "" : " " + unit);
}

/// "at least 0", "greater than 0 and at most 1 nats", "between 1 and 10"
std::string range_text(const NumberRule& rule) {
  const bool has_low = std::isfinite(rule.low), has_high = std::isfinite(rule.high);
  if (has_low && has_high && !rule.excludes_low && !rule.excludes_high)
    return "between " + format_plain(rule.low) + " and " + with_unit(rule.high, rule.unit);
  std::vector<std::string> parts;
  const std::string low_unit = has_high ? "" : rule.unit;
  if (has_low)
    parts.push_back((rule.excludes_low ? "greater than " : "at least ") + with_unit(rule.low, low_unit));
  if (has_high)
    parts.push_back((rule.excludes_high ? "less than " : "at most ") + with_unit(rule.high, rule.unit));
  return join(parts, " and ");
}

bool is_within(double value, const NumberRule& rule) {
  return (rule.excludes_low ? value > rule.low : value >= rule.low) &&
         (rule.excludes_high ? value < rule.high : value <= rule.high);
}

std::string range_text(const IntegerRule& rule) {
  const bool has_low = rule.low != std::numeric_limits<std::int64_t>::min();
  const bool has_high = rule.high != std::numeric_limits<std::int64_t>::max();
  const std::string unit = rule.unit.empty() ? "" : " " + rule.unit;
  const std::string low = std::to_string(rule.low), high = std::to_string(rule.high);
  if (has_low && has_high) return "between " + low + " and " + high + unit;
  return has_low ? "at least " + low + unit : "at most " + high + unit;
}

std::string name_message(const std::string& what, const std::string& name, const std::string& problem) {
  return what + " becomes a part of a path and must be " + base::kNameRule + "; found " +
         quote(shorten(name)) + ": " + problem + ".";
}

/// 1e3 is an integer too, as far as doubles hold integers exactly.
std::optional<std::int64_t> whole(double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (!(std::abs(value) <= kExact) || value != std::floor(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

bool looks_like_number(const std::string& text) {
  if (text.empty() || std::string("+-.0123456789").find(text[0]) == std::string::npos) return false;
  return text.find_first_not_of("+-.0123456789eE_") == std::string::npos;
}

// Hints. The command line has been through a shell, which removes quotes: they show what to type there. An element of a
// list, "model.encoder.hidden[0]", is not a key that could be typed alone.
bool is_typed(const Node& node, const std::string& name) {
  return node.where().is_command_line() && name.find('[') == std::string::npos;
}

std::string in_quotes(const Node& node, const std::string& name) {
  if (!is_typed(node, name)) return "write it in quotes";
  return "in a shell, write " + base::override_for_shell(name, quote(plain_value(node)));
}

std::string without_quotes(const Node& node, const std::string& name) {
  const std::string* text = node.if_text();
  if (!text || !(looks_like_number(*text) || *text == "true" || *text == "false")) return {};
  return is_typed(node, name) ? "in a shell, write " + base::override_for_shell(name, *text)
                              : "write it without quotes";
}

std::string in_brackets(const Node& node, const std::string& name, std::string_view key) {
  if (!is_typed(node, name)) return "write it in brackets: " + quote_key(key) + " = [ … ]";
  return "in a shell, write " + base::override_for_shell(name, "[" + print_value(node) + "]");
}

template <class Value>
Node to_node(const Value& value) {
  return Node(value);
}
template <class Value>
Node to_node(const std::vector<Value>& values) {
  Node::Array elements;
  for (const Value& value : values) elements.push_back(to_node(value));
  return Node(std::move(elements));
}

}  // namespace

Reader::Reader(const Node& table, Diagnostics& diagnostics, std::string path)
    : table_(&table),
      diagnostics_(&diagnostics),
      path_(std::move(path)),
      resolved_(Node::table(table.where())) {
  if (table.is_table()) return;
  wrong_type(table, path_.empty() ? "This" : path_, "a table");
  table_ = &empty_table();
}

std::string Reader::full(std::string_view key) const {
  return path_.empty() ? quote_key(key) : path_ + "." + quote_key(key);
}

void Reader::know(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
}

std::vector<std::string> Reader::known() const {
  std::vector<std::string> keys = known_;
  std::sort(keys.begin(), keys.end());
  return keys;
}

bool Reader::has(std::string_view key) {
  know(key);
  return table_->find(key) != nullptr;
}

Position Reader::where(std::string_view key) const {
  const Node* found = table_->find(key);
  return found ? found->where() : resolved_.where();
}

std::string Reader::advice(std::string_view at, std::string_view key, const std::string& toml) const {
  if (!where(at).is_command_line()) return "write " + std::string(key) + " = " + toml;
  return "in a shell, write " +
         base::override_for_shell((path_.empty() ? "" : path_ + ".") + std::string(key), toml);
}

std::string Reader::advice_without_quotes(std::string_view key) const {
  const Node* node = table_->find(key);
  return node ? without_quotes(*node, full(key)) : std::string();
}

bool Reader::looks_quoted(std::string_view key) const { return !advice_without_quotes(key).empty(); }

void Reader::put(std::string_view key, Node value) {
  Position position = value.where();
  put(key, std::move(value), std::move(position));
}

void Reader::put(std::string_view key, Node value, Position where) {
  know(key);
  value.set_where(where);
  resolved_.set(key, std::move(value), std::move(where));
}

void Reader::error(std::string_view key, std::string message, std::string hint) {
  know(key);
  if (const std::size_t at = message.find('@'); at != std::string::npos) message.replace(at, 1, full(key));
  diagnostics_->error(where(key), std::move(message), std::move(hint));
}

const Node* Reader::get(std::string_view key, bool required) {
  know(key);
  const Node* found = table_->find(key);
  if (!found && required) diagnostics_->error(resolved_.where(), full(key) + " is missing.");
  return found;
}

void Reader::wrong_type(const Node& node, const std::string& name, const std::string& expected,
                        std::string hint) {
  diagnostics_->error(node.where(), name + " must be " + expected + ", found " + node.describe() + ".",
                      std::move(hint));
}

std::optional<double> Reader::to_number(const Node& node, const std::string& name, const NumberRule& rule) {
  const std::int64_t* integer = node.if_integer();
  const double* number = node.if_number();
  if (!integer && !number) {
    wrong_type(node, name, "a number", without_quotes(node, name));
    return std::nullopt;
  }
  const double value = integer ? static_cast<double>(*integer) : *number;
  if (!std::isfinite(value)) {
    diagnostics_->error(node.where(), name + " must be a finite number, found " + format_plain(value) + ".");
    return std::nullopt;
  }
  if (is_within(value, rule)) return value;
  diagnostics_->error(node.where(),
                      name + " must be " + range_text(rule) + ", found " + format_plain(value) + ".");
  return std::nullopt;
}

std::optional<std::int64_t> Reader::to_integer(const Node& node, const std::string& name,
                                               const IntegerRule& rule) {
  std::optional<std::int64_t> value;
  if (node.if_integer()) value = *node.if_integer();
  if (node.if_number()) value = whole(*node.if_number());
  if (!value) {
    wrong_type(node, name, "an integer", without_quotes(node, name));
    return std::nullopt;
  }
  if (*value >= rule.low && *value <= rule.high) return value;
  diagnostics_->error(node.where(), fmt::format("{} must be {}, found {}.", name, range_text(rule), *value));
  return std::nullopt;
}

std::optional<std::string> Reader::to_text(const Node& node, const std::string& name,
                                           const std::vector<std::string>& choices) {
  const std::string* text = node.if_text();
  const std::string expected = choices.empty() ? "text" : "one of " + join_quoted(choices);
  if (!text) {
    const bool scalar = !node.is_table() && !node.if_array();
    wrong_type(node, name, expected, scalar && choices.empty() ? in_quotes(node, name) : "");
    return std::nullopt;
  }
  if (choices.empty() || std::find(choices.begin(), choices.end(), *text) != choices.end()) return *text;
  diagnostics_->error(node.where(), name + " must be " + expected + ", found " + quote(shorten(*text)) + ".",
                      did_you_mean(*text, choices));
  return std::nullopt;
}

double Reader::number(std::string_view key, const NumberRule& rule) {
  const Node* node = get(key, !rule.fallback);
  const auto value = node ? to_number(*node, full(key), rule) : std::nullopt;
  const double result = value.value_or(rule.fallback.value_or(0));
  put(key, Node(result, node ? node->where() : Position{}));
  return result;
}

std::int64_t Reader::integer(std::string_view key, const IntegerRule& rule) {
  const Node* node = get(key, !rule.fallback);
  const auto value = node ? to_integer(*node, full(key), rule) : std::nullopt;
  const std::int64_t result = value.value_or(rule.fallback.value_or(0));
  put(key, Node(result, node ? node->where() : Position{}));
  return result;
}

std::string Reader::text(std::string_view key, const TextRule& rule) {
  const Node* node = get(key, !rule.fallback);
  const auto value = node ? to_text(*node, full(key), rule.choices) : std::nullopt;
  const std::string result = value.value_or(rule.fallback.value_or(""));
  put(key, Node(result, node ? node->where() : Position{}));
  return result;
}

std::string Reader::name(std::string_view key, const TextRule& rule) {
  const std::string name = text(key, rule);
  const Node* given = table_->find(key);
  const std::string problem = given && given->if_text() ? base::name_problem(name) : std::string();
  if (!problem.empty()) error(key, name_message("@", name, problem));
  return name;
}

bool Reader::flag(std::string_view key, const FlagRule& rule) {
  const Node* node = get(key, !rule.fallback);
  const bool* value = node ? node->if_flag() : nullptr;
  if (node && !value) {
    wrong_type(*node, full(key), "true or false", without_quotes(*node, full(key)));
  }
  const bool result = value ? *value : rule.fallback.value_or(false);
  put(key, Node(result, node ? node->where() : Position{}));
  return result;
}

template <class Value, class Convert>
std::vector<Value> Reader::list(std::string_view key, const std::optional<std::vector<Value>>& fallback,
                                std::size_t least, const std::string& expected, Convert convert) {
  const Node* node = get(key, !fallback);
  std::vector<Value> result;
  bool good = node != nullptr;
  if (node && !node->if_array()) {
    const bool scalar = !node->is_table();
    wrong_type(*node, full(key), expected, scalar ? in_brackets(*node, full(key), key) : "");
    good = false;
  } else if (node) {
    const Node::Array& elements = *node->if_array();
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const std::optional<Value> value = convert(elements[i], fmt::format("{}[{}]", full(key), i));
      if (value) result.push_back(*value);
      good = good && value.has_value();
    }
    if (elements.size() < least) {
      error(key, fmt::format("@ must have at least {}{}, found {}.", least,
                             least == 1 ? " element" : " elements", elements.size()));
      good = false;
    }
  }
  if (!good) result = fallback.value_or(std::vector<Value>{});
  put(key, to_node(result), node ? node->where() : Position{});
  return result;
}

std::vector<double> Reader::numbers(std::string_view key, const NumbersRule& rule) {
  const NumberRule each{{}, rule.low, rule.high, rule.excludes_low, rule.excludes_high, rule.unit};
  return list<double>(key, rule.fallback, rule.least, "a list of numbers",
                      [&](const Node& node, const std::string& name) { return to_number(node, name, each); });
}

std::vector<std::int64_t> Reader::integers(std::string_view key, const IntegersRule& rule) {
  const IntegerRule each{{}, rule.low, rule.high, rule.unit};
  return list<std::int64_t>(
      key, rule.fallback, rule.least, "a list of integers",
      [&](const Node& node, const std::string& name) { return to_integer(node, name, each); });
}

std::vector<std::string> Reader::texts(std::string_view key, const TextsRule& rule) {
  return list<std::string>(
      key, rule.fallback, rule.least, "a list of texts",
      [&](const Node& node, const std::string& name) { return to_text(node, name, rule.choices); });
}

Reader Reader::table(std::string_view key, bool required) {
  const Node* found = get(key, required);
  Reader reader(found ? *found : empty_table(), *diagnostics_, full(key));
  if (!found) reader.resolved_.set_where(resolved_.where());
  return reader;
}

const Node::Array* Reader::array(std::string_view key, bool required) {
  const Node* found = get(key, required);
  if (!found) return nullptr;
  if (!found->if_array()) wrong_type(*found, full(key), "an array");
  return found->if_array();
}

const Node* Reader::node(std::string_view key, bool required) { return get(key, required); }

void Reader::finish(std::string_view what) {
  const std::string place = !what.empty()   ? " in " + std::string(what)
                            : path_.empty() ? ""
                                            : " in [" + path_ + "]";
  for (const Node::Member& member : table_->members()) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    const std::vector<std::string> known = this->known();
    std::string hint = did_you_mean(member.key, known);
    if (hint.empty()) hint = known.empty() ? "no key is expected here" : "known here: " + join(known);
    diagnostics_->error(member.where, "Unknown key " + quote(shorten(member.key)) + place + ".",
                        std::move(hint));
  }
}

void require_name(const Node::Member& member, const std::string& path, Diagnostics& diagnostics) {
  const std::string problem = base::name_problem(member.key);
  if (!problem.empty())
    diagnostics.error(member.value.where(), name_message("A key of " + path, member.key, problem));
}

}  // namespace variform::config
