#pragma once
// Compares configs, for `runs diff` and for the legends of figures.

#include <optional>
#include <string>
#include <vector>

#include "config/node.h"

namespace variform::config {

/// A key whose values differ between configs; the values as TOML, none where a config lacks the key.
struct Difference {
  std::string key;  ///< "model.family.type"
  std::vector<std::optional<std::string>> values;
};

/// Returns all differences, in the order of the keys.
std::vector<Difference> differences(const std::vector<Node>& configs);

/// Returns a short name for each config, made of what distinguishes it from the others: "family diagonal, beta 0.1".
/// Omits what follows from a slot's type (its parameters where all configs of that type agree), and what does not make
/// another experiment: name, plugins, device, threads. Empty texts when nothing else differs.
std::vector<std::string> labels(const std::vector<Node>& configs);

}  // namespace variform::config
