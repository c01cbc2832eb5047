// Every pair of choices of two kinds, in some company: trained and resumed, or refused with a reason.

#include "catch.h"
#include "compose.h"

#include <algorithm>
#include <set>
#include <string>

TEST_CASE("every pair of family, prior, likelihood and objective trains or is refused by name") {
  const auto pairs = variform::composition::pairwise();
  const int trained = variform::composition::run(pairs);
  CAPTURE(pairs.size(), trained);
  CHECK(trained > static_cast<int>(pairs.size()) / 4);
}

TEST_CASE(
    "every pair trains with its batch in shards, or is refused by name where rows depend on each other") {
  using variform::composition::pairwise;
  const std::set<std::string> coupled{"beta-tcvae", "dip-vae-i", "dip-vae-ii",
                                      "factor-vae", "info-vae",  "wae-mmd"};
  int trained = 0;
  for (auto combination : pairwise()) {
    combination.train = "evaluate_every = 0\nshards = 2\n";
    INFO(combination.name());
    const std::string reason = variform::composition::refusal(combination);
    if (reason.find("train.shards") != std::string::npos) CHECK(coupled.contains(combination.objective));
    if (!reason.empty()) continue;
    CHECK_FALSE(coupled.contains(combination.objective));
    ++trained;
  }
  CHECK(trained > static_cast<int>(pairwise().size()) / 5);
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
