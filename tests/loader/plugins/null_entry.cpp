// A manifest that fits, and an entry that returns nothing.
#include "broken.h"
BROKEN_MANIFEST("org.variform.test.null-entry", "null")

extern "C" __attribute__((visibility("default"))) const variform::PluginInfo* variform_plugin();
extern "C" const variform::PluginInfo* variform_plugin() { return nullptr; }
