// Characters of UTF-8 text, how wide they are, and lines that are broken by width.

#include "base/utf8.h"

#include "base/table.h"
#include "catch.h"

namespace variform::base {
namespace {

TEST_CASE("characters are taken apart, and a byte that is not UTF-8 is one by itself") {
  using Parts = std::vector<std::string_view>;
  CHECK(utf8_characters("aβ→") == Parts{"a", "β", "→"});
  CHECK(utf8_characters("\xb2x\xe2\x86") == Parts{"\xb2", "x", "\xe2", "\x86"});
  CHECK(utf8_characters("").empty());
  CHECK(utf8_count("β_eff → 0") == 9);
}

TEST_CASE("widths are those of a terminal") {
  CHECK(utf8_width("beta") == 4);
  CHECK(utf8_width("β₀ ± Σ*") == 7);
  CHECK(utf8_width("数据") == 4);        // wide characters
  CHECK(utf8_width("e\xcc\x81t") == 2);  // a combining accent
  CHECK(utf8_width("🎲") == 2);
  CHECK(utf8_width("\xff") == 1);
  CHECK(utf8_width("") == 0);
}

TEST_CASE("padding counts columns, not bytes") {
  CHECK(padded("β", 3) == "β  ");
  CHECK(padded("数", 3, Align::kRight) == " 数");
  CHECK(padded("long", 3) == "long");
}

TEST_CASE("text is wrapped by width, each line indented; its own line ends stay") {
  CHECK(wrapped("one two three", 9, 2) == "  one two\n  three\n");
  CHECK(wrapped("βββ βββ βββ", 7, 0) == "βββ βββ\nβββ\n");  // 13 bytes
  CHECK(wrapped("a\n\nlongerthanfour b", 4, 0) == "a\n\nlongerthanfour\nb\n");
  CHECK(wrapped("", 10, 2).empty());
  CHECK(broken_at_spaces("ab cd ef", 5) == std::vector<std::string>{"ab cd", "ef"});
}

TEST_CASE("a table's columns begin at the same column of the terminal") {
  Table table({{"name"}, {"value", Align::kRight}});
  table.add({"数", "1"});
  table.add({"β", "10"});
  CHECK(table.text() == "name  value\n────  ─────\n数        1\nβ        10\n");
}

}  // namespace
}  // namespace variform::base
