// toml++ parses, this file turns its result into our nodes with positions, and resolves includes, merging and
// command-line overrides. No other file of the project uses toml++.

#include "config/load.h"

// toml++ 3.3, used as headers in a debug build, would abort at "[=", where its released library reports an error.
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/file.h"
#include "base/quote.h"
#include "config/text.h"

namespace variform::config {
namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 64;                // nesting of values
constexpr std::size_t kMostIncludes = 200;  // files in all, since includes may multiply without any cycle

/// Converts toml++ values to nodes. `first_line` shifts lines, for overrides.
class Converter {
 public:
  Converter(std::string file, int first_line, Diagnostics& diagnostics)
      : file_(std::move(file)), shift_(first_line - 1), diagnostics_(diagnostics) {}

  Node table(const toml::table& source, Position where, int depth) {
    std::vector<toml::table::const_iterator> order;
    for (auto it = source.cbegin(); it != source.cend(); ++it) order.push_back(it);
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      const auto x = a->first.source().begin, y = b->first.source().begin;
      return x.line != y.line ? x.line < y.line : x.column < y.column;
    });
    Node out = Node::table(std::move(where));
    for (const auto& it : order) {
      const Position key = position(it->first.source(), out.where());
      out.set(it->first.str(), value(it->second, key, depth + 1), key);
    }
    return out;
  }

 private:
  Position position(const toml::source_region& region, const Position& otherwise) const {
    if (region.begin.line == 0) return otherwise;
    return {file_, static_cast<int>(region.begin.line) + shift_, static_cast<int>(region.begin.column)};
  }

  Node value(const toml::node& source, const Position& key, int depth) {
    const Position where = position(source.source(), key);
    if (depth > kDeepest) {
      diagnostics_.error(where, fmt::format("Values are nested more than {} deep.", kDeepest));
      return Node::table(where);
    }
    if (const auto* table_value = source.as_table()) return table(*table_value, where, depth);
    if (const auto* array = source.as_array()) {
      Node::Array elements;
      for (const toml::node& element : *array) elements.push_back(value(element, where, depth + 1));
      return Node(std::move(elements), where);
    }
    if (const auto* text = source.as_string()) return Node(text->get(), where);
    if (const auto* integer = source.as_integer()) return Node(integer->get(), where);
    if (const auto* number = source.as_floating_point()) return Node(number->get(), where);
    if (const auto* flag = source.as_boolean()) return Node(flag->get(), where);
    std::ostringstream date;
    source.visit([&](const auto& leaf) {
      if constexpr (toml::is_chronological<decltype(leaf)>) date << leaf.get();
    });
    if (where.is_command_line()) return Node(date.str(), where);
    diagnostics_.error(where, "Dates and times have no use here, found " + date.str() + ".",
                       "write it in quotes if it is meant as text");
    return Node(date.str(), where);
  }

  std::string file_;
  int shift_;
  Diagnostics& diagnostics_;
};

struct ParseFailure {
  std::string message;
  int line = 0, column = 0;
};

/// Parses one text. On failure the error is in `failure` and the result is empty.
std::optional<toml::table> parse_toml(std::string_view text, ParseFailure& failure) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto begin = error.source().begin;
    failure = {std::string(error.description()), static_cast<int>(begin.line),
               static_cast<int>(begin.column)};
    return std::nullopt;
  }
}

std::string not_toml(const ParseFailure& failure) {
  std::string_view message = failure.message;
  if (message.starts_with("Error ")) message.remove_prefix(6);
  return "This is not TOML: " + std::string(message) + ".";
}

std::optional<std::string> read(const std::string& file, const Position& asked, Diagnostics& diagnostics) {
  const Position where = asked.is_default() ? Position{file, 0, 0} : asked;
  const bool may_be_key =
      asked.is_default() && file.find('/') == std::string::npos && !file.ends_with(".toml");
  try {
    return asked.is_default() ? base::contents_of_named(file) : base::contents_of(file);
  } catch (const std::runtime_error& error) {
    const std::string reason =
        std::string(error.what()).substr(file.size());  // which begins with the unquoted name
    diagnostics.error(where, "Cannot read " + quote(file) + reason,
                      may_be_key ? "if it is meant as a key, write " + base::for_shell(file) + "=VALUE" : "");
    diagnostics.mark_incomplete();
    return std::nullopt;
  }
}

