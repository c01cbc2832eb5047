#pragma once
// Catch2 2.x (Debian 12) and 3.x (elsewhere) under one name, and how a test says that its data is not there.

#if __has_include(<c10/util/Logging.h>)
#include <c10/util/Logging.h>
#undef CHECK  // this one aborts the process; Catch2's is meant
#endif

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstdlib>
#include <string>

namespace variform::testing {

using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
#if __has_include(<catch2/catch_all.hpp>)
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
#else
using Catch::Detail::Approx;
/// `REQUIRE_THAT(text, ContainsSubstring("expected"))`, by the name that Catch2 3 gave it.
inline auto ContainsSubstring(const std::string& text) { return Catch::Matchers::Contains(text); }
#endif

/// The environment variable's value; "" when it is not set. ctest sets VARIFORM_SOURCE, VARIFORM_BUILD,
/// VARIFORM_BINARY, VARIFORM_PLUGINS, VARIFORM_TEST_PLUGINS and VARIFORM_PYTHON; VARIFORM_DATA is the caller's.
inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace variform::testing

/// Ends the test case because data is absent; `reason` says which and how to get it. Where the environment variable CI
/// is set, absent data is a failure: nothing may pass there by not running.
#define VARIFORM_SKIP(reason)                                        \
  do {                                                               \
    if (!variform::testing::environment("CI").empty()) FAIL(reason); \
    WARN("skipped: " << (reason));                                   \
    return;                                                          \
  } while (false)
