// libFuzzer's two functions for the target that VARIFORM_FUZZ names. Built by the preset fuzz; ./variform fuzz runs it.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/targets.h"

namespace {

const variform::fuzz::Target& chosen() {
  static const variform::fuzz::Target* const target = [] {
    const char* const name = std::getenv("VARIFORM_FUZZ");
    const auto* const found = variform::fuzz::find_target(name == nullptr ? "" : name);
    if (found == nullptr) {
      std::fputs("VARIFORM_FUZZ must name one of:", stderr);
      for (const auto& known : variform::fuzz::targets()) std::fprintf(stderr, " %s", known.name);
      std::fputs("\n", stderr);
      std::exit(2);
    }
    return found;
  }();
  return *target;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  chosen().run({bytes, size});
  return 0;
}
