#pragma once
// All plugins that were found, and the components of those in use. Light: no LibTorch header.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <variform/schema.h>

#include "config/experiment.h"
#include "plugins/manifest_reader.h"
#include "plugins/search.h"

namespace variform {
inline namespace v2 {
class Build;
class Component;
struct ComponentInfo;
struct PluginInfo;
}  // namespace v2
}  // namespace variform

namespace variform::plugins {

/// kAvailable: its manifest fits, its file is not loaded yet. kShadowed: another file with the same plugin id comes
/// before it in the search order.
enum class Status { kAvailable, kLoaded, kRefused, kShadowed };
const char* to_string(Status status);

/// One plugin file (or built-in descriptor) that was found, used or not.
struct PluginRecord {
  std::string id, version;     ///< empty if the manifest could not be read
  std::filesystem::path path;  ///< absolute; empty if built into the program
  Origin origin = Origin::kProgram;
  Status status = Status::kAvailable;
  bool is_stock = false;             ///< one of the program's own, trusted not to harm the process
  std::string reason;                ///< refused or shadowed: a sentence that begins with the path
  std::string sha256;                ///< of the file when it was loaded; empty before that, and if built in
  std::optional<Manifest> manifest;  ///< absent if it could not be read

  /// "org.variform.encoders 1.0.0".
  std::string name() const { return id + " " + version; }
};

/// One component as one plugin offers it. Everything it points to lives as long as the process, except `plugin`, which
/// lives as long as the registry.
struct Offer {
  Kind kind = Kind::kEncoder;
  std::string_view id, summary, source;
  std::span<const Parameter> parameters;
  const ComponentInfo* info = nullptr;
  const PluginRecord* plugin = nullptr;

  /// "mlp (org.variform.encoders 1.0.0)", for messages.
  std::string label() const;
};

/// Whether a component has the interface of its kind.
bool is_of_kind(const Component& component, Kind kind);

/// Finds plugins on construction, by their manifests alone; loads a file when a component of it is first needed, and
/// never unloads it. An unusable plugin is kept as a refused record and stops nobody. Not thread-safe. Constant
/// functions may load.
class Registry : public config::Catalog {
 public:
  explicit Registry(const Search& search = {});
  ~Registry() override;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// Registers a descriptor that is linked into the program, before all files. `info` must outlive the registry.
  /// Throws Error if it is damaged, or if a plugin of that id is loaded already.
  void add_static(const PluginInfo& info);

  std::vector<Entry> find(Kind kind, std::string_view id) const override;
  std::vector<std::string> ids(Kind kind) const override;
  /// Names refused plugins that offer the component, with the reason; says so if there are no plugins at all.
  std::string why_missing(Kind kind, std::string_view id) const override;

  /// Returns all offers of a component (usually one) in search order; those of a whole kind ordered by id.
  std::vector<Offer> offers(Kind kind, std::string_view id) const;
  std::vector<Offer> offers(Kind kind) const;
  /// Returns the one offer; `plugin` chooses if several plugins have one. Throws Error: unknown (with near match and
  /// reason), ambiguous, or not in that plugin.
  Offer offer(Kind kind, std::string_view id, std::string_view plugin = {}) const;

  /// Builds a component. An exception of its constructor leaves as Error (Unsupported stays Unsupported) that names
  /// kind, id, plugin, version and path; so does a null result or one of another kind than announced.
  std::shared_ptr<Component> create(const Offer& offer, const Build& build) const;
  /// The same for a descriptor, of this registry or not.
  std::shared_ptr<Component> create(const ComponentInfo& info, const Build& build) const;

  /// Loads every file that may be loaded, so that records() is complete. Those that are not stock are tried first, all
  /// at the same time (trial.h).
  void load_all() const;
  /// Calls `tell` at once when a plugin has changed what belongs to the program, which has been restored.
  void tell_changes_to(std::function<void(const std::string&)> tell);
  /// Returns everything that was found, in search order. The records live as long as the registry.
  std::vector<const PluginRecord*> records() const;
  /// Returns the places that were searched, in order.
  const std::vector<Place>& places() const;
  /// Warns of explicitly named places (--plugin, config, environment) that do not exist or are empty, and of refused
  /// plugins in them: for every command. `config`: the file whose [plugins].paths they are.
  std::vector<std::string> warnings(const std::string& config = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace variform::plugins
