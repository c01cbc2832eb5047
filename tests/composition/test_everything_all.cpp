// All combinations.

#include "catch.h"
#include "compose.h"

TEST_CASE("all combinations train or are refused by name") {
  CHECK(variform::composition::run(variform::composition::all()) > 1000);
}
