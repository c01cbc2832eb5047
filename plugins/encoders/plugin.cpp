// The stock encoders.

#include <variform/plugin.h>

VARIFORM_PLUGIN("org.variform.encoders", "1.0.0")
