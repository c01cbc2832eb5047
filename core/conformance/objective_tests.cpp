// Objectives.

#include "conformance/test.h"

namespace variform::conformance {

std::vector<Test> objective_tests() { return {}; }

}  // namespace variform::conformance
