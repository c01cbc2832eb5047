// A manifest that fits, but no entry.
#include "broken.h"
BROKEN_MANIFEST("org.variform.test.no-entry", "entryless")
