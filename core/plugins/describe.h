#pragma once
// The output of `list`, `describe` and `doctor`: pure functions of the registry, as text for people and JSON for
// programs. They throw Error for a component that does not exist, with a near match.

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "plugins/registry.h"

namespace variform::plugins {

/// One line per component: kind:id, plugin, summary. All kinds, or one. A last line counts the refused plugins.
std::string list_text(const Registry& registry, std::optional<Kind> kind = {});
nlohmann::json list_json(const Registry& registry, std::optional<Kind> kind = {});

/// Returns the kind called `name`; throws Error with a near match.
Kind kind_named(std::string_view name);

/// `name` is "KIND:ID", or an id alone if only one kind has it. Describes every parameter with all that its schema
/// says, what a metric reports, and a piece of config that uses the component; once per plugin that offers it.
std::string describe_text(const Registry& registry, std::string_view name);
nlohmann::json describe_json(const Registry& registry, std::string_view name);

/// Describes this program's build, the places searched for plugins, what was found, and why a file was refused. Loads
/// every plugin, since some refusals show only then.
std::string doctor_text(const Registry& registry);
nlohmann::json doctor_json(const Registry& registry);

/// Returns a piece of TOML that puts the component into a config with its parameters at their defaults; of a metric, the
/// inline table for `evaluate --metric`.
std::string toml_snippet(const Registry& registry, const Offer& offer);

}  // namespace variform::plugins
