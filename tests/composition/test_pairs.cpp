// Every pair of choices of two kinds, in some company: trained and resumed, or refused with a reason.

#include "catch.h"
#include "compose.h"

#include <algorithm>

TEST_CASE("every pair of family, prior, likelihood and objective trains or is refused by name") {
  const auto pairs = variform::composition::pairwise();
  const int trained = variform::composition::run(pairs);
  CAPTURE(pairs.size(), trained);
  CHECK(trained > static_cast<int>(pairs.size()) / 4);
}

TEST_CASE("a step of what trains can be recorded, for every family and every objective") {
  std::string problems;
  for (const auto& combination : variform::composition::pairwise()) {
    if (combination.family == "rotated")
      continue;  // LibTorch's matrix exponential chooses its degree on the host
    const std::string problem = variform::composition::not_recordable(combination);
    if (!problem.empty()) problems += combination.name() + ": " + problem + "\n";
  }
  INFO(problems);
  CHECK(problems.empty());
}
