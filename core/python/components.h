#pragma once
// Components that are Python classes: to the engine they are components like all others, whose functions call Python
// (call.h). A class becomes a plugin of one component, described when Python first uses it and kept for good.

#include <cstdint>
#include <string>

namespace torch {
class Library;
}
namespace variform {
inline namespace v2 {
struct PluginInfo;
}
}  // namespace variform

namespace variform::python {

/// Describes a class to the engine, and returns its number. `description` is JSON: kind, id, plugin, version, summary,
/// source, object (Python's number of the class), and settings, a list of name, type, default, doc, unit, low, high,
/// above, choices, schedulable. Throws Error when there are too many classes.
int64_t describe_class(const std::string& description);

/// The plugin of a described class.
const PluginInfo& plugin_of(int64_t described);

/// Registers describe_class() with LibTorch.
void bind_components(torch::Library& library);

}  // namespace variform::python
