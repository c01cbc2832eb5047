// Linked with a library search path.
#include "plain.h"

VARIFORM_PLUGIN("org.variform.test.rpath", "1.0.0", plain::linear("rpath"))
