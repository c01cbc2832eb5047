// Work in a process apart: what it hands over, how every bad ending is told, and what the process may not do.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/apart.h"
#include "base/fields.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "catch.h"

namespace {

using variform::base::Allowance;
using variform::base::do_apart;
using variform::base::Handed;
using variform::base::Outbox;
using variform::testing::ContainsSubstring;

std::string killed(const std::function<std::string(Outbox&)>& work, const Allowance& allowance = {}) {
  try {
    do_apart(work, allowance);
  } catch (const variform::base::WorkKilled& error) {
    return error.what();
  }
  FAIL("expected WorkKilled");
  return {};
}

/// What errno says after `call`, in a process apart; "0" when it worked.
template <class Call>
std::string errno_apart(Call call) {
  return do_apart([&](Outbox&) {
           errno = 0;
           return std::to_string(call() < 0 ? errno : 0);
         })
      .text;
}

}  // namespace

TEST_CASE("a process apart hands over a text, zero bytes included, and memory of any size") {
  const Handed handed = do_apart([](Outbox& outbox) {
    std::byte* const room = outbox.make_room(5'000'000);
    room[0] = std::byte{1};
    room[4'999'999] = std::byte{2};
    return std::string("a\0b", 3);
  });
  CHECK(handed.text == std::string("a\0b", 3));
  REQUIRE(handed.room.size == 5'000'000);
  CHECK(handed.room.bytes.get()[0] == std::byte{1});
  CHECK(handed.room.bytes.get()[1] == std::byte{0});
  CHECK(handed.room.bytes.get()[4'999'999] == std::byte{2});
  CHECK(do_apart([](Outbox&) { return std::string(); }).room.size == 0);
}

TEST_CASE("exceptions of a process apart are thrown here; crashes, exits, loops and hunger are told") {
  CHECK_THROWS_WITH(do_apart([](Outbox&) -> std::string { throw std::runtime_error("no such thing"); }),
                    "no such thing");
#if !defined(VARIFORM_SANITIZED)
  CHECK_THAT(killed([](Outbox&) -> std::string { std::abort(); }), ContainsSubstring("crashed (signal 6"));
  CHECK_THAT(killed([](Outbox&) -> std::string {
               std::vector<char> all(std::size_t{2} << 30, 'x');
               return {all.data(), 10};
             }),
             ContainsSubstring("took more than 419 MB of memory"));
#endif
  CHECK_THAT(killed([](Outbox&) -> std::string {
               ::raise(SIGKILL);
               return {};
             }),
             ContainsSubstring("crashed (signal 9"));
  CHECK(killed([](Outbox&) -> std::string { ::_exit(0); }) == "ended the process (exit status 0)");
  CHECK(killed(
            [](Outbox&) -> std::string {
              while (true) static_cast<void>(::getppid());
            },
            {.time = std::chrono::seconds(1)}) == "took more time than 1 s");
}

TEST_CASE("a process apart reads files and does nothing else to the system") {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("variform-apart-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string file = folder + "/file", fresh = folder + "/fresh";
  std::ofstream(file) << "kept";
  CHECK(do_apart([&](Outbox&) {
          std::string text;
          std::ifstream(file) >> text;
          return text;
        }).text == "kept");
  const std::string refused = std::to_string(EPERM);
  CHECK(errno_apart([&] { return ::open(fresh.c_str(), O_WRONLY | O_CREAT, 0600); }) == refused);
  CHECK(errno_apart([&] { return ::open(file.c_str(), O_RDWR); }) == refused);
  CHECK(errno_apart([&] { return ::unlink(file.c_str()); }) == refused);
  CHECK(errno_apart([&] { return ::rename(file.c_str(), fresh.c_str()); }) == refused);
  CHECK(errno_apart([&] { return ::chmod(file.c_str(), 0777); }) == refused);
  CHECK(errno_apart([&] { return ::socket(AF_INET, SOCK_STREAM, 0); }) == refused);
  CHECK(errno_apart([&] { return ::kill(::getppid(), 0); }) == refused);
  CHECK(errno_apart([&] { return ::fork(); }) == refused);
  CHECK(errno_apart([&] { return ::execl("/bin/true", "true", static_cast<char*>(nullptr)); }) == refused);
  CHECK(std::filesystem::exists(file));
  CHECK_FALSE(std::filesystem::exists(fresh));
  std::filesystem::remove_all(folder);
}

TEST_CASE("waiting for a process apart ends when a signal came, unless it is to be finished") {
  std::atomic<int>& flag = variform::base::interrupt_flag();
  flag = 1;
  CHECK_THROWS_AS(do_apart([](Outbox&) { return std::string("x"); }), variform::base::Interrupted);
  CHECK(do_apart([](Outbox&) { return std::string("x"); }, {.heeds_signals = false}).text == "x");
  flag = 0;
}

TEST_CASE("a signal that comes during the wait for a process apart ends it at once") {
  const int event = variform::base::interrupt_event();
  const auto start = std::chrono::steady_clock::now();
  std::thread signal([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    variform::base::request_interrupt();
  });
  CHECK_THROWS_AS(do_apart([](Outbox&) -> std::string {
                    while (true) ::pause();
                  }),
                  variform::base::Interrupted);
  signal.join();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  std::uint64_t count = 0;
  CHECK(::read(event, &count, sizeof count) == sizeof count);
  variform::base::interrupt_flag() = 0;
}

TEST_CASE("fields come back as they were added, and nothing else is read as fields") {
  variform::base::FieldWriter writer;
  writer.add("text\n").add(std::int64_t{-3}).add(std::vector<std::int64_t>{1, 2}).add("");
  const std::string all = writer.take();
  variform::base::FieldReader reader(all);
  CHECK(reader.text() == "text\n");
  CHECK(reader.number(-3, 0) == -3);
  CHECK(reader.numbers(0, 2) == std::vector<std::int64_t>{1, 2});
  CHECK(reader.text().empty());
  CHECK_FALSE(reader.has_more());
  for (std::size_t size = 0; size < all.size(); ++size) {
    variform::base::FieldReader cut(std::string_view(all).substr(0, size));
    CHECK_THROWS_AS((cut.text(), cut.number(-3, 0), cut.numbers(0, 2), cut.text()), std::out_of_range);
  }
  variform::base::FieldReader high(all);
  high.text();
  CHECK_THROWS_AS(high.number(0, 9), std::out_of_range);
}

TEST_CASE("free memory is bounded by the limit of the address space") {
  CHECK(variform::base::free_memory() > 0);
  const std::string told =
      do_apart([](Outbox&) { return std::to_string(variform::base::free_memory()); }).text;
#if !defined(VARIFORM_SANITIZED)
  CHECK(std::stoull(told) <= std::uint64_t{400} << 20);  // its allowance
#endif
  CHECK(variform::base::memory_text(4'000'000'000) == "4.00 GB");
  CHECK(variform::base::memory_text(25'000'000) == "25 MB");
}
