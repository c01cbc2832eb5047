// The stock variational families, as one plugin; each is a source file of this folder.

#include <variform/plugin.h>

VARIFORM_PLUGIN("org.variform.families", "2.0.0")
