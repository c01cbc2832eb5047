// See run_folder.h.

#include "train/run_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "config/file.h"
#include "config/text.h"

namespace variform::train {
namespace fs = std::filesystem;
namespace {

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) config::fail_on_file("create the folder", path, error.value());
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
    if (::rename(folder.c_str(), former.c_str()) != 0) config::fail_on_file("rename", folder, errno);
  }
  if (folder.has_parent_path()) make_folder(folder.parent_path());
  remove_left_over(folder);
  const fs::path temporary = beside(folder, "new");
  make_folder(temporary / "checkpoints");
  make_folder(temporary / "figures");
  config::write_text_file(temporary / "config.resolved.toml", resolved_config);
  if (::rename(temporary.c_str(), folder.c_str()) != 0) config::fail_on_file("rename to", folder, errno);
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
  if (lock_ < 0) config::fail_on_file("lock", file, errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
    throw std::runtime_error("the run folder " + path_.string() +
                             " is in use by another process; wait for it, or stop it.");
  make_folder(path_ / "checkpoints");
  make_folder(path_ / "figures");
}

uint64_t RunFolder::append_metrics(const nlohmann::json& line) {
  config::append_text(path_ / "metrics.jsonl", line.dump() + "\n");
  return metrics_bytes();
}

void RunFolder::truncate_metrics(uint64_t bytes) {
  const fs::path file = path_ / "metrics.jsonl";
  if (metrics_bytes() < bytes)
    throw std::runtime_error(file.string() +
                             " is shorter than its checkpoint says; it was changed by hand. Restore it, "
                             "or start the run again: variform train " +
                             config::for_shell(config().string()) + " --overwrite --folder " +
                             config::for_shell(path_.string()));
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
  if (failed) config::fail_on_file("write", path, failed);
}

void RunFolder::append_timing(const nlohmann::json& line) {
  config::append_text(path_ / "timing.jsonl", line.dump() + "\n");
}
void RunFolder::append_log(std::string_view line) {
  config::append_text(path_ / "log.txt", std::string(line) + "\n");
}
void RunFolder::write_environment(const nlohmann::json& environment) {
  config::write_text_file(path_ / "environment.json", environment.dump(2) + "\n");
}
void RunFolder::mark_done(const nlohmann::json& summary) {
  clear_marks();
  config::write_text_file(path_ / "DONE", summary.dump(2) + "\n");
}
void RunFolder::mark_failed(std::string_view reason) {
  clear_marks();
  config::write_text_file(path_ / "FAILED", std::string(reason) + "\n");
}
void RunFolder::clear_marks() {
  fs::remove(path_ / "DONE");
  fs::remove(path_ / "FAILED");
}
void RunFolder::write_config(const std::string& text) { config::write_text_file(config(), text); }

}  // namespace variform::train
