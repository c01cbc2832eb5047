// Families and priors as distributions.

#include "conformance/test.h"

namespace variform::conformance {

std::vector<Test> distribution_tests() { return {}; }

}  // namespace variform::conformance
