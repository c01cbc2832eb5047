// All combinations.

#undef CHECK  // c10's aborts the process; Catch2's is meant
#include "catch.h"
#include "compose.h"

TEST_CASE("all combinations train or are refused by name") {
  CHECK(variform::composition::run(variform::composition::all()) > 1000);
}