/// Loads files together with what they include.
class Loader {
 public:
  explicit Loader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  /// `asked`: the position of the include, empty for the files of the command line.
  void add(Node& root, const std::string& file, const Position& asked) {
    if (++files_ > kMostIncludes) {
      if (files_ == kMostIncludes + 1)
        diagnostics_.error(asked, fmt::format("More than {} files are included.", kMostIncludes));
      return;
    }
    const std::optional<std::string> text = read(file, asked, diagnostics_);
    if (!text) return;
    std::error_code ignored;
    const fs::path canonical = fs::weakly_canonical(file, ignored);
    if (std::any_of(open_.begin(), open_.end(), [&](const auto& o) { return o.canonical == canonical; })) {
      std::vector<std::string> chain;
      for (const Open& open : open_) chain.push_back(quote(open.name));
      diagnostics_.error(asked, "Files include each other in a circle: " + join(chain, " includes ") +
                                    " includes " + quote(file) + ".");
      return;
    }
    open_.push_back({canonical, file});
    Node own = parse(*text, file, diagnostics_);
    include(root, own, file);
    own.erase("include");
    merge(root, own);
    open_.pop_back();
  }

 private:
  struct Open {
    fs::path canonical;
    std::string name;
  };

  void include(Node& root, const Node& own, const std::string& file) {
    const Node* include = own.find("include");
    if (!include) return;
    if (fs::path(file).filename() == kResolvedConfig) {  // other files would not be known to be that run's
      diagnostics_.error(include->where(),
                         "The config of a run holds all that it needs, and includes nothing.",
                         "somebody has changed it");
      return;
    }
    const Node::Array single{*include};
    const Node::Array& wanted = include->if_array() ? *include->if_array() : single;
    for (const Node& element : wanted) {
      if (const std::string* name = element.if_text()) {
        refuse_tildes(element, diagnostics_);
        const fs::path path = (fs::path(file).parent_path() / *name).lexically_normal();
        add(root, path.string(), element.where());
      } else {
        diagnostics_.error(element.where(),
                           "include must be a list of files, found " + element.describe() + ".");
      }
    }
  }

  Diagnostics& diagnostics_;
  std::vector<Open> open_;
  std::size_t files_ = 0;
};

/// Finds the `=` after the key; quoted parts of the key may contain one.
std::size_t find_assignment(std::string_view text) {
  char quoted = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted) {
      if (text[i] == quoted) quoted = 0;
    } else if (text[i] == '"' || text[i] == '\'') {
      quoted = text[i];
    } else if (text[i] == '=') {
      return i;
    }
  }
  return std::string_view::npos;
}

/// Parses `a.b=VALUE` as a separate tree; nothing after an error.
std::optional<toml::table> parse_override(std::string_view text, const Position& where,
                                          Diagnostics& diagnostics) {
  const std::string expected = "expected a.b=VALUE, such as train.batch=64";
  const auto fail = [&](const std::string& message, int column) {
    diagnostics.error({where.file, where.line, column}, message, expected);
    return std::nullopt;
  };
  const std::size_t assignment = find_assignment(text);
  if (assignment == std::string_view::npos)
    return fail("Override " + quote(shorten(text)) + " has no \"=\".", 1);
  if (text.find_first_of("\r\n") != std::string_view::npos)
    return fail("Override " + quote(shorten(text)) + " has more than one line.", 1);
  const std::string key(text.substr(0, assignment));
  const std::string_view rest = text.substr(assignment + 1);
  ParseFailure failure;
  const auto key_alone = parse_toml(key + "=0", failure);
  if (!key_alone || key_alone->empty())
    return fail("Override " + quote(shorten(text)) + " has no valid key.", 1);
  const std::size_t begin = rest.find_first_not_of(" \t");
  if (begin == std::string_view::npos)
    return fail("Override " + quote(shorten(text)) + " has no value.", static_cast<int>(text.size()));
  if (auto parsed = parse_toml(text, failure)) return parsed;
  const std::string toml_error = not_toml(failure);
  const int column = failure.column;
  if (std::string_view("[{\"'").find(rest[begin]) != std::string_view::npos) return fail(toml_error, column);
  const std::string_view word = rest.substr(begin, rest.find_last_not_of(" \t") + 1 - begin);
  auto as_text = parse_toml(key + "=" + std::string(rest.substr(0, begin)) + quote(word), failure);
  if (!as_text) return fail(not_toml(failure), failure.column);
  return as_text;
}

