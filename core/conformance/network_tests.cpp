// Encoders and decoders: the pushforward.

#include "conformance/test.h"

namespace variform::conformance {

std::vector<Test> network_tests() { return {}; }

}  // namespace variform::conformance
