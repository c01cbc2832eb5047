// A manifest that fits, and an entry that throws what is no std::exception.
#include "broken.h"
BROKEN_MANIFEST("org.variform.test.throwing-entry", "thrown")

extern "C" __attribute__((visibility("default"))) const variform::PluginInfo* variform_plugin();
extern "C" const variform::PluginInfo* variform_plugin() { throw 42; }
