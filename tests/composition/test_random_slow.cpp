// 500 combinations drawn at random.

#include "catch.h"
#include "compose.h"

#include <algorithm>

TEST_CASE("500 random combinations train or are refused by name") {
  auto combinations = variform::composition::all();
  std::shuffle(combinations.begin(), combinations.end(), std::mt19937_64(7));
  combinations.resize(std::min<std::size_t>(combinations.size(), 500));
  CHECK(variform::composition::run(combinations) > 100);
}
