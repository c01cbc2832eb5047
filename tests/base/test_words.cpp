// Words of a text, and numbers in words.

#include "base/words.h"

#include "catch.h"

namespace variform::base {
namespace {

TEST_CASE("a text is split at every separator, and nothing is lost") {
  using Parts = std::vector<std::string>;
  CHECK(split("a,b,,c", ",") == Parts{"a", "b", "", "c"});
  CHECK(split("", ",") == Parts{""});
  CHECK(split(",", ",") == Parts{"", ""});
  CHECK(split("one\n\n\ntwo\n\n\n", "\n\n\n") == Parts{"one", "two", ""});
}

TEST_CASE("nouns with their articles") {
  CHECK(with_article("encoder") == "an encoder");
  CHECK(with_article("objective") == "an objective");
  CHECK(with_article("prior") == "a prior");
}

TEST_CASE("durations and values in words") {
  CHECK(duration_text(3720) == "1 h 02 min");
  CHECK(duration_text(200) == "3 min 20 s");
  CHECK(duration_text(12) == "12 s");
  CHECK(values_text({{"kl", 12.1}, {"loss", 103.4}, {"lr", 0.1}}) == "loss 103.4, kl 12.1");
}

}  // namespace
}  // namespace variform::base
