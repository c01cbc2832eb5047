// Really made for another SDK, with a manifest that claims this one: it references the other SDK's fingerprint symbol.
#include "broken.h"
BROKEN_MANIFEST("org.variform.test.foreign", "foreign")

extern "C" const char variform_sdk9_torch2_13_cxx11abi1_none[];
namespace {
[[gnu::used]] const char* const kFingerprintOfAnother = variform_sdk9_torch2_13_cxx11abi1_none;
}

extern "C" __attribute__((visibility("default"))) const variform::PluginInfo* variform_plugin();
extern "C" const variform::PluginInfo* variform_plugin() { return nullptr; }
