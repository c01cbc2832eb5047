#pragma once
// Turns TOML files, includes and command-line overrides into one tree of values, and a tree back into TOML.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/node.h"

namespace variform::config {

/// The file in a run's folder that holds its whole config. A file of this name includes no others, and what it names is
/// the run's: plugins in that folder are not loaded for it.
inline constexpr const char* kResolvedConfig = "config.resolved.toml";

/// Reports every text in the tree that is a path with a "~" which no shell has expanded; a "~" alone is a text.
void refuse_tildes(const Node& tree, Diagnostics& diagnostics);

/// Reads the files in order, each after its `include = [...]` (relative to the file, depth first), then the overrides
/// `a.b=VALUE`; later wins by the rules of merge(). A VALUE that is not TOML is taken as text, since shells remove
/// quotes. Errors (a missing file or one that is not TOML, a cycle of includes, a malformed override) go to
/// `diagnostics`, and the rest is still read. The root's position names the last file.
Node load(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
          Diagnostics& diagnostics);
/// A parameter that another `type` took away.
struct Dropped {
  std::string key;    ///< "objective.beta"
  Node value;         ///< with the place where it was written
  std::string owner;  ///< "objective 'beta-vae'"
};
/// The same; `dropped` collects the files' parameters that an override's other `type` took away.
Node load(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
          Diagnostics& diagnostics, std::vector<Dropped>& dropped);

/// Returns the node at a dotted path, "objective.beta"; null when there is none.
const Node* at_path(const Node& root, const std::string& path);

/// Returns a sentence for each dropped parameter that the new component also has, now with another value: whoever
/// overrides a `type` may have meant to keep it.
std::vector<std::string> notes_of(const std::vector<Dropped>& dropped, const Node& resolved);

/// Parses one TOML text; `name` stands for it in messages. An `include` in it is an ordinary key.
Node parse(std::string_view text, const std::string& name, Diagnostics& diagnostics);

/// Parses one file like parse(): for data descriptors and other files that are not experiments.
Node parse_file(const std::string& file, Diagnostics& diagnostics);

/// Parses only the overrides, merged among themselves: merge(base, parse_overrides(...)) changes a config afterwards.
Node parse_overrides(const std::vector<std::string>& overrides, Diagnostics& diagnostics);

/// Parses one override in the same way, as the one in that line of the command line; the caller registers its text as a
/// source. Returns its dotted key and its value; nothing after an error.
std::optional<std::pair<std::string, Node>> parse_assignment(std::string_view text, int line,
                                                             Diagnostics& diagnostics);

/// Puts `later` over `base`: tables merge, scalars and arrays replace. A table that names another `type` or `schedule`
/// than the one below it replaces it altogether, since the former component's parameters mean nothing to the new one.
/// So does a slot (`objective`, `model.<kind>`) that now takes its component `from` a run instead of a type, or vice
/// versa.
void merge(Node& base, const Node& later);
/// The same; appends the parameters of a component that were lost to `dropped`.
void merge(Node& base, const Node& later, std::vector<Dropped>& dropped);

/// Returns deterministic TOML that load() reads back to an equal tree. With `origin` each line ends with a comment that
/// says where its value came from: `# exp.toml:3`, `# command line`, `# default`.
std::string print(const Node& root, bool origin = false);
/// One value as TOML in one line: `[512, 512]`, `{ type = "mlp" }`.
std::string print_value(const Node& value);
/// The same as a person writes it, for example to label an axis: texts without quotes, numbers without a needless ".0".
std::string plain_value(const Node& value);

}  // namespace variform::config
