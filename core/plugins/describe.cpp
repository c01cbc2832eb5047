// Describes what the registry knows.

#include "plugins/describe.h"

#include <torch/version.h>
#include <variform/manifest.h>
#include <variform/types.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/table.h"
#include "base/utf8.h"
#include "config/text.h"
#include "plugins/quantities.h"

namespace variform::plugins {
namespace {

using config::format_plain;
using nlohmann::json;

std::string full_name(const Offer& offer) {
  return std::string(to_string(offer.kind)) + ":" + std::string(offer.id);
}

// Lays out left-aligned columns with two blanks between them and none at a line's end.
std::string table(const std::vector<std::vector<std::string>>& rows, const std::string& indent = {}) {
  std::vector<std::size_t> columns;
  for (const auto& row : rows) {
    columns.resize(std::max(columns.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) columns[i] = std::max(columns[i], base::utf8_width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = indent;
    for (std::size_t i = 0; i < row.size(); ++i) line += base::padded(row[i], columns[i] + 2);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

constexpr std::size_t kColumns = 100;

// Returns the value as TOML.
std::string toml_number(double value, bool integer) {
  return integer ? std::to_string(static_cast<long long>(value)) : config::format_number(value);
}

std::string default_text(const Parameter& parameter) {
  switch (parameter.type) {
    case ParameterType::kNumber: return toml_number(parameter.number_default, false);
    case ParameterType::kInteger: return toml_number(parameter.number_default, true);
    case ParameterType::kFlag: return parameter.number_default != 0 ? "true" : "false";
    case ParameterType::kText: return config::quote(parameter.text_default);
    case ParameterType::kNumbers:
    case ParameterType::kIntegers: {
      std::vector<std::string> items;
      for (std::size_t i = 0; i < parameter.list_size; ++i)
        items.push_back(toml_number(parameter.list_default[i], parameter.type == ParameterType::kIntegers));
      return "[" + config::join(items) + "]";
    }
    case ParameterType::kComponent: break;
  }
  return {};
}

// Returns "above 0", "0.5 to 1", "at least 1"; empty if every value is allowed.
std::string range_text(const Parameter& parameter) {
  const bool low = std::isfinite(parameter.low), high = std::isfinite(parameter.high);
  if (low && high && !parameter.excludes_low)
    return format_plain(parameter.low) + " to " + format_plain(parameter.high);
  std::string text;
  if (low) text = (parameter.excludes_low ? "above " : "at least ") + format_plain(parameter.low);
  if (high) text += (low ? ", " : "") + std::string("at most ") + format_plain(parameter.high);
  return text;
}

std::vector<std::string> choices_of(const Parameter& parameter) {
  return {parameter.choices.begin(),
          parameter.choices.begin() + static_cast<std::ptrdiff_t>(parameter.choice_count)};
}

// Everything but name and meaning: `number, default 0.5, above 0, in nats, may follow a schedule`.
std::string facts(const Parameter& parameter) {
  std::string text = to_string(parameter.type);
  if (parameter.type == ParameterType::kComponent)
    text = std::string("a ") + parameter.component_kind + " of its own";
  text += parameter.is_required ? ", required" : ", default " + default_text(parameter);
  if (const std::string range = range_text(parameter); !range.empty()) text += ", " + range;
  if (*parameter.unit) text += std::string(", in ") + parameter.unit;
  if (parameter.choice_count) text += ", one of " + config::join_quoted(choices_of(parameter));
  if (parameter.is_schedulable) text += ", may follow a schedule";
  return text;
}

json number_json(double value, bool integer) {
  if (integer) return static_cast<std::int64_t>(value);
  return value;
}

json default_json(const Parameter& parameter) {
  if (parameter.is_required) return nullptr;
  switch (parameter.type) {
    case ParameterType::kNumber: return parameter.number_default;
    case ParameterType::kInteger: return number_json(parameter.number_default, true);
    case ParameterType::kFlag: return parameter.number_default != 0;
    case ParameterType::kText: return parameter.text_default;
    case ParameterType::kNumbers:
    case ParameterType::kIntegers: {
      json items = json::array();
      for (std::size_t i = 0; i < parameter.list_size; ++i)
        items.push_back(number_json(parameter.list_default[i], parameter.type == ParameterType::kIntegers));
      return items;
    }
    case ParameterType::kComponent: break;
  }
  return nullptr;
}

json parameter_json(const Parameter& parameter) {
  json result{{"name", parameter.name},
              {"type", to_string(parameter.type)},
              {"required", parameter.is_required},
              {"default", default_json(parameter)},
              {"low", nullptr},
              {"high", nullptr},
              {"excludes_low", parameter.excludes_low},
              {"unit", parameter.unit},
              {"choices", choices_of(parameter)},
              {"schedulable", parameter.is_schedulable},
              {"meaning", parameter.description}};
  if (std::isfinite(parameter.low)) result["low"] = parameter.low;
  if (std::isfinite(parameter.high)) result["high"] = parameter.high;
  if (parameter.type == ParameterType::kComponent) result["kind"] = parameter.component_kind;
  return result;
}

json record_json(const PluginRecord& record) {
  json result{{"id", record.id},
              {"version", record.version},
              {"path", record.path.string()},
              {"origin", to_string(record.origin)},
              {"status", to_string(record.status)},
              {"reason", record.reason},
              {"sha256", record.sha256},
              {"components", json::array()},
              {"fingerprint", nullptr}};
  if (record.manifest) {
    result["components"] = record.manifest->components;
    result["fingerprint"] = record.manifest->fingerprint;
  }
  return result;
}

std::vector<Kind> kinds_of(std::optional<Kind> kind) {
  if (kind) return {*kind};
  return {kComponentKinds.begin(), kComponentKinds.end()};
}

std::size_t refused(const Registry& registry) {
  const auto records = registry.records();
  return static_cast<std::size_t>(
      std::count_if(records.begin(), records.end(),
                    [](const PluginRecord* record) { return record->status == Status::kRefused; }));
}

// Returns a value that the schema accepts, for a parameter without a default.
std::string example(const Registry& registry, const Offer& offer, const Parameter& parameter) {
  switch (parameter.type) {
    case ParameterType::kText:
      return config::quote(parameter.choice_count ? parameter.choices[0] : parameter.name);
    case ParameterType::kComponent: {
      const std::vector<std::string> ids = registry.ids(kind_named(parameter.component_kind));
      const auto other = std::find_if(ids.begin(), ids.end(), [&](const std::string& id) {
        return kind_named(parameter.component_kind) != offer.kind || id != offer.id;
      });
      return "{ type = " + config::quote(other == ids.end() ? "ID" : *other) + " }";
    }
    case ParameterType::kFlag: return "true";
    default: break;
  }
  const bool integer =
      parameter.type == ParameterType::kInteger || parameter.type == ParameterType::kIntegers;
  double value = 1;
  if (value < parameter.low || (value == parameter.low && parameter.excludes_low))
    value = std::floor(parameter.low) + 1;
  if (value > parameter.high) value = parameter.high;
  const bool list = parameter.type == ParameterType::kNumbers || parameter.type == ParameterType::kIntegers;
  return list ? "[" + toml_number(value, integer) + "]" : toml_number(value, integer);
}

// Returns all offers that `name` stands for, at least one.
std::vector<Offer> offers_named(const Registry& registry, std::string_view name) {
  if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    const Kind kind = kind_named(name.substr(0, colon));
    std::vector<Offer> offers = registry.offers(kind, name.substr(colon + 1));
    if (offers.empty()) registry.offer(kind, name.substr(colon + 1));  // throws: it knows why
    return offers;
  }
  std::vector<Offer> found;
  std::vector<std::string> names, ids;
  for (Kind kind : kinds_of({})) {
    for (const std::string& id : registry.ids(kind)) ids.push_back(id);
    const std::vector<Offer> offers = registry.offers(kind, name);
    if (offers.empty()) continue;
    names.push_back(full_name(offers.front()));
    found = offers;
  }
  if (names.size() > 1)
    throw Error("\"" + std::string(name) +
                "\" is the id of components of several kinds; say which: " + config::join(names));
  if (found.empty()) {
    const std::string near = config::did_you_mean(name, ids);
    throw Error("there is no component \"" + std::string(name) + "\"" +
                (near.empty() ? "; `variform list` shows all of them" : "; " + near));
  }
  return found;
}

std::string parameter_value(const Registry& registry, const Offer& offer, const Parameter& parameter) {
  return parameter.is_required ? example(registry, offer, parameter) : default_text(parameter);
}

// Returns an inline table with the parameters' defaults: { type = "geometry", pairs = 16 }.
std::string inline_snippet(const Registry& registry, const Offer& offer) {
  std::string text = "{ type = " + config::quote(offer.id);
  for (const Parameter& parameter : offer.parameters)
    text += ", " + config::quote_key(parameter.name) + " = " + parameter_value(registry, offer, parameter);
  return text + " }";
}

// Lists what a metric reports.
std::string quantities_text(const Registry& registry, const Offer& offer) {
  const std::vector<DeclaredQuantity> declared = quantities_of(registry, offer);
  std::size_t columns = 0;
  for (const DeclaredQuantity& quantity : declared)
    columns = std::max(columns, base::utf8_width(quantity.name));
  std::string text;
  for (const DeclaredQuantity& quantity : declared) {
    const std::string unit = quantity.unit.empty() ? "a plain number" : quantity.unit;
    text += "    " + base::padded(quantity.name, columns + 2) + unit +
            (quantity.of_several_models ? ", of several models" : "") + "\n";
    text += base::wrapped(quantity.meaning, kColumns, columns + 6);
  }
  return text.empty() ? text : "\n  quantities\n" + text;
}

std::string describe_one(const Registry& registry, const Offer& offer) {
  std::string text = full_name(offer) + "\n" + base::wrapped(offer.summary, kColumns, 2) + "\n";
  std::vector<std::vector<std::string>> rows;
  if (!offer.source.empty()) rows.push_back({"source", std::string(offer.source)});
  rows.push_back({"plugin", offer.plugin->name()});
  rows.push_back(
      {"file", offer.plugin->path.empty() ? "built into this program" : offer.plugin->path.string()});
  text += table(rows, "  ") + "\n";
  text += offer.parameters.empty() ? "  no parameters\n" : "  parameters\n";
  std::size_t columns = 0;
  for (const Parameter& parameter : offer.parameters)
    columns = std::max(columns, base::utf8_width(parameter.name));
  for (const Parameter& parameter : offer.parameters) {
    text += "    " + base::padded(parameter.name, columns + 2) + facts(parameter) + "\n";
    text += base::wrapped(parameter.description, kColumns, columns + 6);
  }
  text += quantities_text(registry, offer);
  const bool is_metric = offer.kind == Kind::kMetric, is_reader = offer.kind == Kind::kReader;
  return text +
         (is_metric   ? "\n  in an evaluation\n"
          : is_reader ? "\n  in a data set's description\n"
                      : "\n  in a config\n") +
         [&] {
           std::string indented;
           const std::string snippet =
               is_metric ? "variform evaluate RUN --metric '" + inline_snippet(registry, offer) + "'\n"
                         : toml_snippet(registry, offer);
           for (std::size_t at = 0; at < snippet.size();) {
             const std::size_t end = snippet.find('\n', at);
             indented += "    " + snippet.substr(at, end - at + 1);
             at = end + 1;
           }
           return indented;
         }();
}

std::string place_note(const Registry& registry, const Place& place) {
  if (!place.note.empty()) return place.note;
  std::size_t files = 0;
  for (const PluginRecord* record : registry.records())
    files += record->origin == place.origin &&
             (record->path == place.path || record->path.parent_path() == place.path);
  return std::to_string(files) + (files == 1 ? " file" : " files");
}

}  // namespace

Kind kind_named(std::string_view name) {
  std::vector<std::string> names;
  for (Kind kind : kinds_of({})) {
    if (name == to_string(kind)) return kind;
    names.emplace_back(to_string(kind));
  }
  const std::string near = config::did_you_mean(name, names);
  throw Error("there is no kind \"" + std::string(name) + "\"; " +
              (near.empty() ? "the kinds are " + config::join(names) : near));
}

std::string list_text(const Registry& registry, std::optional<Kind> kind) {
  if (!kind) registry.load_all();
  std::vector<std::vector<std::string>> rows;
  for (Kind each : kinds_of(kind))
    for (const Offer& offer : registry.offers(each))
      rows.push_back({full_name(offer), offer.plugin->name(), std::string(offer.summary)});
  std::string text = table(rows);
  if (rows.empty())
    text = std::string("no ") + (kind ? to_string(*kind) : "component") +
           " was found; `variform doctor` says why\n";
  if (const std::size_t count = refused(registry))
    text += fmt::format("\n{}{} refused; `variform doctor` says why\n", count,
                        count == 1 ? " plugin was" : " plugins were");
  return text;
}

json list_json(const Registry& registry, std::optional<Kind> kind) {
  if (!kind) registry.load_all();
  json result = json::array();
  for (Kind each : kinds_of(kind))
    for (const Offer& offer : registry.offers(each))
      result.push_back({{"kind", to_string(offer.kind)},
                        {"id", offer.id},
                        {"summary", offer.summary},
                        {"plugin", offer.plugin->id},
                        {"version", offer.plugin->version},
                        {"path", offer.plugin->path.string()}});
  return result;
}

std::string toml_snippet(const Registry& registry, const Offer& offer) {
  if (offer.kind == Kind::kMetric) return inline_snippet(registry, offer) + "\n";
  if (offer.kind == Kind::kReader)
    return "format = " +
           (offer.parameters.empty() ? config::quote(offer.id) : inline_snippet(registry, offer)) + "\n";
  const bool objective = offer.kind == Kind::kObjective;
  std::string text = objective ? "[objective]\n" : std::string("[model.") + to_string(offer.kind) + "]\n";
  text += "type = " + config::quote(offer.id) + "\n";
  if (registry.offers(offer.kind, offer.id).size() > 1)
    text += "plugin = " + config::quote(offer.plugin->id) + "\n";
  for (const Parameter& parameter : offer.parameters)
    text += config::quote_key(parameter.name) + " = " + parameter_value(registry, offer, parameter) + "\n";
  return text;
}

std::string describe_text(const Registry& registry, std::string_view name) {
  std::string text;
  for (const Offer& offer : offers_named(registry, name))
    text += (text.empty() ? "" : "\n") + describe_one(registry, offer);
  return text;
}

json describe_json(const Registry& registry, std::string_view name) {
  json result = json::array();
  for (const Offer& offer : offers_named(registry, name)) {
    json parameters = json::array();
    for (const Parameter& parameter : offer.parameters) parameters.push_back(parameter_json(parameter));
    json quantities = json::array();
    for (const DeclaredQuantity& quantity : quantities_of(registry, offer))
      quantities.push_back({{"name", quantity.name},
                            {"unit", quantity.unit},
                            {"meaning", quantity.meaning},
                            {"of_several_models", quantity.of_several_models}});
    result.push_back({{"kind", to_string(offer.kind)},
                      {"id", offer.id},
                      {"quantities", quantities},
                      {"summary", offer.summary},
                      {"source", offer.source},
                      {"plugin", record_json(*offer.plugin)},
                      {"parameters", parameters},
                      {"toml", toml_snippet(registry, offer)}});
  }
  return result.size() == 1 ? result.front() : result;
}

std::string doctor_text(const Registry& registry) {
  registry.load_all();
  const Manifest& host = host_manifest();
  std::string text =
      "this program\n" + table({{"fingerprint", host.fingerprint},
                                {"SDK", VARIFORM_SDK_VERSION},
                                {"SDK ABI", host.sdk_abi},
                                {"LibTorch", TORCH_VERSION},
                                {"C++11 string ABI", host.cxx11_abi},
                                {"sanitizer", host.sanitizer},
                                {"processor threads", std::to_string(std::thread::hardware_concurrency())}},
                               "  ");
  std::vector<std::vector<std::string>> places, used;
  for (const Place& place : registry.places())
    places.push_back({to_string(place.origin), place.path.string(), place_note(registry, place)});
  std::string unused;
  for (const PluginRecord* record : registry.records()) {
    if (record->status == Status::kLoaded)
      used.push_back({record->name(), std::to_string(record->manifest->components.size()) + " components",
                      record->sha256.substr(0, 12),
                      record->path.empty() ? "built into this program" : record->path.string()});
    else unused += std::string("  ") + to_string(record->status) + ": " + record->reason + "\n";
  }
  text += "\nsearched for plugins, in this order\n" + table(places, "  ");
  text += "\nplugins in use\n" + (used.empty() ? "  none\n" : table(used, "  "));
  if (!unused.empty()) text += "\nplugins not in use\n" + unused;
  return text;
}

json doctor_json(const Registry& registry) {
  registry.load_all();
  const Manifest& host = host_manifest();
  json places = json::array(), plugins = json::array();
  for (const Place& place : registry.places())
    places.push_back(
        {{"origin", to_string(place.origin)}, {"path", place.path.string()}, {"note", place.note}});
  for (const PluginRecord* record : registry.records()) plugins.push_back(record_json(*record));
  return {{"host",
           {{"fingerprint", host.fingerprint},
            {"sdk", VARIFORM_SDK_VERSION},
            {"sdk_abi", host.sdk_abi},
            {"libtorch", TORCH_VERSION},
            {"cxx11_abi", host.cxx11_abi},
            {"sanitizer", host.sanitizer},
            {"threads", std::thread::hardware_concurrency()}}},
          {"places", places},
          {"plugins", plugins}};
}

}  // namespace variform::plugins
