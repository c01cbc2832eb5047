# Writes OUTPUT, the source of revision(), again when the checkout SOURCE is at another commit: part of every build.
execute_process(
  COMMAND git -C "${SOURCE}" rev-parse --show-toplevel
  OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(revision unknown)
file(REAL_PATH "${SOURCE}" source)
if(top STREQUAL source)  # not the repository that an unpacked archive happens to lie in
  execute_process(
    COMMAND git -C "${SOURCE}" describe --always --abbrev=12 --exclude=* --dirty=-changed
    OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" CONTENT [[
#include "cli/revision.h"

std::string variform::cli::revision() { return "@revision@"; }
]] @ONLY)
