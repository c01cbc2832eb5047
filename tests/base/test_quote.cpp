// Text that others wrote, on its way into what gives characters a meaning.
#include <string>
#include <string_view>

#include "base/name.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "catch.h"

namespace {

using namespace variform::base;
using namespace std::string_literals;

}  // namespace

TEST_CASE("what a terminal would obey is shown") {
  CHECK(shown("plain β – ✓ 日本") == "plain β – ✓ 日本");
  CHECK(shown("a\nb\x1b\xc2\x9b\xc3\xa9") == "a\\x0ab\\x1b\\xc2\\x9b\xc3\xa9");
  CHECK(shown("\x1b]0;t\x07") == "\\x1b]0;t\\x07");
  CHECK(shown("a\xe2\x80\xae"
              "b") == "a\\xe2\\x80\\xaeb");  // right-to-left override
  CHECK(shown("\xff\xc0\xaf\xed\xa0\x80") == "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
  CHECK(shown("\x7f"s + '\0') == "\\x7f\\x00");
  CHECK(shown_lines("a\tb\nc\rd") == "a b\nc\\x0dd");
  CHECK(json_shown("{\n \"\xc2\x85\xe2\x80\xae\x7f\"}") == "{\n \"\\u0085\\u202e\\u007f\"}");
}

TEST_CASE("a text is one word of a shell") {
  CHECK(for_shell("runs/mnist-1a2b_3.4") == "runs/mnist-1a2b_3.4");
  CHECK(for_shell("β=0.1,2") == "β=0.1,2");
  CHECK(for_shell("") == "''");
  CHECK(for_shell("~/x") == "'~/x'");
  CHECK(for_shell("=ls") == "'=ls'");
  CHECK(for_shell("q'x $(touch owned)") == "'q'\\''x $(touch owned)'");
  CHECK(for_shell("a`b`!c\"") == "'a`b`!c\"'");
  CHECK(for_shell("a\x1b]0;t\x07'\\") == "$'a\\033]0;t\\007\\'\\\\'");
  CHECK(for_shell("a\xe2\x80\xae\xff") == "$'a\\342\\200\\256\\377'");
  CHECK(override_for_shell("objective.x", "\"2024\"") == "objective.x='\"2024\"'");
  CHECK(override_for_shell("objective.type", "\"grae-approx\"") == "objective.type=grae-approx");
  CHECK(override_for_shell("a.b", "\"true\"") == "a.b='\"true\"'");
  CHECK(override_for_shell("a.b", "[16]") == "a.b='[16]'");
}

TEST_CASE("a text of gnuplot has nothing in it to which gnuplot gives a meaning") {
  CHECK(gnuplot_text("x`touch owned` @a \"b\" \\n") == "'x`touch owned` @a \"b\" \\n'");
  CHECK(gnuplot_text("it's") == "\"it\\047s\"");
  CHECK(gnuplot_text("a\n'x'`") == "\"a\\134x\\060a\\047x\\047\\140\"");
  CHECK(gnuplot_text("'=1+x") == "\"\\047\\075\\061\\053x\"");  // \0751 would be another character
  CHECK(gnuplot_lines({"a", "b`c`"}) == "'a'.\"\\n\".'b`c`'");
  CHECK(gnuplot_lines({}) == "''");
  CHECK(gnuplot_tick({"50% %s"}) == "'50%% %%s'");
  CHECK(gnuplot_file("< touch owned") == "'./< touch owned'");
}

TEST_CASE("a literal of Python is that of repr") {
  CHECK(python_literal("model.pt") == "'model.pt'");
  CHECK(python_literal("a\"b.pt") == "'a\"b.pt'");
  CHECK(python_literal("it's") == "\"it's\"");
  CHECK(python_literal("'\"") == "'\\'\"'");
  CHECK(python_literal("\"\"\"\\\n\r\t\x1b") == "'\"\"\"\\\\\\n\\r\\t\\x1b'");
  CHECK(python_literal("\xc2\x85\xe2\x80\xae\xff") == "'\\x85\\u202e\\udcff'");
}

TEST_CASE("a spreadsheet shows text where there is text, and numbers stay numbers") {
  CHECK(csv_cell("kl") == "kl");
  CHECK(csv_cell("a,b") == "\"a,b\"");
  CHECK(csv_cell("=1+1") == "\"'=1+1\"");
  CHECK(csv_cell("@SUM(1)") == "\"'@SUM(1)\"");
  CHECK(csv_cell("-1.5 ± 0.3") == "\"'-1.5 ± 0.3\"");
  for (const char* number : {"-1.5", "+2", "-3e-05", "0.1", "-inf"}) CHECK(csv_cell(number) == number);
  for (const char* text :
       {"=1+1", "+a", "-b", "@x", "\tx", "'x", "'=1", "''", "\uff1d1", "--", "+-1", "plain", "a\"b", ""}) {
    const std::string quoted = csv_quoted(text);
    std::string cell = quoted.substr(1, quoted.size() - 2);
    for (std::size_t at = 0; (at = cell.find("\"\"", at)) != std::string::npos; ++at) cell.erase(at, 1);
    CHECK(csv_text(cell) == text);
    CHECK((cell.empty() || std::string_view("=+-@\t").find(cell[0]) == std::string_view::npos));
  }
  CHECK(csv_cell("a\nb") == "\"a b\"");
}

TEST_CASE("HTML, Markdown and TeX") {
  CHECK(html("</script>\"'&\x1b") == "&lt;/script&gt;&quot;&#39;&amp;\\x1b");
  CHECK(markdown_cell("a|b\\c`d`<e>\n") == "a\\|b\\\\c\\`d\\`&lt;e>\\\\x0a");
  CHECK(tex("[64]") == "{}[64]");  // which would belong to the end of the row before
  CHECK(tex("*<|>") == "{}*\\textless{}\\textbar{}\\textgreater{}");
  CHECK(tex("a_b^c~\\x{$}%#&") ==
        "a\\_b\\textasciicircum{}c\\textasciitilde{}\\textbackslash{}x\\{\\$\\}\\%\\#\\&");
}

TEST_CASE("names are names") {
  for (const char* name : {"losses", "loss-against-beta", "β sweep", "a.b", "x`touch owned`", "日本"})
    CHECK(name_problem(name).empty());
  CHECK(name_problem("") == "it is empty");
  CHECK(name_problem("../loot") == "it holds a \"/\"");
  CHECK(name_problem("/abs") == "it holds a \"/\"");
  CHECK(name_problem("a\\b") == "it holds a \"\\\"");
  CHECK(name_problem("..") == "it holds \"..\"");
  CHECK(name_problem(".hidden") == "it begins with \".\"");
  CHECK(name_problem("-rf") == "it begins with \"-\"");
  for (const char* name : {"a\nb", "a\x1b", "a\xc2\x85", "a\xe2\x80\xae"})
    CHECK(name_problem(name) == "it holds a control character");
  CHECK(name_problem("a\0b"s) == "it holds a control character");
  CHECK(name_problem("caf\xe9") == "it is not UTF-8");
  CHECK(name_problem(std::string(101, 'a')) == "it has 101 characters");
}