/// The depth of merging, as far as it matters: slots stand at `objective` and at `model.<kind>`.
enum class Level { kRoot, kModel, kSlot, kData, kDataset, kOther };

Level below(Level level, std::string_view key) {
  if (level == Level::kRoot && key == "data") return Level::kData;
  if (level == Level::kData && key == "dataset") return Level::kDataset;
  if (level == Level::kModel || (level == Level::kRoot && key == "objective")) return Level::kSlot;
  return level == Level::kRoot && key == "model" ? Level::kModel : Level::kOther;
}

/// Whether `later` describes something else than `base`, so that keys of the one do not apply to the other.
bool is_another(const Node& base, const Node& later, Level level) {
  for (const char* key : {"type", "schedule"}) {
    const Node* old_value = base.find(key);
    const Node* new_value = later.find(key);
    if (old_value && new_value && !(*old_value == *new_value)) return true;
  }
  if (level == Level::kDataset) {
    // A model that data are drawn from has a type, a description of files has none. Files are at the top or in splits.
    const bool is_files = later.find("x") || later.find("splits");
    if (base.find("type")) return !later.find("type") && is_files;
    return later.find("type") || (base.find("splits") && later.find("x")) ||
           (base.find("x") && later.find("splits"));
  }
  if (level != Level::kSlot) return false;
  const Node* old_from = base.find("from");
  const Node* new_from = later.find("from");
  if (later.find("type")) return !base.find("type") && old_from && !new_from;
  return base.find("type") && new_from && !(old_from && *old_from == *new_from);
}

void merge_below(Node& base, const Node& later, Level level) {
  for (const Node::Member& member : later.members()) {
    Node* target = base.find(member.key);
    const Level inner = below(level, member.key);
    const bool both_tables = target && target->is_table() && member.value.is_table();
    if (both_tables && !is_another(*target, member.value, inner)) merge_below(*target, member.value, inner);
    else base.set(member.key, member.value, member.where);
  }
}

void find_dropped(const Node& base, const Node& later, const std::string& path,
                  std::vector<Dropped>& dropped) {
  for (const Node::Member& member : later.members()) {
    const Node* old = base.find(member.key);
    if (!old || !old->is_table() || !member.value.is_table()) continue;
    const std::string key = (path.empty() ? "" : path + ".") + member.key;
    const Node* old_type = old->find("type");
    const Node* new_type = member.value.find("type");
    if (!old_type || !old_type->if_text() || !new_type || *old_type == *new_type) {
      find_dropped(*old, member.value, key, dropped);
      continue;
    }
    for (const Node::Member& parameter : old->members())
      if (parameter.key != "type" && parameter.key != "plugin" && !member.value.find(parameter.key))
        dropped.push_back(
            {key + "." + parameter.key, parameter.value, member.key + " '" + *old_type->if_text() + "'"});
  }
}

}  // namespace

void refuse_tildes(const Node& tree, Diagnostics& diagnostics) {
  if (const std::string* text = tree.if_text(); text && text->find('/') != std::string::npos)
    if (const std::string problem = base::tilde_problem(*text); !problem.empty())
      diagnostics.error(tree.where(), problem + ".");
  if (const Node::Array* array = tree.if_array())
    for (const Node& element : *array) refuse_tildes(element, diagnostics);
  if (tree.is_table())
    for (const Node::Member& member : tree.members()) refuse_tildes(member.value, diagnostics);
}

const Node* at_path(const Node& root, const std::string& path) {
  const Node* node = &root;
  std::istringstream keys(path);
  for (std::string key; node && std::getline(keys, key, '.');) node = node->find(key);
  return node;
}

