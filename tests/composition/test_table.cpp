// docs/compositions.md says what the program does.

#include "catch.h"
#include "table.h"

#include <fstream>
#include <sstream>

TEST_CASE("docs/compositions.md says what composes") {
  const std::string file = variform::testing::environment("VARIFORM_SOURCE") + "/docs/compositions.md";
  const std::string found = variform::composition::tables();
  if (!variform::testing::environment("VARIFORM_UPDATE").empty()) std::ofstream(file) << found;
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  INFO("bring it up to date by: VARIFORM_UPDATE=1 ./variform test -R test-composition");
  CHECK((text.str() == found));
}
