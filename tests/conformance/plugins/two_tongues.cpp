// Its manifest, which is all that is read before it is loaded, offers another component than its descriptor.
#include "plain.h"

namespace {
constexpr variform::ComponentInfo kSaid[] = {plain::linear("said")}, kMeant[] = {plain::linear("meant")};
[[gnu::used, gnu::retain, gnu::section(".variform_manifest")]] constexpr auto kManifestOfComponents =
    variform::manifest_of_components(kSaid);
[[gnu::used, gnu::retain, gnu::section("variform_components")]] constexpr variform::ComponentList kList{
    kMeant, 1};
}  // namespace

VARIFORM_PLUGIN("org.variform.test.two-tongues", "1.0.0")
