// Reads components: chooses the plugin that offers one and checks parameters against the schema that it declares.

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <variant>

#include <fmt/format.h>

#include "base/words.h"
#include "config/load.h"
#include "config/sections.h"
#include "config/text.h"

namespace variform::config {
namespace {

std::string available(Kind kind, const Catalog& catalog) {
  std::vector<std::string> ids = catalog.ids(kind);
  std::sort(ids.begin(), ids.end());
  return ids.empty() ? std::string("no plugin offers one") : "available: " + join(ids);
}

NumberRule number_rule(const Parameter& p) {
  NumberRule rule;
  if (!p.is_required) rule.fallback = p.number_default;
  rule.low = p.low;
  rule.high = p.high;
  rule.excludes_low = p.excludes_low;
  rule.unit = p.unit;
  return rule;
}

/// The schema keeps bounds as doubles; bounds of integers are whole or infinite.
IntegerRule integer_rule(const Parameter& p) {
  constexpr double kLimit = 9.2e18;
  IntegerRule rule;
  if (!p.is_required) rule.fallback = static_cast<std::int64_t>(p.number_default);
  if (p.low > -kLimit) {
    rule.low = static_cast<std::int64_t>(std::ceil(p.low));
    if (p.excludes_low && std::ceil(p.low) == p.low) ++rule.low;
  }
  if (p.high < kLimit) rule.high = static_cast<std::int64_t>(std::floor(p.high));
  rule.unit = p.unit;
  return rule;
}

template <class Value>
std::optional<std::vector<Value>> list_default(const Parameter& p) {
  if (p.is_required) return std::nullopt;
  std::vector<Value> values;
  for (std::size_t i = 0; i < p.list_size; ++i) values.push_back(static_cast<Value>(p.list_default[i]));
  return values;
}

TextRule text_rule(const Parameter& p) {
  TextRule rule;
  if (!p.is_required) rule.fallback = p.text_default;
  for (std::size_t i = 0; i < p.choice_count; ++i) rule.choices.emplace_back(p.choices[i]);
  return rule;
}

ParameterValue read_parameter(Reader& reader, const Parameter& p, const Catalog& catalog) {
  switch (p.type) {
    case ParameterType::kNumber:
      if (p.is_schedulable) return read_schedule(reader, p.name, number_rule(p));
      if (const Node* node = reader.node(p.name); node && node->find("schedule")) {
        reader.error(p.name, "@ must be a constant number, found a schedule.");
        return p.number_default;
      }
      return reader.number(p.name, number_rule(p));
    case ParameterType::kInteger: return reader.integer(p.name, integer_rule(p));
    case ParameterType::kText: return reader.text(p.name, text_rule(p));
    case ParameterType::kFlag:
      return reader.flag(
          p.name, {.fallback = p.is_required ? std::nullopt : std::optional<bool>(p.number_default != 0)});
    case ParameterType::kNumbers: {
      const NumberRule each = number_rule(p);
      return reader.numbers(p.name, {.fallback = list_default<double>(p),
                                     .low = each.low,
                                     .high = each.high,
                                     .excludes_low = each.excludes_low,
                                     .unit = each.unit});
    }
    case ParameterType::kIntegers: {
      const IntegerRule each = integer_rule(p);
      return reader.integers(
          p.name,
          {.fallback = list_default<std::int64_t>(p), .low = each.low, .high = each.high, .unit = each.unit});
    }
    case ParameterType::kComponent: break;
  }
  auto inner = read_component(reader, p.name, kind_named(p.component_kind), Place::kParameter, catalog, true);
  if (!inner) inner.emplace();
  return std::make_shared<ComponentSpec>(std::move(*inner));
}

/// Says what to do about a component that a run was trained with as a class in Python; empty for all others. The Python
/// package names such a class as its plugin.
std::string about_python(const ComponentSpec& spec) {
  constexpr std::string_view kPython = "python.";
  if (!spec.plugin.starts_with(kPython)) return {};
  const std::string name = shorten(spec.plugin.substr(kPython.size()));
  return " It is the class " + name + " of a Python program: in Python, variform.load(RUN, components=[" +
         name + "]) opens such a run, and variform.train_python trains one.";
}

/// Returns the entry that type and plugin mean; nothing and an error if none or more than one matches.
std::optional<Catalog::Entry> choose(Reader& reader, const ComponentSpec& spec, const Catalog& catalog) {
  const std::string kind = variform::to_string(spec.kind);
  const std::vector<Catalog::Entry> all = catalog.find(spec.kind, spec.type);
  if (all.empty()) {
    const std::string reason = catalog.why_missing(spec.kind, spec.type);
    reader.error("type",
                 "There is no " + kind + " " + quote(shorten(spec.type)) + "; " +
                     available(spec.kind, catalog) + "." + (reason.empty() ? "" : " " + reason) +
                     about_python(spec),
                 did_you_mean(spec.type, catalog.ids(spec.kind)));
    return std::nullopt;
  }
  std::vector<std::string> plugins;
  for (const Catalog::Entry& entry : all) plugins.push_back(entry.plugin);
  std::sort(plugins.begin(), plugins.end());
  if (spec.plugin.empty()) {
    if (all.size() == 1) return all.front();
    reader.error("type",
                 fmt::format("The {} {} is offered by {} plugins: {}.", kind, quote(spec.type), all.size(),
                             join(plugins)),
                 "say which: plugin = " + quote(plugins.front()));
    return std::nullopt;
  }
  for (const Catalog::Entry& entry : all)
    if (entry.plugin == spec.plugin) return entry;
  reader.error("plugin",
               "Plugin " + quote(shorten(spec.plugin)) + " offers no " + kind + " " + quote(spec.type) +
                   "; that is offered by " + join(plugins) + "." + about_python(spec),
               did_you_mean(spec.plugin, plugins));
  return std::nullopt;
}

/// Reads the slot's own keys except type and plugin.
void read_slot_keys(Reader& reader, ComponentSpec& spec, Place place) {
  if (reader.has("from")) {
    spec.from = reader.text("from");
    if (spec.from->empty()) reader.error("from", "@ must name a run or a checkpoint, found an empty text.");
  }
  if (place != Place::kSlot) return;
  if (reader.has("frozen")) spec.frozen = reader.flag("frozen", {.fallback = false});
  if (reader.has("optimizer")) spec.optimizer = read_optimizer(reader, "optimizer");
  if (spec.frozen && spec.optimizer)
    reader.error("optimizer", "@ has no effect on a frozen component.", "drop it, or frozen = true");
}

/// Returns the resolved slot with type and plugin first and without `frozen = false`, which says nothing. Equal
/// experiments then have equal texts, and so the same hash.
Node tidy(Reader& reader) {
  const Node& all = reader.resolved();
  Node out = Node::table(all.where());
  for (const char* key : {"type", "plugin"})
    if (const Node::Member* member = all.member(key)) out.set(key, member->value, member->where);
  for (const Node::Member& member : all.members()) out.set(member.key, member.value, member.where);
  const Node* frozen = out.find("frozen");
  if (frozen && frozen->if_flag() && !*frozen->if_flag()) out.erase("frozen");
  return out;
}

bool is_default(const Parameter& p, const ParameterValue& value) {
  if (p.is_required) return false;
  const auto is = [&](const auto& held) {
    using Held = std::decay_t<decltype(held)>;
    if constexpr (std::is_same_v<Held, bool>) return held == (p.number_default != 0);
    else if constexpr (std::is_arithmetic_v<Held>) return static_cast<double>(held) == p.number_default;
    else if constexpr (std::is_same_v<Held, std::string>) return held == p.text_default;
    else if constexpr (std::is_same_v<Held, Schedule>)
      return held.is_constant() && held.from == p.number_default;
    else if constexpr (std::is_same_v<Held, std::shared_ptr<ComponentSpec>>) return false;
    else return held == list_default<typename Held::value_type>(p);
  };
  return std::visit(is, value);
}

/// Whether a parameter that is allowed to say nothing has its default. It is left out, so that a later release may add one
/// without renaming the runs of all experiments that do not use it.
bool says_nothing(const Parameter& p, const ParameterValue& value) {
  const bool is_quiet = p.is_added_later || (p.type == ParameterType::kText && *p.text_default == '\0');
  return is_quiet && is_default(p, value);
}

void read_from_run(Reader& reader, const ComponentSpec& spec) {
  if (reader.has("plugin")) {
    reader.text("plugin");
    reader.error("plugin", "@ needs a type beside it.");
  }
  reader.finish("a component taken from " + quote(shorten(*spec.from)) + ", whose parameters are the run's");
}

}  // namespace

std::optional<ComponentSpec> read_component(Reader& parent, std::string_view key, Kind kind, Place place,
                                            const Catalog& catalog, bool required) {
  const std::string name(key);
  const Node* node = parent.node(key);
  const std::string example = "write " + name + " = { type = \"…\" }";
  if (!node) {
    if (required)
      parent.error(key,
                   "@ is missing: expected " + base::with_article(variform::to_string(kind)) + "; " +
                       available(kind, catalog) + ".",
                   example);
    return std::nullopt;
  }
  if (!node->is_table()) {
    const std::string* text = node->if_text();
    parent.error(key, "@ must be a table with a type, found " + node->describe() + ".",
                 !text ? example
                 : node->where().is_command_line()
                     ? parent.advice(key, name + ".type", quote(*text))
                     : parent.advice(key, name, "{ type = " + quote(*text) + " }"));
    return std::nullopt;
  }
  Reader reader = parent.table(key);
  ComponentSpec spec;
  spec.kind = kind;
  spec.where = node->where();
  const bool has_type = reader.has("type");
  if (has_type) spec.type = reader.text("type");
  if (has_type && reader.has("plugin")) spec.plugin = reader.text("plugin");
  read_slot_keys(reader, spec, place);
  if (!has_type && !spec.from) {
    reader.error("type", "@ is missing: expected " + base::with_article(variform::to_string(kind)) + "; " +
                             available(kind, catalog) + ".");
    return std::nullopt;  // the owner of these parameters is unknown
  }
  if (!has_type) {
    read_from_run(reader, spec);
    parent.put(key, tidy(reader), spec.where);
    return spec;
  }
  if (!reader.source().find("type")->if_text()) return std::nullopt;
  const auto entry = choose(reader, spec, catalog);
  if (!entry) return std::nullopt;
  spec.plugin = entry->plugin;
  reader.put("plugin",
             Node(spec.plugin, reader.source().find("plugin") ? reader.where("plugin") : Position{}));
  for (const Parameter& p : entry->parameters) spec.parameters[p.name] = read_parameter(reader, p, catalog);
  reader.finish(std::string(variform::to_string(kind)) + " " + quote(spec.type));
  Node resolved = tidy(reader);
  for (const Parameter& p : entry->parameters)
    if (says_nothing(p, spec.parameters.at(p.name))) resolved.erase(p.name);
  parent.put(key, std::move(resolved), spec.where);
  return spec;
}

GivenComponent parse_component(const std::string& text, const std::string& name, Kind kind,
                               const Catalog& catalog, Diagnostics& diagnostics) {
  const std::string key = variform::to_string(kind);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_table = first != std::string::npos && text[first] == '{';
  const Node root =
      parse(key + " = " + (is_table ? text : "{ type = " + quote(text) + " }"), name, diagnostics);
  if (diagnostics.incomplete()) return {};
  Reader reader(root, diagnostics, "");
  std::optional<ComponentSpec> component =
      read_component(reader, key, kind, Place::kParameter, catalog, true);
  reader.finish(name);
  if (component && component->from)
    diagnostics.error(component->where, name + " must give a type and its parameters, not a run.");
  if (!component || !diagnostics.empty()) return {};
  return {std::move(*component), *reader.resolved().find(key)};
}

}  // namespace variform::config