Node parse(std::string_view text, const std::string& name, Diagnostics& diagnostics) {
  diagnostics.add_source(name, text);
  ParseFailure failure;
  const auto parsed = parse_toml(text, failure);
  const Position whole{name, 0, 0};
  if (parsed) return Converter(name, 1, diagnostics).table(*parsed, whole, 0);
  diagnostics.error({name, failure.line, failure.column}, not_toml(failure));
  diagnostics.mark_incomplete();
  return Node::table(whole);
}

Node parse_file(const std::string& file, Diagnostics& diagnostics) {
  const auto text = read(file, {}, diagnostics);
  return text ? parse(*text, file, diagnostics) : Node::table({file, 0, 0});
}

Node parse_overrides(const std::vector<std::string>& overrides, Diagnostics& diagnostics) {
  const std::string file(kCommandLine);
  std::string source;
  for (const std::string& text : overrides) {
    std::string line = text;
    std::replace(line.begin(), line.end(), '\n', ' ');
    source += line + "\n";
  }
  if (!overrides.empty()) diagnostics.add_source(file, source);
  Node root = Node::table({file, 0, 0});
  for (std::size_t i = 0; i < overrides.size(); ++i) {
    const int line = static_cast<int>(i) + 1;
    if (const auto parsed = parse_override(overrides[i], {file, line, 1}, diagnostics))
      merge(root, Converter(file, line, diagnostics).table(*parsed, {file, line, 1}, 0));
  }
  return root;
}

std::optional<std::pair<std::string, Node>> parse_assignment(std::string_view text, int line,
                                                             Diagnostics& diagnostics) {
  const std::string file(kCommandLine);
  const Position where{file, line, 1};
  const auto parsed = parse_override(text, where, diagnostics);
  ParseFailure impossible;  // parse_override() has read the key already
  const auto key = parse_toml(std::string(text.substr(0, find_assignment(text))) + "=0", impossible);
  if (!parsed || !key) return {};
  Converter converter(file, line, diagnostics);
  const Node keys = converter.table(*key, where, 0);
  Node value = converter.table(*parsed, where, 0);
  std::string path;
  for (const Node* level = &keys; level->is_table(); level = &level->members()[0].value) {
    const std::string& part = level->members()[0].key;
    path += (path.empty() ? "" : ".") + part;
    Node inner = *value.find(part);
    value = std::move(inner);
  }
  return std::pair(path, std::move(value));
}

Node load(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
          Diagnostics& diagnostics, std::vector<Dropped>& dropped) {
  Node root = Node::table();
  Loader loader(diagnostics);
  for (const std::string& file : files) loader.add(root, file, {});
  if (!files.empty()) root.set_where({files.back(), 0, 0});
  // Overrides are merged among themselves first, so that "objective.beta=2 objective.type=grae" does not depend on
  // their order: the new type drops the file's parameters, not those given with it.
  const Node changes = parse_overrides(overrides, diagnostics);
  if (const Node::Member* include = changes.member("include"))
    diagnostics.error(include->where, "include has its place in files.",
                      "give the file as one more argument");
  merge(root, changes, dropped);
  root.erase("include");
  return root;
}

Node load(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
          Diagnostics& diagnostics) {
  std::vector<Dropped> dropped;
  return load(files, overrides, diagnostics, dropped);
}

std::vector<std::string> notes_of(const std::vector<Dropped>& dropped, const Node& resolved) {
  std::vector<std::string> notes;
  for (const auto& [key, value, owner] : dropped) {
    const Node* now = at_path(resolved, key);
    if (!now || *now == value) continue;
    notes.push_back(key + " = " + print_value(value) + " (" + origin(value.where()) + ") belonged to " +
                    owner + " and was dropped; it is now " + print_value(*now) +
                    ". Give it again if you want it.");
  }
  return notes;
}

void merge(Node& base, const Node& later) { merge_below(base, later, Level::kRoot); }

void merge(Node& base, const Node& later, std::vector<Dropped>& dropped) {
  find_dropped(base, later, "", dropped);
  merge(base, later);
}

}  // namespace variform::config
