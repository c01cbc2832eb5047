// The stock decoders.

#include <variform/plugin.h>

VARIFORM_PLUGIN("org.variform.decoders", "1.0.0")
