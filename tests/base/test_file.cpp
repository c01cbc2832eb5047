// Files that are written whole or not at all, never through a link, and never over what is no regular file.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/temporary_name.h"
#include "catch.h"

namespace {

namespace fs = std::filesystem;
using namespace variform::base;

class Scratch {
 public:
  Scratch() { fs::create_directories(path_); }
  ~Scratch() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }
  std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(path_), fs::directory_iterator());
  }

 private:
  fs::path path_ = fs::temp_directory_path() / ("variform-files-" + std::to_string(::getpid()));
};

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void make(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

template <class Act>
std::string complaint(Act act) {
  try {
    act();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  ::stat(path.c_str(), &status);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("a link is neither written through nor replaced") {
  const Scratch scratch;
  make(scratch / "victim", "whole");
  fs::create_symlink("victim", scratch / "link");
  const std::string said = complaint([&] { write_text_file(scratch / "link", "spoilt"); });
  CHECK(contains(said, "it is a link"));
  CHECK(contains(said, "remove the link"));
  CHECK(contains(complaint([&] { append_text(scratch / "link", "spoilt"); }), "it is a link"));
  CHECK(contains(complaint([&] { require_writable(scratch / "link"); }), "it is a link"));
  CHECK(contents(scratch / "victim") == "whole");
  CHECK(fs::is_symlink(scratch / "link"));
  write_text_file(followed(scratch / "link"), "new");  // a user's own
  CHECK(contents(scratch / "victim") == "new");
  CHECK(fs::is_symlink(scratch / "link"));
}

TEST_CASE("a FIFO is written to, and stays") {
  const Scratch scratch;
  REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
  std::string read;
  std::thread reader([&] { read = contents(scratch / "fifo"); });
  write_text_file(scratch / "fifo", "through");
  reader.join();
  CHECK(read == "through");
  CHECK(fs::is_fifo(scratch / "fifo"));
  CHECK(scratch.entries() == 1);
  CHECK(not_replaceable(scratch / "fifo") == EEXIST);
  CHECK(not_replaceable(scratch.path()) == EISDIR);
}

TEST_CASE("a FIFO is not added to, and not waited for") {
  const Scratch scratch;
  REQUIRE(::mkfifo((scratch / "log.txt").c_str(), 0600) == 0);
  for (const bool has_reader : {false, true}) {
    const int reader = has_reader ? ::open((scratch / "log.txt").c_str(), O_RDONLY | O_NONBLOCK) : -1;
    CHECK(contains(complaint([&] { append_text(scratch / "log.txt", "line\n"); }),
                   "log.txt: something there is not a regular file and is not replaced; move it away"));
    CHECK(try_truncate(scratch / "log.txt", 0) == EEXIST);
    if (has_reader) ::close(reader);
  }
}

TEST_CASE("a name for a descriptor is that descriptor") {
  const Scratch scratch;
  const int file = ::open((scratch / "file").c_str(), O_WRONLY | O_CREAT, 0600);
  REQUIRE(::write(file, "a", 1) == 1);
  write_text_file("/dev/fd/" + std::to_string(file), "b");
  write_text_file("/proc/self/fd/" + std::to_string(file), "c");
  ::close(file);
  CHECK(contents(scratch / "file") == "abc");
}

TEST_CASE("temporaries have names that nobody can guess, and are gone after a failure") {
  const Scratch scratch;
  CHECK(temporary_name() != temporary_name());
  {
    const Temporary file(scratch.path(), Temporary::Kind::kFile),
        folder(scratch.path(), Temporary::Kind::kFolder);
    const Temporary secret(scratch.path(), Temporary::Kind::kPrivateFolder);
    CHECK(scratch.entries() == 3);
    CHECK(owner_of(file.path().filename().string()) == Owner::kAlive);
    make(folder.path() / "inside", "text");
    CHECK(mode_of(secret.path()) == 0700);
    CHECK(clean_temporaries(scratch.path()) == 0);
  }
  CHECK(scratch.entries() == 0);
  fs::create_directory(scratch / "taken");
  Temporary file(scratch.path(), Temporary::Kind::kFile);
  CHECK(file.become(scratch / "taken") == EISDIR);
}

TEST_CASE("modes follow the umask, and a group's folder gives its group") {
  const Scratch scratch;
  for (const auto& [mask, file_mode, folder_mode] :
       {std::array<mode_t, 3>{027, 0640, 0750}, std::array<mode_t, 3>{002, 0664, 0775}}) {
    const mode_t former = ::umask(mask);
    fs::remove_all(scratch / "file");
    fs::remove_all(scratch / "folder");
    write_text_file(scratch / "file", "text");
    Temporary folder(scratch.path(), Temporary::Kind::kFolder);
    CHECK(folder.become(scratch / "folder") == 0);
    ::umask(former);
    CHECK(mode_of(scratch / "file") == file_mode);
    CHECK(mode_of(scratch / "folder") == folder_mode);
  }
  fs::create_directory(scratch / "group");
  REQUIRE(::chmod((scratch / "group").c_str(), 02775) == 0);
  const Temporary inside(scratch / "group", Temporary::Kind::kPrivateFolder);
  CHECK((mode_of(inside.path()) & S_ISGID) != 0);
}

TEST_CASE("what a dead process left is removed, what belongs to others stays") {
  const Scratch scratch;
  const pid_t child = ::fork();
  if (child == 0) {
    Temporary* file = new Temporary(scratch.path(), Temporary::Kind::kFile);
    Temporary* folder = new Temporary(scratch.path(), Temporary::Kind::kFolder);
    make(folder->path() / "inside", "text");
    ::_exit(file->error() + folder->error());  // as if killed: no destructors
  }
  siginfo_t ended{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
  REQUIRE(ended.si_status == 0);
  CHECK(scratch.entries() == 2);
  CHECK(owner_of(fs::directory_iterator(scratch.path())->path().filename().string()) == Owner::kDead);
  ::waitpid(child, nullptr, 0);
  make(scratch / ".variform-tmp-mine", "not a temporary's name");
  make(scratch / "data.csv", "1,2");
  const std::string own = temporary_name();  // another start: the number was used again
  const std::size_t start = own.find('-', own.find("tmp-") + 4) + 1, end = own.find('-', start);
  make(scratch / (own.substr(0, start) + "1" + own.substr(end)), "");
  std::string elsewhere = own;
  elsewhere.replace(end + 1, elsewhere.find('-', end + 1) - end - 1, "abc");
  make(scratch / elsewhere, "");
  CHECK(owner_of(elsewhere) == Owner::kElsewhere);
  CHECK(clean_temporaries(scratch.path()) == 3);
  CHECK(fs::exists(scratch / elsewhere));
  fs::last_write_time(scratch / elsewhere, fs::file_time_type::clock::now() - std::chrono::hours(25));
  CHECK(clean_temporaries(scratch.path()) == 1);
  CHECK(scratch.entries() == 2);
}

TEST_CASE("a link does not lead out of a folder that is given") {
  const Scratch scratch;
  fs::create_directories(scratch / "run/figures");
  fs::create_directories(scratch / "other");
  fs::create_directory_symlink("figures", scratch / "run/pictures");
  fs::create_directory_symlink("../other", scratch / "run/out");
  fs::create_symlink("../nowhere", scratch / "run/dangling");
  fs::create_directory_symlink("run", scratch / "named");  // the folder itself may be one
  CHECK_NOTHROW(require_inside(scratch / "run", scratch / "run/figures/new.png"));
  CHECK_NOTHROW(require_inside(scratch / "run", scratch / "run/pictures/new.png"));
  CHECK_NOTHROW(require_inside(scratch / "named", scratch / "named/figures"));
  CHECK(contains(complaint([&] { require_inside(scratch / "run", scratch / "run/out/new.png"); }),
                 "leads out of"));
  CHECK(
      contains(complaint([&] { require_inside(scratch / "run", scratch / "run/dangling"); }), "../nowhere"));
}

TEST_CASE("a lock is held by one") {
  const Scratch scratch;
  const int one = ::open((scratch / "lock").c_str(), O_RDWR | O_CREAT, 0600);
  const int other = ::open((scratch / "lock").c_str(), O_RDWR, 0600);
  CHECK(lock(one, scratch / "lock") == Lock::kTaken);
  CHECK(lock(other, scratch / "lock") == Lock::kHeld);
  ::close(one);
  CHECK(lock(other, scratch / "lock", true) == Lock::kTaken);
  ::close(other);
}
