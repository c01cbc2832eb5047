// The value tree: where values were written, tables in order, equality that ignores both.

#include "config/node.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/text.h"

namespace variform::config {

std::string to_string(const Position& where) {
  if (where.is_default()) return "default";
  if (where.is_command_line()) return where.file;
  if (where.line <= 0) return where.file;
  return fmt::format("{}:{}:{}", where.file, where.line, where.column);
}

std::string origin(const Position& where) {
  if (where.is_default()) return "default";
  if (where.is_command_line() || where.line <= 0) return where.file;
  return fmt::format("{}:{}", where.file, where.line);
}

Node::Node() = default;
Node::~Node() = default;
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::Node(bool value, Position where) : value_(value), where_(std::move(where)) {}
Node::Node(std::int64_t value, Position where) : value_(value), where_(std::move(where)) {}
Node::Node(double value, Position where) : value_(value), where_(std::move(where)) {}
Node::Node(std::string value, Position where) : value_(std::move(value)), where_(std::move(where)) {}
Node::Node(Array value, Position where) : value_(std::move(value)), where_(std::move(where)) {}

Node Node::table(Position where) {
  Node node;
  node.where_ = std::move(where);
  return node;
}

std::span<const Node::Member> Node::members() const {
  const Table* table = std::get_if<Table>(&value_);
  return table ? std::span<const Member>(*table) : std::span<const Member>();
}

const Node::Member* Node::member(std::string_view key) const {
  for (const Member& member : members())
    if (member.key == key) return &member;
  return nullptr;
}

const Node* Node::find(std::string_view key) const {
  const Member* found = member(key);
  return found ? &found->value : nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

void Node::set(std::string_view key, Node value, Position key_where) {
  if (!is_table()) value_ = Table{};
  Table& table = std::get<Table>(value_);
  const auto found = std::find_if(table.begin(), table.end(), [&](const Member& m) { return m.key == key; });
  if (found == table.end()) {
    table.push_back({std::string(key), std::move(key_where), std::move(value)});
  } else {
    found->where = std::move(key_where);
    found->value = std::move(value);
  }
}

bool Node::erase(std::string_view key) {
  Table* table = std::get_if<Table>(&value_);
  return table && std::erase_if(*table, [&](const Member& m) { return m.key == key; }) > 0;
}

std::string Node::describe() const {
  if (const bool* flag = if_flag()) return *flag ? "true" : "false";
  if (const std::int64_t* integer = if_integer()) return "integer " + std::to_string(*integer);
  if (const double* number = if_number()) return "number " + format_number(*number);
  if (const std::string* text = if_text()) return "text " + quote(shorten(*text));
  if (const Array* array = if_array()) return "an array of " + std::to_string(array->size());
  return "a table";
}

bool Node::operator==(const Node& other) const {
  if (value_.index() != other.value_.index()) return false;
  if (!is_table())
    return std::visit(
        [&](const auto& value) {
          using Value = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<Value, Table>) return true;
          else return value == std::get<Value>(other.value_);
        },
        value_);
  if (members().size() != other.members().size()) return false;
  return std::all_of(members().begin(), members().end(), [&](const Member& member) {
    const Node* counterpart = other.find(member.key);
    return counterpart && *counterpart == member.value;
  });
}

}  // namespace variform::config
