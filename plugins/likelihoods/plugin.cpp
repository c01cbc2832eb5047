// The stock likelihoods, as one plugin; each is a source file of this folder.

#include <variform/plugin.h>

VARIFORM_PLUGIN("org.variform.likelihoods", "1.0.0")
