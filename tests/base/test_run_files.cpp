// JSON and lines of JSON that somebody has changed, and locks: what is noticed, and how it is said.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/contents.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/live_temporaries.h"
#include "base/lock.h"
#include "base/retry.h"
#include "base/sealed_lines.h"
#include "catch.h"

using namespace variform::base;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

class OwnFolder {
 public:
  OwnFolder() {
    std::string name = (fs::temp_directory_path() / "variform-base-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~OwnFolder() { fs::remove_all(path); }
  fs::path path;
};

void put(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

std::string error_of(const auto& call) {
  try {
    call();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a JSON file that is none is refused with its name and what was found", "[json]") {
  const OwnFolder folder;
  const fs::path file = folder.path / "a.json";
  const auto said = [&] { return error_of([&] { JsonFile{file}; }); };
  const std::string name = file.string();
  CHECK(said() == name + ": expected a file, found none.");
  put(file, "");
  CHECK(said() == name + ": expected JSON, found nothing: it is empty.");
  put(file, "{\"threads\": 1,\n \"cpu\": \"AV");
  CHECK(said() == name + ", line 2: expected JSON, found the end of the file too early: it was cut off.");
  put(file, "{\"threads\": 1,\n \"cpu\": NaN}");
  CHECK_THAT(said(), Catch::StartsWith(name + ", line 2: expected JSON, found something else (byte "));
  put(file, "{\"cpu\": \"\xff\xfe\"}");
  CHECK_THAT(said(), Catch::StartsWith(name + ", line 1: expected JSON, found something else (byte "));
  put(file, "{\"threads\": 1e999}");
  CHECK(said() == name + ": expected JSON, found a number that is too large.");
  put(file, std::string(200000, '['));
  CHECK(said() == name + ": expected JSON, found arrays and objects nested more than 64 deep.");
  put(file, std::string(64, '[') + "\"[[\\\"[[\"" + std::string(64, ']'));
  CHECK(said() == "no error");
  put(file, "[]");
  fs::resize_file(file, std::uintmax_t{5} << 30);
  CHECK(said() == name +
                      ": expected a file, found one of 5368709120 bytes, more than the 67108864 that such a "
                      "file may have.");
  CHECK(beginning_of(file, 2) == "[]");
  fs::remove(file);
  fs::create_directory(file);
  CHECK(said() == name + ": expected a file, found a folder.");
  fs::remove(file);
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);  // whose opening would wait for ever
  CHECK(said() == name + ": expected a file, found something that is not a regular file.");
}

TEST_CASE("values of another type are named with their keys", "[json]") {
  const JsonFile file(
      R"({"threads": "x", "n": 2.5, "big": 18446744073709551615, "list": [{"id": 7}], "none": null,
                          "no\u001bte": "\u001b[31m", "long": ")" +
          std::string(300, 'a') + "\"}",
      "e.json");
  const JsonValue root = file.root();
  const auto said = [&](const auto& call) { return error_of(call); };
  CHECK(said([&] { root.at("threads").integer(); }) ==
        "e.json: key \"threads\": expected a whole number, found the text \"x\".");
  CHECK(said([&] { root.at("n").integer(0, 9); }) ==
        "e.json: key \"n\": expected a whole number from 0 to 9, found the number 2.5.");
  CHECK(said([&] { root.at("big").integer(0); }) ==
        "e.json: key \"big\": expected a whole number, at least 0, found the number 18446744073709551615.");
  CHECK(said([&] { root.at("list").elements()[0].at("id").text(); }) ==
        "e.json: key \"list[0].id\": expected a text, found the number 7.");
  CHECK(said([&] { root.at("list").elements()[0].at("path"); }) ==
        "e.json: key \"list[0].path\": expected one, found none.");
  CHECK(said([&] { root.at("threads").at("x"); }) ==
        "e.json: key \"threads\": expected an object, found the text \"x\".");
  CHECK(said([&] { root.at("none"); }) == "e.json: key \"none\": expected one, found none.");
  CHECK_FALSE(root.find("absent"));
  CHECK(said([&] { root.at("no\033te").number(); }) ==  // nothing of it reaches a terminal as it is
        "e.json: key \"no\\u001bte\": expected a number, found the text \"\\u001b[31m\".");
  CHECK(said([&] { root.at("long").flag(); }).size() < 150);
  CHECK(said([&] { root.elements(); }) == "e.json: expected an array, found an object.");
}

TEST_CASE("every changed byte of sealed lines is noticed, and the line named", "[json]") {
  std::string text;
  for (int step = 1; step <= 4; ++step)
    text += sealed_line({{"step", step}, {"loss", 0.1 * step}, {"split", step % 2 ? "train" : "test"}});
  const SealedLines whole = sealed_lines_in(text);
  REQUIRE(whole.lines.size() == 4);
  CHECK(whole.lines[2] == json({{"step", 3}, {"loss", 0.1 * 3}, {"split", "train"}}));
  CHECK(whole.damaged.empty());
  CHECK(whole.sentence("m") == "");
  for (std::size_t at = 0; at < text.size(); ++at)
    for (const char changed : {'\x01', '7', ' '}) {
      std::string other = text;
      if (other[at] == changed) continue;
      other[at] = changed;
      const SealedLines found = sealed_lines_in(other);
      INFO("byte " << at);
      CHECK((!found.damaged.empty() || found.is_cut));
      CHECK(found.lines.size() < 4);
    }
  std::string other = text;
  other[text.find('\n') + 3] ^= 1;
  CHECK(sealed_lines_in(other).sentence("m.jsonl") ==
        "m.jsonl: line 2 is not as it was written and is left out.");
  const SealedLines cut = sealed_lines_in(text.substr(0, text.size() - 5));
  CHECK((cut.is_cut && cut.lines.size() == 3 && cut.damaged.empty()));
  const std::string deep = "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + ",\"step\":5}\n";
  const SealedLines nested = sealed_lines_in(text + deep);  // whose copying would fill the stack
  CHECK((nested.lines.size() == 4 && nested.damaged == std::vector<std::size_t>{5}));
}

TEST_CASE("lines of an earlier release have no check, and may be gone on with", "[json]") {
  const std::string old = "{\"loss\":1.5,\"split\":\"train\",\"step\":1}\n";
  CHECK(sealed_lines_in(old + old).lines.size() == 2);
  CHECK(sealed_lines_in(old + sealed_line({{"step", 2}})).lines.size() == 2);
  CHECK(sealed_lines_in(sealed_line({{"step", 2}}) + old).damaged == std::vector<std::size_t>{2});
  CHECK(sealed_lines_in("nothing\n" + old).damaged == std::vector<std::size_t>{1});
}

TEST_CASE("a lock names its holder, and goes with a process that is killed", "[lock]") {
  const OwnFolder folder;
  const fs::path file = folder.path / ".lock";
  Holder holder;
  {
    auto held = FileLock::try_to_take(file, FileLock::After::kIsRemoved, holder);
    REQUIRE(held);
    CHECK(held->is_real());
    CHECK_FALSE(FileLock::try_to_take(file, FileLock::After::kIsRemoved, holder));
    CHECK(holder.process == ::getpid());
    CHECK_THAT(holder.sentence(), Catch::StartsWith("process " + std::to_string(::getpid()) + " ("));
  }
  CHECK_FALSE(is_there(file));
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto held = FileLock::try_to_take(file, FileLock::After::kIsRemoved, holder);
    if (::write(ends[1], "x", 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(held ? 0 : 1);
  }
  char byte = 0;
  REQUIRE(::read(ends[0], &byte, 1) == 1);
  CHECK_FALSE(FileLock::try_to_take(file, FileLock::After::kStays, holder));
  CHECK(holder.process == child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(FileLock::try_to_take(file, FileLock::After::kIsRemoved, holder));
  CHECK_FALSE(is_there(file));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a lock that another process holds is waited for, and its holder is named once", "[lock]") {
  const OwnFolder folder;
  const fs::path file = folder.path / ".lock";
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Holder holder;
    const auto held = FileLock::try_to_take(file, FileLock::After::kStays, holder);
    if (::write(ends[1], "x", 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(held ? 0 : 1);
  }
  char byte = 0;
  REQUIRE(::read(ends[0], &byte, 1) == 1);
  std::vector<pid_t> waited_for;
  const FileLock lock = FileLock::take(file, FileLock::After::kStays, [&](const Holder& holder) {
    waited_for.push_back(holder.process);
    ::kill(child, SIGKILL);  // ends the wait
  });
  CHECK(waited_for == std::vector<pid_t>{child});
  CHECK(lock.is_real());
  Holder holder;
  CHECK_FALSE(FileLock::try_to_take(file, FileLock::After::kStays, holder));
  CHECK(holder.process == ::getpid());
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a lock tells when its name has gone elsewhere; a link is not followed", "[lock]") {
  const OwnFolder folder;
  fs::create_directory(folder.path / "run");
  Holder holder;
  const auto held = FileLock::try_to_take(folder.path / "run" / ".lock", FileLock::After::kStays, holder);
  REQUIRE(held);
  CHECK(held->is_in_place());
  fs::rename(folder.path / "run", folder.path / "old");
  CHECK_FALSE(held->is_in_place());
  put(folder.path / "victim", "text");
  fs::create_symlink("victim", folder.path / "link");
  CHECK_THAT(error_of([&] { FileLock::try_to_take(folder.path / "link", FileLock::After::kStays, holder); }),
             Catch::Contains("it is a link"));
  CHECK(contents_of(folder.path / "victim") == "text");
  fs::create_hard_link(folder.path / "victim", folder.path / "hard");
  CHECK(FileLock::try_to_take(folder.path / "hard", FileLock::After::kStays, holder));
  CHECK(contents_of(folder.path / "victim") == "text");
  REQUIRE(::mkfifo((folder.path / "fifo").c_str(), 0600) == 0);
  CHECK_THAT(error_of([&] { FileLock::try_to_take(folder.path / "fifo", FileLock::After::kStays, holder); }),
             Catch::Contains("not a regular file"));
}

TEST_CASE("the name of an earlier holder is replaced, other text is not", "[lock]") {
  const OwnFolder folder;
  const fs::path file = folder.path / ".lock";
  Holder holder;
  const std::string own = std::to_string(::getpid()) + " ";
  for (const std::string former : {"", "4711 node7\n", "47"}) {
    put(file, former);
    CHECK(FileLock::try_to_take(file, FileLock::After::kStays, holder));
    CHECK_THAT(contents_of(file), Catch::StartsWith(own));
  }
  for (const std::string& other :
       std::vector<std::string>{"text\n", "1 a\n2 b\n", "1,2\n", "\n", "7 " + std::string(400, 'x')}) {
    put(file, other);
    CHECK(FileLock::try_to_take(file, FileLock::After::kStays, holder));
    CHECK(contents_of(file) == other);
  }
}

TEST_CASE("an interrupted call is made again", "[signals]") {
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};  // without SA_RESTART
  REQUIRE(::sigaction(SIGALRM, &action, &before) == 0);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  itimerval often{{0, 2000}, {0, 2000}}, never{{0, 0}, {0, 0}};
  const pid_t child = ::fork();
  if (child == 0) {
    ::usleep(50000);
    ::_exit(::write(ends[1], "x", 1) == 1 ? 0 : 1);
  }
  ::setitimer(ITIMER_REAL, &often, nullptr);
  char byte = 0;
  CHECK(retried([&] { return ::read(ends[0], &byte, 1); }) == 1);
  int status = -1;
  CHECK(retried([&] { return ::waitpid(child, &status, 0); }) == child);
  ::setitimer(ITIMER_REAL, &never, nullptr);
  CHECK(byte == 'x');
  ::sigaction(SIGALRM, &before, nullptr);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a process that ends at once takes its temporaries with it", "[signals]") {
  const OwnFolder folder;
  fs::create_directory(folder.path / "kept");
  put(folder.path / "kept" / "c", "text");
  const pid_t child = ::fork();
  if (child == 0) {
    const Temporary file(folder.path, Temporary::Kind::kFile), tree(folder.path, Temporary::Kind::kFolder);
    Temporary became(folder.path, Temporary::Kind::kFile);
    for (int i = 0; i < 300; ++i) put(tree.path() / ("a" + std::to_string(i)), "text");
    fs::create_directory(tree.path() / "inner");
    put(tree.path() / "inner" / "b", "text");
    fs::create_directory_symlink(folder.path / "kept", tree.path() / "link");
    became.become(folder.path / "done");
    if (::fork() == 0) {  // whose they are not
      remove_live_temporaries();
      ::_exit(0);
    }
    ::wait(nullptr);
    if (!fs::exists(file.path())) ::_exit(1);
    remove_live_temporaries();
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"done", "kept"});
  CHECK(fs::exists(folder.path / "kept" / "c"));  // a link is not followed
}

TEST_CASE("files are written whole whatever signals interrupt", "[signals]") {
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};  // without SA_RESTART
  REQUIRE(::sigaction(SIGALRM, &action, &before) == 0);
  const OwnFolder folder;
  const std::string text(1 << 20, 'x');
  itimerval often{{0, 300}, {0, 300}}, never{{0, 0}, {0, 0}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  for (int i = 0; i < 40; ++i) {
    write_text_file(folder.path / "whole", text);
    append_text(folder.path / "lines", "line\n");
    if (contents_of(folder.path / "whole") != text) FAIL("a part of the file is missing");
    Holder holder;
    CHECK(FileLock::try_to_take(folder.path / "lock", FileLock::After::kIsRemoved, holder));
  }
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  CHECK(contents_of(folder.path / "lines").size() == 200);
  CHECK(clean_temporaries(folder.path) == 0);
}
