// Linked with a search path for libraries that lie beside it, as a wheel's plugins are.
#include "plain.h"

VARIFORM_PLUGIN("org.variform.test.beside", "1.0.0", plain::linear("beside"))
