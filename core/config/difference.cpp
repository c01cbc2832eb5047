// See difference.h.

#include "config/difference.h"

#include <algorithm>
#include <map>
#include <set>

#include "config/load.h"

namespace variform::config {
namespace {

using Flat = std::map<std::string, std::string>;

void flatten(const Node& node, const std::string& path, Flat& out) {
  if (!node.is_table()) {
    out[path] = print_value(node);
    return;
  }
  for (const Node::Member& member : node.members())
    flatten(member.value, path.empty() ? member.key : path + "." + member.key, out);
}

bool is_of_the_experiment(const std::string& key) {
  return key != "name" && key != "train.device" && key != "train.threads" && !key.starts_with("plugins.");
}

// Whether all configs with the same slot type agree on a key of that slot.
bool follows_from_type(const Difference& difference, const std::vector<Difference>& all) {
  for (const Difference& type : all) {
    if (!type.key.ends_with(".type") || type.key == difference.key) continue;
    if (!difference.key.starts_with(type.key.substr(0, type.key.size() - 4))) continue;
    std::map<std::optional<std::string>, std::set<std::optional<std::string>>> by_type;
    for (std::size_t i = 0; i < type.values.size(); ++i) by_type[type.values[i]].insert(difference.values[i]);
    if (std::all_of(by_type.begin(), by_type.end(),
                    [](const auto& entry) { return entry.second.size() == 1; }))
      return true;
  }
  return false;
}

// "model.family.type" -> "family", "objective.beta" -> "beta", "model.encoder.hidden" -> "encoder hidden".
std::string short_name(std::string key) {
  for (const std::string front : {"model.", "objective.", "train.", "data."})
    if (key.starts_with(front) && key != front + "type") {
      key = key.substr(front.size());
      break;
    }
  if (key.ends_with(".type")) key.resize(key.size() - 5);
  std::replace(key.begin(), key.end(), '.', ' ');
  return key;
}

std::string bare(const std::string& toml) {
  const bool is_text = toml.size() > 1 && toml.front() == '"' && toml.find('\\') == std::string::npos;
  return is_text ? toml.substr(1, toml.size() - 2) : toml;
}

}  // namespace

std::vector<Difference> differences(const std::vector<Node>& configs) {
  std::vector<Flat> flat(configs.size());
  std::set<std::string> keys;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    flatten(configs[i], "", flat[i]);
    for (const auto& [key, value] : flat[i]) keys.insert(key);
  }
  std::vector<Difference> found;
  for (const std::string& key : keys) {
    Difference difference{key, {}};
    for (const Flat& one : flat) {
      const auto entry = one.find(key);
      difference.values.push_back(entry == one.end() ? std::nullopt : std::optional(entry->second));
    }
    const auto& values = difference.values;
    if (std::any_of(values.begin(), values.end(), [&](const auto& value) { return value != values[0]; }))
      found.push_back(std::move(difference));
  }
  return found;
}

std::vector<std::string> labels(const std::vector<Node>& configs) {
  const std::vector<Difference> all = differences(configs);
  std::vector<std::string> labels(configs.size());
  for (const Difference& difference : all) {
    if (!is_of_the_experiment(difference.key) || follows_from_type(difference, all)) continue;
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (difference.values[i])
        labels[i] +=
            (labels[i].empty() ? "" : ", ") + short_name(difference.key) + " " + bare(*difference.values[i]);
  }
  return labels;
}

}  // namespace variform::config
