// Exports more than its entry: it is linked without the version script of plugins.
#include "plain.h"

extern "C" __attribute__((visibility("default"))) int helper_of_a_plugin();
extern "C" int helper_of_a_plugin() { return 1; }

VARIFORM_PLUGIN("org.variform.test.exporting", "1.0.0", plain::linear("exporting"))
