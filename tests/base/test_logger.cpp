// The log: levels by topic, lines for people and for programs.

#include "base/logger.h"

#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/kept_log.h"
#include "catch.h"

namespace variform::base {
namespace {

using testing::ContainsSubstring;

struct Shown {
  std::vector<std::string> lines;
  Logger::Print print() {
    return [this](const std::string& line) { lines.push_back(line); };
  }
};

TEST_CASE("a message has its level before it, and what nobody asked for is not shown") {
  Shown shown;
  Logger log({}, shown.print());
  log.info("run: here");
  log.note("look");
  log.warning("mind");
  log.write(Level::kError, {}, "gone");
  bool composed = false;
  log.debug("plugins", [&] {
    composed = true;
    return "which";
  });
  CHECK(shown.lines == std::vector<std::string>{"run: here", "note: look", "warning: mind", "error: gone"});
  CHECK_FALSE(composed);
}

TEST_CASE("a log beside another keeps from info on, and asks for no more than the other") {
  class Kept final : public KeptLog {
   public:
    using KeptLog::KeptLog;
    std::string text;
    void write(Level level, std::string_view, const std::string& said) override {
      if (keeps(level)) text += with_level(level, said) + "\n";
    }
  };
  Shown shown;
  Logger curious({.levels = levels_in("plugins=debug", {})}, shown.print());
  SilentLog silent;
  Kept kept(silent), with_more(curious);
  CHECK(kept.wants(Level::kInfo, "train"));
  CHECK_FALSE(kept.wants(Level::kDebug, "plugins"));
  CHECK(with_more.wants(Level::kDebug, "plugins"));
  CHECK_FALSE(with_more.wants(Level::kDebug, "train"));
  kept.info("here");
  kept.write(Level::kDebug, "plugins", "which");
  kept.warning("mind");
  CHECK(kept.text == "here\nwarning: mind\n");
}

TEST_CASE("levels are read by topic") {
  Shown shown;
  Logger log({.levels = levels_in("plugins=debug,warning", {})}, shown.print());
  log.info("run: here");
  log.debug("plugins", [] { return "taken from there"; });
  log.debug("train", [] { return "not shown"; });
  log.warning("mind");
  CHECK(shown.lines == std::vector<std::string>{"debug (plugins): taken from there", "warning: mind"});
  CHECK_THROWS_WITH(levels_in("debgu", {}),
                    ContainsSubstring("expected one of trace, debug, info, note, warning, "
                                      "error, found 'debgu'"));
  CHECK_THROWS_AS(levels_in("plugins=loud", {}), Error);
  CHECK(levels_in("", {Level::kNote, {}}).least == Level::kNote);
}

TEST_CASE("lines are harmless to a terminal, and coloured when asked") {
  Shown shown;
  Logger log({.levels = {}, .colour = true}, shown.print());
  log.warning("a \x1b[31mred\x1b[0m name");
  REQUIRE(shown.lines.size() == 1);
  CHECK(shown.lines[0].starts_with("\x1b[33mwarning:\x1b[0m "));
  CHECK_THAT(shown.lines[0], !ContainsSubstring("\x1b[31m"));
}

TEST_CASE("for programs a message is one line of JSON") {
  Shown shown;
  Logger log({.levels = {Level::kDebug, {}}, .json = true}, shown.print());
  log.debug("data", [] { return "two\nlines, \"quoted\""; });
  REQUIRE(shown.lines.size() == 1);
  const nlohmann::json found = nlohmann::json::parse(shown.lines[0]);
  CHECK(found.at("level") == "debug");
  CHECK(found.at("topic") == "data");
  CHECK(found.at("text") == "two\nlines, \"quoted\"");
  CHECK(found.at("time").get<double>() > 1.6e9);
}

TEST_CASE("threads write whole lines, also while the options change") {
  Shown shown;
  Logger log({}, shown.print());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&log] {
      for (int j = 0; j < 200; ++j) log.info("a line");
    });
  for (int j = 0; j < 200; ++j) log.set({});
  for (std::thread& thread : threads) thread.join();
  CHECK(shown.lines == std::vector<std::string>(800, "a line"));
}

}  // namespace
}  // namespace variform::base
