// Replays every input that is kept in corpus/, among them all that once broke a reader.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "catch.h"
#include "fuzz/targets.h"

namespace fs = std::filesystem;

TEST_CASE("every kept input is read or refused") {
  const char* const source = std::getenv("VARIFORM_SOURCE");
  REQUIRE(source != nullptr);
  for (const auto& target : variform::fuzz::targets()) {
    int inputs = 0;
    for (const auto& entry : fs::directory_iterator(fs::path(source) / "tests/fuzz/corpus" / target.name)) {
      INFO(entry.path().string());
      std::ifstream file(entry.path(), std::ios::binary);
      const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
      CHECK_NOTHROW(target.run({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));
      ++inputs;
    }
    INFO(target.name);
    CHECK(inputs > 0);
  }
}
