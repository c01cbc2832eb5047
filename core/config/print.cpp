// Prints a tree of values as TOML: values first, then tables as sections, so that the output reads back the same.

#include <algorithm>

#include "config/load.h"
#include "config/text.h"

namespace variform::config {
namespace {

std::string inline_value(const Node& node);

std::string inline_table(const Node& node) {
  if (node.members().empty()) return "{}";
  std::vector<std::string> parts;
  for (const Node::Member& member : node.members())
    parts.push_back(quote_key(member.key) + " = " + inline_value(member.value));
  return "{ " + join(parts) + " }";
}

std::string inline_value(const Node& node) {
  if (const bool* flag = node.if_flag()) return *flag ? "true" : "false";
  if (const std::int64_t* integer = node.if_integer()) return std::to_string(*integer);
  if (const double* number = node.if_number()) return format_number(*number);
  if (const std::string* text = node.if_text()) return quote(*text);
  if (const Node::Array* array = node.if_array()) {
    std::vector<std::string> parts;
    for (const Node& element : *array) parts.push_back(inline_value(element));
    return "[" + join(parts) + "]";
  }
  return inline_table(node);
}

/// A schedule is one value to its reader and therefore takes one line.
bool is_section(const Node& node) { return node.is_table() && node.find("schedule") == nullptr; }

void collect_origins(const Node& node, std::vector<std::string>& out) {
  for (const Node::Member& member : node.members()) collect_origins(member.value, out);
  if (!node.members().empty()) return;
  std::string from = origin(node.where());
  std::replace_if(
      from.begin(), from.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  if (std::find(out.begin(), out.end(), from) == out.end()) out.push_back(std::move(from));
}

class Printer {
 public:
  explicit Printer(bool origin) : origin_(origin) {}

  void section(const Node& table, const std::string& path) {
    const auto members = table.members();
    const bool has_values =
        std::any_of(members.begin(), members.end(), [](const auto& m) { return !is_section(m.value); });
    if (!path.empty() && (has_values || members.empty()))
      text_ += (text_.empty() ? "[" : "\n[") + path + "]\n";
    for (const Node::Member& member : members)
      if (!is_section(member.value)) line(member);
    for (const Node::Member& member : members)
      if (is_section(member.value))
        section(member.value, (path.empty() ? "" : path + ".") + quote_key(member.key));
  }

  const std::string& text() const { return text_; }

 private:
  void line(const Node::Member& member) {
    text_ += quote_key(member.key) + " = " + inline_value(member.value);
    if (origin_) {
      std::vector<std::string> origins;
      collect_origins(member.value, origins);
      text_ += "  # " + join(origins);
    }
    text_ += "\n";
  }

  bool origin_;
  std::string text_;
};

}  // namespace

std::string plain_value(const Node& value) {
  if (const std::string* text = value.if_text()) return *text;
  if (const double* number = value.if_number()) return format_plain(*number);
  return print_value(value);
}

std::string print_value(const Node& value) { return inline_value(value); }

std::string print(const Node& root, bool origin) {
  Printer printer(origin);
  printer.section(root, "");
  return printer.text();
}

}  // namespace variform::config
