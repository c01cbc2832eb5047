// What machines are like: processors that are not all ours, and places that are no files.

#include <ATen/Parallel.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/whole_file.h"
#include "catch.h"
#include "data/support.h"
#include "measure/models.h"
#include "model/process.h"

namespace variform {
namespace {

namespace fs = std::filesystem;
using data::testing::TemporaryFolder;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_group(const fs::path& folder, const std::string& name, const std::string& text) {
  fs::create_directories(folder);
  std::ofstream(folder / name) << text;
}

// A device like /dev/null, in a folder of the test's own: the real one would be gone if this failed.
fs::path null_device(const TemporaryFolder& folder) {
  const fs::path path = folder / "null";
  if (::mknod(path.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) return {};
  return path;
}

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("M1: a control group's quota bounds the threads, its ancestors' too") {
  const TemporaryFolder folder;
  const fs::path root = folder.path();
  CHECK_FALSE(model::quota_of(root, "0::/job/step\n"));
  write_group(root / "job", "cpu.max", "max 100000\n");
  CHECK_FALSE(model::quota_of(root, "0::/job/step\n"));
  write_group(root / "job/step", "cpu.max", "350000 100000\n");
  CHECK(model::quota_of(root, "0::/job/step\n") == 4);
  write_group(root / "job", "cpu.max", "150000 100000\n");
  CHECK(model::quota_of(root, "0::/job/step\n") == 2);
  CHECK(model::quota_of(root, "0::/job\n") == 2);
  write_group(root / "cpu/old", "cpu.cfs_quota_us", "50000\n");
  write_group(root / "cpu/old", "cpu.cfs_period_us", "100000\n");
  CHECK(model::quota_of(root, "7:memory:/old\n4:cpu,cpuacct:/old\n") == 1);
  write_group(root / "cpu/old", "cpu.cfs_quota_us", "-1\n");
  CHECK_FALSE(model::quota_of(root, "4:cpu,cpuacct:/old\n"));
}

TEST_CASE("M1: no more threads than SLURM_CPUS_PER_TASK, than the processors that one is bound to") {
  ::setenv("SLURM_CPUS_PER_TASK", "1", 1);
  CHECK(model::usable_processors() == 1);
  ::unsetenv("SLURM_CPUS_PER_TASK");
  std::int64_t bound = 0;
  std::thread([&] {  // a thread of its own, so that this one stays where it is
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    REQUIRE(::sched_setaffinity(0, sizeof(one), &one) == 0);
    bound = model::usable_processors();
  })
      .join();
  CHECK(bound == 1);
}

TEST_CASE(
    "M1: threads are at most the processors that one may use, and OMP_NUM_THREADS; fewer than asked is said") {
  const char* outside = std::getenv("OMP_NUM_THREADS");
  const std::string before = outside ? outside : "";
  const int threads = at::get_num_threads();
  measure::test::KeptLog log;
  ::unsetenv("OMP_NUM_THREADS");
  ::setenv("SLURM_CPUS_PER_TASK", "1", 1);
  CHECK(model::threads_for(0) == 1);
  CHECK(model::threads_for(64) == 1);
  CHECK(model::set_threads(1, log) == 1);
  CHECK(log.said.empty());
  CHECK(model::set_threads(64, log) == 1);
  CHECK(log.said == "note: 64 threads were asked for, and 1 is used: this process may use 1 processor\n");
  ::unsetenv("SLURM_CPUS_PER_TASK");
  ::setenv("OMP_NUM_THREADS", "1", 1);
  CHECK(model::threads_for(0) == 1);
  CHECK(model::threads_for(64) == 1);
  ::unsetenv("OMP_NUM_THREADS");
  CHECK(model::threads_for(0) == model::usable_processors());
  CHECK(model::threads_for(1) == 1);
  if (outside) ::setenv("OMP_NUM_THREADS", before.c_str(), 1);
  at::set_num_threads(threads);
}

TEST_CASE(
    "M2: devices and FIFOs are written to, a user's links are followed, only regular files are replaced") {
  const TemporaryFolder folder;
  base::write_text_file(folder / "plain", "first");
  fs::create_symlink("plain", folder / "link");
  fs::create_symlink(folder / "link", folder / "link-of-link");
  base::write_text_file(base::followed(folder / "link-of-link"), "second");
  CHECK(text_of(folder / "plain") == "second");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(fs::is_symlink(folder / "link-of-link"));
  base::commit(bytes_of("third"), base::followed(folder / "link"));
  CHECK(text_of(folder / "plain") == "third");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK_THROWS_WITH(base::commit(bytes_of("fourth"), folder / "link"),
                    testing::ContainsSubstring("it is a link"));
  CHECK(text_of(folder / "plain") == "third");

  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  std::string received;
  std::thread reader([&] { received = text_of(folder / "fifo"); });
  base::write_text_file(folder / "fifo", "through");
  reader.join();
  CHECK(received == "through");
  CHECK(fs::is_fifo(folder / "fifo"));
  reader = std::thread([&] { received = text_of(folder / "fifo"); });
  const auto a = bytes_of("a"), b = bytes_of("b");
  base::commit(
      4, {{1, b}},
      [&] {
        return std::vector<base::Placed>{{0, a}};
      },
      folder / "fifo");
  reader.join();
  CHECK(received == std::string("ab\0\0", 4));
  CHECK(fs::is_fifo(folder / "fifo"));

  const fs::path null = null_device(folder);
  if (null.empty()) VARIFORM_SKIP("only root may make a device");
  base::write_text_file(null, "away");
  base::commit(bytes_of("away"), null);
  CHECK(fs::is_character_file(null));
}

TEST_CASE("M2: a write that fails leaves nothing behind, and modes follow the umask") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "taken");
  std::ofstream(folder / "taken/file") << "x";
  CHECK_THROWS_WITH(base::write_text_file(folder / "taken", "text"),
                    testing::ContainsSubstring("cannot write"));
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  const mode_t before = ::umask(0027);
  base::write_text_file(folder / "shared", "text");
  ::umask(before);
  CHECK(fs::status(folder / "shared").permissions() == fs::perms(0640));
}

}  // namespace
}  // namespace variform
