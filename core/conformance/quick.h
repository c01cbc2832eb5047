#pragma once
// The tests that precede the first training with a plugin that did not come with the program: those whose failure means
// that numbers are other than they seem, and that are quick.

#include <string>

#include "conformance/test.h"

namespace variform::conformance {

/// Whether a test of that component, "family:student-t", is one of them.
bool is_quick(const Test& test, const std::string& component);

/// Whether its failure is certain to spoil what is trained. What other tests find is worth a warning.
bool is_decisive(const std::string& test);

/// Whether a quick run leaves out what builds on a test that failed.
bool blocks_quick_run(const std::string& test);

}  // namespace variform::conformance
