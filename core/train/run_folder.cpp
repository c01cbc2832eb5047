// See run_folder.h. Plain POSIX calls where the C++ streams would hide the reason of a failure.

#include "train/run_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

namespace variform::train {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error) {
  throw std::runtime_error("cannot " + what + " " + path.string() + ": " + std::strerror(error) +
                           (error == ENOSPC ? "; free some space or choose another folder with --runs" : ""));
}

void write_all(int file, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      ::close(file);
      fail("write", path, error);
    }
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void append(const fs::path& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) fail("open", path, errno);
  write_all(file, text, path);
  ::close(file);
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("create the folder", path, error.value());
}

// A name beside a run's folder for what must not be seen as a run: hidden, and with the process that it belongs to.
fs::path beside(const fs::path& folder, const char* what) {
  return folder.parent_path() /
         ("." + folder.filename().string() + "." + what + "-" + std::to_string(::getpid()));
}

// Removes what this process, or one that was killed, has left under such names.
void remove_left_over(const fs::path& folder) {
  const std::string prefix = "." + folder.filename().string() + ".";
  std::error_code ignored;
  std::vector<fs::path> left;
  for (const auto& entry :
       fs::directory_iterator(folder.has_parent_path() ? folder.parent_path() : ".", ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix + "new-") && !name.starts_with(prefix + "old-")) continue;
    const auto owner = static_cast<pid_t>(std::atol(name.c_str() + prefix.size() + 4));
    if (owner == ::getpid() || (owner > 0 && ::kill(owner, 0) != 0 && errno == ESRCH))
      left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove_all(path, ignored);
}

}  // namespace

void write_text_file(const fs::path& path, std::string_view text) {
  const fs::path temporary = path.string() + ".tmp-" + std::to_string(::getpid());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail("create", temporary, errno);
  write_all(file, text, temporary);
  if (::fsync(file) != 0 || ::close(file) != 0) fail("write", temporary, errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("rename to", path, errno);
}

RunFolder RunFolder::create(const fs::path& folder, const std::string& resolved_config,
                            IfPresent if_present) {
  if (fs::exists(folder)) {
    if (if_present == IfPresent::kRefuse)
      throw std::runtime_error(
          "the run folder " + folder.string() +
          " is there already. Go on with it (--resume), replace it (--overwrite), or change the "
          "config's name or seed.");
    RunFolder present(folder);
    present.lock();
    if (if_present == IfPresent::kResume) return present;
    // What makes a folder a run must be there: never remove something else.
    if (!fs::exists(present.config()))
      throw std::runtime_error(folder.string() +
                               " holds no config.resolved.toml, so it is no run of this program; it "
                               "is not replaced.");
    // Out of the way in one step: half a folder, left by a kill, would be neither a run nor free for one.
    const fs::path former = beside(folder, "old");
    if (::rename(folder.c_str(), former.c_str()) != 0) fail("rename", folder, errno);
  }
  if (folder.has_parent_path()) make_folder(folder.parent_path());
  remove_left_over(folder);
  const fs::path temporary = beside(folder, "new");
  make_folder(temporary / "checkpoints");
  make_folder(temporary / "figures");
  write_text_file(temporary / "config.resolved.toml", resolved_config);
  if (::rename(temporary.c_str(), folder.c_str()) != 0) fail("rename to", folder, errno);
  RunFolder created(folder);
  created.lock();
  return created;
}

RunFolder RunFolder::open(const fs::path& folder, bool writable) {
  if (!fs::is_directory(folder))
    throw std::runtime_error("there is no run folder " + folder.string() +
                             "; `variform runs list` shows what there is.");
  RunFolder run(folder);
  if (!fs::exists(run.config()))
    throw std::runtime_error(folder.string() +
                             " holds no config.resolved.toml, so it is no run of this program.");
  if (writable) run.lock();
  return run;
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

void RunFolder::lock() {
  const fs::path file = path_ / ".lock";
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) fail("lock", file, errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
    throw std::runtime_error("the run folder " + path_.string() +
                             " is in use by another process; wait for it, or stop it.");
  make_folder(path_ / "checkpoints");
  make_folder(path_ / "figures");
}

uint64_t RunFolder::append_metrics(const nlohmann::json& line) {
  append(path_ / "metrics.jsonl", line.dump() + "\n");
  return metrics_bytes();
}

void RunFolder::truncate_metrics(uint64_t bytes) {
  const fs::path file = path_ / "metrics.jsonl";
  if (metrics_bytes() < bytes)
    throw std::runtime_error(file.string() +
                             " is shorter than its checkpoint says; it was changed by hand. Restore it, "
                             "or start the run again with --overwrite.");
  if (fs::exists(file)) fs::resize_file(file, bytes);
}

uint64_t RunFolder::metrics_bytes() const {
  const fs::path file = path_ / "metrics.jsonl";
  return fs::exists(file) ? fs::file_size(file) : 0;
}

void RunFolder::sync_metrics() const {
  const fs::path path = path_ / "metrics.jsonl";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;  // nothing was appended yet
  const int failed = ::fsync(file) != 0 ? errno : 0;
  ::close(file);
  if (failed) fail("write", path, failed);
}

void RunFolder::append_timing(const nlohmann::json& line) {
  append(path_ / "timing.jsonl", line.dump() + "\n");
}
void RunFolder::append_log(std::string_view line) { append(path_ / "log.txt", std::string(line) + "\n"); }
void RunFolder::write_environment(const nlohmann::json& environment) {
  write_text_file(path_ / "environment.json", environment.dump(2) + "\n");
}
void RunFolder::mark_done(const nlohmann::json& summary) {
  clear_marks();
  write_text_file(path_ / "DONE", summary.dump(2) + "\n");
}
void RunFolder::mark_failed(std::string_view reason) {
  clear_marks();
  write_text_file(path_ / "FAILED", std::string(reason) + "\n");
}
void RunFolder::clear_marks() {
  fs::remove(path_ / "DONE");
  fs::remove(path_ / "FAILED");
}
void RunFolder::write_config(const std::string& text) { write_text_file(config(), text); }

}  // namespace variform::train
