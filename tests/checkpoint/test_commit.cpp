// A full disk, a folder that cannot be written and kill -9: the file of that name is the former or the new
// one, whole.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "base/file.h"
#include "base/whole_file.h"
#include "helpers.h"

using namespace checkpoint_test;  // NOLINT: a test's own helpers
namespace base = variform::base;
namespace checkpoint = variform::checkpoint;

namespace {

using Bytes = std::vector<std::byte>;

Snapshot large(int seed) {
  Snapshot snapshot = sample(seed);
  snapshot.tensors["model/large"] = pattern({1 << 20}, at::kFloat, seed);  // 4 MB
  return snapshot;
}

int files_in(const fs::path& folder) {
  return static_cast<int>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// In a child: `bad` must be refused for `reason`, the former file must still be there and be the only one. 0:
// all well.
int must_keep_former(const fs::path& path, const std::function<void()>& bad, const Snapshot& former,
                     const std::string& reason) {
  const std::string message = message_of(bad);
  if (!contains(message, reason) || !contains(message, path.string())) return 1;
  if (!contains(message, "free there") || !contains(message, "the former file is untouched")) return 2;
  if (!same(checkpoint::read(path), former)) return 3;
  return files_in(path.parent_path()) == 1 ? 0 : 4;
}

// Runs in a child with a namespace of its own, so that the file system vanishes with it.
int on_a_full_disk(const fs::path& folder) {
  if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return kSkipped;
  ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=256k") != 0) return kSkipped;
  const fs::path path = folder / "last.h5";
  checkpoint::write(sample(1), path);
  return must_keep_former(
      path, [&] { checkpoint::write(large(2), path); }, sample(1), "No space left on device");
}

}  // namespace

TEST_CASE("a full disk is a clean error and keeps the former checkpoint", "[checkpoint][commit]") {
  const Folder folder;
  const int code = in_child([&] { return on_a_full_disk(folder.path()); });
  if (code == kSkipped) {
    WARN("skipped: no file system can be mounted here (neither root nor user namespaces)");
  } else {
    CHECK(code == 0);
  }
}

TEST_CASE("a file that may not grow is a clean error and keeps the former checkpoint",
          "[checkpoint][commit]") {
  const Folder folder;
  const fs::path path = folder / "last.h5";
  checkpoint::write(sample(1), path);
  const Bytes bad = checkpoint::compose_bytes(large(2));
  CHECK(in_child([&] {
          ::signal(SIGXFSZ, SIG_IGN);
          const rlimit limit = {100000, 100000};
          if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 10;
          return must_keep_former(
              path, [&] { base::commit(bad, path); }, sample(1),
              "writing stopped after 97.7 KiB: File too large");
        }) == 0);
}

TEST_CASE("a folder that cannot be written is named, with what to do", "[checkpoint][commit]") {
  const Folder folder;
  const Bytes bytes = checkpoint::compose_bytes(sample());
  const auto writing = [&](const fs::path& path) { return message_of([&] { base::commit(bytes, path); }); };
  std::ofstream(folder / "file") << "x";
  CHECK(contains(writing(folder / "file/last.h5"), "Not a directory"));
  CHECK(contains(writing(folder / "file/last.h5"), "part of the path is a file"));
  const std::string missing = writing(folder / "none/last.h5");
  CHECK(contains(missing, "No such file or directory"));
  CHECK(contains(missing, "create the folder \"" + (folder / "none").string() + "\" first"));
  fs::create_directory(folder / "taken");
  CHECK(contains(writing(folder / "taken"), "it is not replaced: Is a directory"));
  CHECK(files_in(folder.path()) == 2);
  CHECK(writing(folder / "last.h5").empty());
  CHECK(same(checkpoint::read(folder / "last.h5"), sample()));
}

TEST_CASE("a folder without write permission is a clean error and keeps the former checkpoint",
          "[checkpoint][commit]") {
  const Folder folder;
  const fs::path path = folder / "last.h5";
  checkpoint::write(sample(1), path);
  const Bytes bytes = checkpoint::compose_bytes(sample(2));
  fs::permissions(folder.path(), fs::perms(0555));
  CHECK(in_child([&] {
          if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setuid(65534) != 0)) return kSkipped;
          return must_keep_former(
              path, [&] { base::commit(bytes, path); }, sample(1), "Permission denied");
        }) == 0);
  fs::permissions(folder.path(), fs::perms(0755));
}

TEST_CASE("commit replaces, keeps the umask's permissions and leaves nothing else", "[checkpoint][commit]") {
  const Folder folder;
  const fs::path path = folder / "last.h5";
  checkpoint::write(large(1), path);
  checkpoint::write(sample(2), path);
  CHECK(same(checkpoint::read(path), sample(2)));
  CHECK(files_in(folder.path()) == 1);
  const mode_t mask = ::umask(022);
  checkpoint::write(sample(3), folder / "open.h5");
  ::umask(mask);
  CHECK((fs::status(folder / "open.h5").permissions() & fs::perms::mask) == fs::perms(0644));
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  checkpoint::write(sample(4), "relative.h5");
  CHECK(same(checkpoint::read("relative.h5"), sample(4)));
  fs::current_path(before);
}

TEST_CASE("a file whose last part cannot be had is not there, and the former one is",
          "[checkpoint][commit]") {
  const Folder folder;
  const fs::path path = folder / "last.h5";
  checkpoint::write(sample(1), path);
  const Bytes known(1 << 20);
  const std::vector<base::Placed> first{{512, known}};
  const auto fails = []() -> std::vector<base::Placed> { throw base::Error("no checksum"); };
  CHECK(message_of([&] { base::commit(512 + known.size(), first, fails, path); }) == "no checksum");
  CHECK(same(checkpoint::read(path), sample(1)));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("kill -9 at any moment leaves a whole checkpoint, and its litter is swept",
          "[checkpoint][commit]") {
  const Folder folder;
  const fs::path path = folder / "last.h5";
  const Snapshot a = large(1), b = large(2);
  std::mt19937 random(7);
  int littered = 0;
  for (int round = 0; round < 20; ++round) {
    checkpoint::write(a, path);
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;) {
        checkpoint::write(b, path);
        checkpoint::write(a, path);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    while (round % 2 == 1 && files_in(folder.path()) == 1) {  // every other kill is to fall into a write
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    const Snapshot found = checkpoint::read(path);
    CHECK((same(found, a) || same(found, b)));
    littered += variform::base::clean_temporaries(folder.path());
    CHECK(files_in(folder.path()) == 1);
  }
  CHECK(littered >= 5);  // else the kills did not fall into a write
}
