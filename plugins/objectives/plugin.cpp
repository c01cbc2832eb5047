// The stock objectives, as one plugin; each is a source file of this folder.

#include <variform/plugin.h>

VARIFORM_PLUGIN("org.variform.objectives", "1.0.0")
