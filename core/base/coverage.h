#pragma once
// For builds that count which lines run (VARIFORM_COVERAGE): their counts are written by exit(), which some processes
// bypass.

#if defined(VARIFORM_COVERAGE)
extern "C" void __gcov_dump();  // of libgcov; <gcov.h> is not installed everywhere
#endif

namespace variform::base {

/// Writes the counts of the executable, not those of plugins. Does nothing in other builds.
inline void write_line_counts() {
#if defined(VARIFORM_COVERAGE)
  ::__gcov_dump();
#endif
}

}  // namespace variform::base
