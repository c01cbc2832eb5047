// See captions.h.

#include "study/captions.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/load.h"
#include "config/text.h"

namespace variform::study {
namespace {

using config::Node;

// Returns a value as text. A component, or a data set described in place, is called by its name or type.
std::string text_of(const Node* value) {
  if (!value) return {};
  if (value->is_table()) {
    const Node* name = value->find("name");
    return text_of(name ? name : value->find("type"));
  }
  return config::plain_value(*value);
}

std::string number_of(std::size_t count, const std::string& what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

const Node* SharedSettings::config_of(const std::filesystem::path& run) {
  const auto [found, fresh] = configs_.try_emplace(run);
  if (fresh) {
    config::Diagnostics diagnostics;
    Node config = config::parse_file((run / "config.resolved.toml").string(), diagnostics);
    if (diagnostics.empty()) found->second = std::move(config);
  }
  return found->second ? &*found->second : nullptr;
}

std::string SharedSettings::of(const std::vector<std::size_t>& cells) {
  std::set<std::filesystem::path> runs;
  std::set<std::uint64_t> seeds;
  for (const std::size_t cell : cells) {
    const StudyResults::Cell& entry = results_.cells[cell];
    if (entry.run.empty()) continue;
    runs.insert(entry.run);
    if (entry.seed) seeds.insert(*entry.seed);
  }
  if (runs.empty()) return {};
  std::vector<const Node*> configs;
  for (const auto& run : runs)
    if (const Node* config = config_of(run)) configs.push_back(config);

  std::vector<std::string> parts;
  const auto add = [&](const std::string& key, const std::string& before, const std::string& after) {
    if (configs.empty() || configs.size() < runs.size()) return;
    const std::string first = text_of(config::at_path(*configs[0], key));
    const bool same = std::all_of(configs.begin(), configs.end(), [&](const Node* config) {
      return text_of(config::at_path(*config, key)) == first;
    });
    if (same && !first.empty()) parts.push_back(before + first + after);
  };
  const Node* data = configs.empty() ? nullptr : config::at_path(*configs[0], "data.dataset");
  add("data.dataset", data && data->find("type") && !data->find("name") ? "data of type " : "data set ", "");
  add("model.latent", "", " latents");
  if (const Node* model = configs.empty() ? nullptr : configs[0]->find("model"))
    for (const auto& member : model->members())
      if (member.value.is_table()) add("model." + member.key, member.key + " ", "");
  add("objective.type", "objective ", "");
  add("objective.beta", "β = ", "");
  add("train.epochs", "", " epochs");
  add("train.steps", "", " steps");
  add("train.batch", "batches of ", "");
  add("train.optimizer.type", "", "");
  add("train.optimizer.lr", "learning rate ", "");
  parts.push_back(number_of(seeds.size(), "seed"));
  parts.push_back(number_of(runs.size(), "run"));
  std::string text = config::join(parts, "; ") + ".";
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

}  // namespace variform::study
