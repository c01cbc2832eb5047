#pragma once
// What a plugin exports: constant data (ids, documentation, parameter schema) and functions that create components.
// The descriptor is read only after the manifest, text in an ELF section, has matched the host's fingerprint; and a
// plugin built for another SDK ABI, LibTorch or sanitizer fails to link, before any of its code runs.

#include <variform/component.h>
#include <variform/manifest.h>

#include <array>
#include <iterator>
#include <memory>
#include <span>

namespace variform {
inline namespace v2 {

/// One component: constant data and the function that builds it.
struct ComponentInfo {
  static constexpr std::size_t kMaxParameters = 24;  ///< as many as a component may have

  const char* kind_name = "";  ///< the name of its kind
  const char* id = "";         ///< "student-t": lower case, digits, hyphens; unique within its kind
  const char* summary = "";    ///< one sentence
  const char* source = "";     ///< paper, equation or § of the theory
  std::array<Parameter, kMaxParameters> parameter_list{};  ///< the first parameter_count of these
  std::size_t parameter_count = 0;                         ///< at most kMaxParameters
  /// Builds one. What its constructor throws reaches the user with the component's name.
  std::shared_ptr<Component> (*create)(const Build&) = nullptr;

  /// The kind, or kUnknown when this SDK has none of that name.
  constexpr Kind kind() const { return kind_named(kind_name); }
  /// Its parameters, in the order of the schema.
  constexpr std::span<const Parameter> parameters() const { return {parameter_list.data(), parameter_count}; }
};

/// The components of one source file.
struct ComponentList {
  const ComponentInfo* first = nullptr;  ///< an array of `count`
  std::size_t count = 0;                 ///< how many they are
};

/// One plugin: the lists of all its source files, which the linker has laid side by side.
struct PluginInfo {
  const char* id = "";                         ///< reverse domain name: "org.example.student-t"
  const char* version = "";                    ///< the plugin's own, such as "1.0.0"
  const ComponentList* lists_begin = nullptr;  ///< the first file's list
  const ComponentList* lists_end = nullptr;    ///< one behind the last
};

/// The one symbol that a plugin exports: `extern "C" const variform::PluginInfo* variform_plugin()`.
inline constexpr const char* kPluginEntry = "variform_plugin";

/// Describes the component class C, which derives from one of the interfaces and whose constructor takes
/// `const Build&`. More than ComponentInfo::kMaxParameters parameters do not compile. All texts are string literals.
template <class C>
constexpr ComponentInfo component(const char* id, const char* summary, const char* source,
                                  std::initializer_list<Parameter> parameters = {}) {
  ComponentInfo info;
  info.kind_name = to_string(kind_of<C>());
  info.id = id;
  info.summary = summary;
  info.source = source;
  for (const Parameter& p : parameters) info.parameter_list[info.parameter_count++] = p;
  info.create = [](const Build& build) -> std::shared_ptr<Component> { return std::make_shared<C>(build); };
  return info;
}

}  // namespace v2
}  // namespace variform

/// @cond
// Made by the linker: the bounds of the section in which every source file leaves its list.
extern "C" {
extern const ::variform::ComponentList __start_variform_components[] __attribute__((visibility("hidden")));
extern const ::variform::ComponentList __stop_variform_components[] __attribute__((visibility("hidden")));
}
/// @endcond

/// @cond
// Names with a number of their own: several source files of a plugin may be compiled as one (unity builds).
#define VARIFORM_NUMBERED_(name, number) name##number
#define VARIFORM_NUMBERED(name, number) VARIFORM_NUMBERED_(name, number)
// "retain" keeps manifest and fingerprint in plugins that are linked with --gc-sections.
#define VARIFORM_COMPONENTS_(number, ...)                                                               \
  namespace {                                                                                           \
  constexpr ::variform::ComponentInfo VARIFORM_NUMBERED(kVariformComponents, number)[] = {__VA_ARGS__}; \
  [[gnu::used, gnu::retain, gnu::section(".variform_manifest")]] constexpr auto VARIFORM_NUMBERED(      \
      kVariformManifestComponents,                                                                      \
      number) = ::variform::manifest_of_components(VARIFORM_NUMBERED(kVariformComponents, number));     \
  [[gnu::used, gnu::retain, gnu::section("variform_components")]] constexpr ::variform::ComponentList   \
      VARIFORM_NUMBERED(kVariformComponentList, number){                                                \
          VARIFORM_NUMBERED(kVariformComponents, number),                                               \
          std::size(VARIFORM_NUMBERED(kVariformComponents, number))};                                   \
  }
/// @endcond

/// Describes the components of a source file of a plugin whose VARIFORM_PLUGIN stands in another file.
#define VARIFORM_COMPONENTS(...) VARIFORM_COMPONENTS_(__COUNTER__, __VA_ARGS__)

/// Makes a shared library a Variform plugin. Components may be given here, or by VARIFORM_COMPONENTS in other files.
#define VARIFORM_PLUGIN(id, version, ...)                                                                 \
  __VA_OPT__(VARIFORM_COMPONENTS(__VA_ARGS__))                                                            \
  namespace {                                                                                             \
  [[gnu::used, gnu::retain, gnu::section(".variform_manifest")]] constexpr auto kVariformManifestPlugin = \
      ::variform::manifest_of_plugin(id, version);                                                        \
  [[gnu::used, gnu::retain]] const char* const kVariformFingerprint = VARIFORM_FINGERPRINT;               \
  }                                                                                                       \
  extern "C" __attribute__((visibility("default"))) const ::variform::PluginInfo* variform_plugin();      \
  extern "C" const ::variform::PluginInfo* variform_plugin() {                                            \
    static constexpr ::variform::PluginInfo info{id, version, __start_variform_components,                \
                                                 __stop_variform_components};                             \
    return &info;                                                                                         \
  }
