// Claims on shared work: who gets one, who may take it over, and what happens to those that lost theirs.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/claims.h"
#include "catch.h"

namespace {

using namespace variform::base;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

class ClaimFolder {
 public:
  ClaimFolder() {
    std::string name = (fs::temp_directory_path() / "variform-claims-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    parent_ = name;
  }
  ~ClaimFolder() { fs::remove_all(parent_); }
  fs::path path() const { return parent_ / "claims"; }
  fs::path beside(const std::string& name) const { return parent_ / name; }
  ClaimOptions options(std::chrono::milliseconds silence = 60s) const { return {path(), "job 7", silence}; }

 private:
  fs::path parent_;
};

bool takes(Claims& claims, const std::string& key) {
  Claim other;
  return claims.try_to_take(key, other);
}

pid_t in_child(const std::function<int()>& function) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(function());
  return child;
}

int code_of_child(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A claim of a process on another machine, which was last touched some seconds ago.
void put_foreign(const fs::path& file, double seconds_ago, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const timespec then{now.tv_sec - static_cast<time_t>(seconds_ago), now.tv_nsec};
  const timespec both[] = {then, then};
  ::utimensat(AT_FDCWD, file.c_str(), both, 0);
}

constexpr const char* kElsewhere =
    R"({"process":12,"host":"node7","job":"slurm 3_1","boot":"","mark":"12-ab-0-1","since":100.0,"silence":20.0})";

}  // namespace

TEST_CASE("a claim has one holder, who is named, until it is given back", "[claims]") {
  const ClaimFolder folder;
  {
    Claims one(folder.options()), other(folder.options());
    Claim holder;
    CHECK(takes(one, "a"));
    CHECK(one.taken("a") == 1);
    CHECK_FALSE(other.try_to_take("a", holder));
    CHECK(holder.holder.process == ::getpid());
    CHECK(holder.job == "job 7");
    CHECK_FALSE(takes(one, "a"));  // not even the same process has it twice
    CHECK(takes(other, "b"));
    CHECK(Claims::in(folder.path()).size() == 2);
    one.give_back("a");
    CHECK(one.taken("a") == 0);
    CHECK(takes(other, "a"));
  }
  CHECK_FALSE(fs::exists(folder.path()));  // all are given back, and the folder with them
}

TEST_CASE("of many processes that want one claim, one has it at a time", "[claims]") {
  const ClaimFolder folder;
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i)
    children.push_back(in_child([&] {
      Claims claims(folder.options());
      for (int had = 0; had < 40;) {
        if (!takes(claims, "k")) {
          ::usleep(100);
          continue;
        }
        const int inside = ::open(folder.beside("inside").c_str(), O_CREAT | O_EXCL, 0600);
        if (inside < 0) return 1;  // somebody else is inside
        ::close(inside);
        ::unlink(folder.beside("inside").c_str());
        claims.give_back("k");
        if (++had % 10 == 0) claims.give_back("k");  // twice does no harm
      }
      return 0;
    }));
  for (const pid_t child : children) CHECK(code_of_child(child) == 0);
}

TEST_CASE("a holder may end while it is looked at", "[claims]") {
  for (int round = 0; round < 100; ++round) {
    const pid_t holder = in_child([] { return ::pause(); });
    const pid_t looker = in_child([&] {
      try {
        while (::kill(holder, 0) == 0) Holder::of(holder, host_name());
      } catch (const std::exception&) {
        return 1;
      }
      return 0;
    });
    ::usleep(1000);
    ::kill(holder, SIGKILL);
    code_of_child(holder);
    REQUIRE(code_of_child(looker) == 0);
  }
}

