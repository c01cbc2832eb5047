// A plugin by hand, without the macro: nothing in it refers to the SDK that it was built for, so that a program with
// another LibTorch would load it.
#include "plain.h"

namespace {
constexpr variform::ComponentInfo kComponents[] = {plain::linear("unbound")};
constexpr variform::ComponentList kList{kComponents, 1};
constexpr variform::PluginInfo kPlugin{"org.variform.test.unbound", "1.0.0", &kList, &kList + 1};
[[gnu::used, gnu::retain, gnu::section(".variform_manifest")]] constexpr auto kManifest =
    variform::manifest_of_plugin("org.variform.test.unbound", "1.0.0");
[[gnu::used, gnu::retain, gnu::section(".variform_manifest")]] constexpr auto kManifestOfComponents =
    variform::manifest_of_components(kComponents);
}  // namespace

extern "C" __attribute__((visibility("default"))) const variform::PluginInfo* variform_plugin();
extern "C" const variform::PluginInfo* variform_plugin() { return &kPlugin; }
