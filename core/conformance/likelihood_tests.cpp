// Likelihoods as distributions of data.

#include "conformance/test.h"

namespace variform::conformance {

std::vector<Test> likelihood_tests() { return {}; }

}  // namespace variform::conformance
