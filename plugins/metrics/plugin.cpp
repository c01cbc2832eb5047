// The stock metrics. Each describes itself in its own file.

#include <variform/plugin.h>

VARIFORM_PLUGIN("org.variform.metrics", "1.0.0")
