// Linked without -z nodelete: it could be unloaded under a recorded graph.
#include "plain.h"

VARIFORM_PLUGIN("org.variform.test.unloadable", "1.0.0", plain::linear("unloadable"))