TEST_CASE("a dead process' claim is taken over by one of those who want it", "[claims]") {
  const ClaimFolder folder;
  for (int round = 0; round < 20; ++round) {
    const pid_t dead = in_child([&] {
      Claims* claims = new Claims(folder.options());
      return takes(*claims, "k") ? 0 : 1;  // and it ends without giving it back
    });
    REQUIRE(code_of_child(dead) == 0);
    std::vector<pid_t> children;
    for (int i = 0; i < 6; ++i)
      children.push_back(in_child([&] {
        Claims* claims = new Claims(folder.options());
        if (!takes(*claims, "k")) return 0;
        if (claims->taken("k") != 2) return 2;
        ::usleep(200'000);  // until the others have tried
        return 1;
      }));
    int winners = 0;
    for (const pid_t child : children) {
      const int code = code_of_child(child);
      REQUIRE(code <= 1);
      winners += code;
    }
    CHECK(winners <= 1);  // nobody, if all have seen each other; they try again
    Claims::remove_dead(folder.path());
    CHECK_FALSE(fs::exists(folder.path()));
  }
}

TEST_CASE("a claim of another machine is taken over when it is silent for as long as it has promised",
          "[claims]") {
  const ClaimFolder folder;
  Claims claims(folder.options());
  put_foreign(folder.path() / "k.3", 15, kElsewhere);
  Claim holder;
  CHECK_FALSE(claims.try_to_take("k", holder));
  CHECK(holder.holder.host == "node7");
  CHECK(holder.holder.sentence() == "process 12 on the machine node7");
  CHECK(holder.taken == 3);
  put_foreign(folder.path() / "k.3", 25, kElsewhere);
  CHECK(claims.try_to_take("k", holder));
  CHECK(claims.taken("k") == 4);
  put_foreign(folder.path() / "future.1", -3600, kElsewhere);  // a clock that is ahead
  CHECK_FALSE(takes(claims, "future"));
}

TEST_CASE("whether a process lives is asked on its own machine alone, whatever that is called", "[claims]") {
  const ClaimFolder folder;
  const pid_t dead = in_child([&] {
    Claims* claims = new Claims(folder.options());
    return takes(*claims, "k") ? 0 : 1;
  });
  REQUIRE(code_of_child(dead) == 0);
  std::string text;
  std::getline(std::ifstream(folder.path() / "k.1"), text);
  const std::size_t boot = text.find("\"boot\":\"") + 8;
  REQUIRE(boot > 8);
  text[boot] = text[boot] == '0' ? '1' : '0';  // a machine of the same name, without that process
  std::ofstream(folder.path() / "k.1") << text;
  Claims claims(folder.options());
  CHECK_FALSE(takes(claims, "k"));
}

TEST_CASE("a claim whose text is missing counts by its age, and other files count for nothing", "[claims]") {
  const ClaimFolder folder;
  Claims claims(folder.options());
  put_foreign(folder.path() / "k.1", 30, "");
  CHECK_FALSE(takes(claims, "k"));
  put_foreign(folder.path() / "k.1", 90, "");
  CHECK(takes(claims, "k"));
  for (const char* name : {"k.0", "k.", ".k.1", "k.1x", "k"}) put_foreign(folder.path() / name, 0, "");
  CHECK(Claims::in(folder.path()).size() == 1);
  for (const char* name : {"k.0", "k.", ".k.1", "k.1x", "k"}) fs::remove(folder.path() / name);
}

TEST_CASE("signs of life keep a claim; who is stopped loses it, and is told", "[claims]") {
  const ClaimFolder folder;
  const pid_t holder = in_child([&] {
    Claims claims(folder.options(600ms));
    if (!takes(claims, "k")) return 1;
    for (int i = 0; i < 1000 && claims.taken("k") == 1; ++i) std::this_thread::sleep_for(10ms);
    return claims.taken("k") == 0 ? 7 : 2;
  });
  Claims other(folder.options());
  while (Claims::in(folder.path()).empty()) std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(1500ms);
  CHECK_FALSE(takes(other, "k"));
  ::kill(holder, SIGSTOP);
  std::this_thread::sleep_for(900ms);
  CHECK(takes(other, "k"));
  CHECK(other.taken("k") == 2);
  ::kill(holder, SIGCONT);
  CHECK(code_of_child(holder) == 7);
  CHECK(other.taken("k") == 2);
}
