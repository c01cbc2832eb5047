#pragma once
// What `list`, `describe` and `doctor` print: pure functions of the registry, as text for people and JSON for programs.
// They throw Error for a component that is not there, with a near match.

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "plugins/registry.h"

namespace variform::plugins {

/// One line a component: kind:id, plugin, summary. All kinds, or one. A last line says how many plugins were refused.
std::string list_text(const Registry& registry, std::optional<Kind> kind = {});
nlohmann::json list_json(const Registry& registry, std::optional<Kind> kind = {});

/// The kind called `name`; throws Error with a near match.
Kind kind_named(std::string_view name);

/// `name` is "KIND:ID", or an id alone if only one kind has it. Every parameter with all that its schema says, and a
/// piece of config that uses the component. Each plugin's offer if several have one.
std::string describe_text(const Registry& registry, std::string_view name);
nlohmann::json describe_json(const Registry& registry, std::string_view name);

/// This program's build, where plugins were looked for, what was found, and why a file was refused. Loads every
/// plugin, since some refusals show only then.
std::string doctor_text(const Registry& registry);
nlohmann::json doctor_json(const Registry& registry);

/// A piece of TOML that puts the component into a config with its parameters at their defaults.
std::string toml_snippet(const Registry& registry, const Offer& offer);

}  // namespace variform::plugins
