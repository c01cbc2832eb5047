#pragma once
// Selects the tests before the first training with a plugin that did not come with the program: those that are quick,
// and whose failure means that numbers are not what they seem.

#include <string>

#include "conformance/test.h"

namespace variform::conformance {

/// Whether a test of that component, "family:student-t", is quick.
bool is_quick(const Test& test, const std::string& component);

/// Whether its failure is certain to spoil what is trained. Failures of other tests deserve a warning.
bool is_decisive(const std::string& test);

/// Whether a quick run skips the tests that build on it when it fails.
bool blocks_quick_run(const std::string& test);

}  // namespace variform::conformance
