// Every pair of choices of two kinds, in some company: trained and resumed, or refused with a reason.

#undef CHECK  // c10's aborts the process; Catch2's is meant
#include "catch.h"
#include "compose.h"

#include <algorithm>

TEST_CASE("every pair of family, prior, likelihood and objective trains or is refused by name") {
  const auto pairs = variform::composition::pairwise();
  const int trained = variform::composition::run(pairs);
  CAPTURE(pairs.size(), trained);
  CHECK(trained > static_cast<int>(pairs.size()) / 4);
}
