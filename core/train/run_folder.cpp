// See run_folder.h.

#include "train/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "base/file.h"
#include "base/quote.h"
#include "config/text.h"

namespace variform::train {
namespace fs = std::filesystem;
namespace {

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) base::fail_on_file("create the folder", path, error.value());
}

// Names of files may hold bytes that are no UTF-8, which JSON cannot.
std::string text_of(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
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
    const base::Temporary former(folder.parent_path(), base::Temporary::Kind::kName);
    if (::rename(folder.c_str(), former.path().c_str()) != 0) base::fail_on_file("rename", folder, errno);
  }
  if (folder.has_parent_path()) make_folder(folder.parent_path());
  base::clean_temporaries(folder.has_parent_path() ? folder.parent_path() : ".");
  base::Temporary fresh(folder.parent_path(), base::Temporary::Kind::kFolder);
  if (fresh.error()) base::fail_on_file("create the folder", folder, fresh.error());
  make_folder(fresh.path() / "checkpoints");
  make_folder(fresh.path() / "figures");
  base::write_text_file(fresh.path() / "config.resolved.toml", resolved_config);
  if (const int problem = fresh.become(folder)) base::fail_on_file("create the folder", folder, problem);
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
    : path_(std::move(other.path_)),
      warning_(std::move(other.warning_)),
      lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

void RunFolder::lock() {
  const fs::path file = path_ / ".lock";
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (lock_ < 0) base::fail_on_file("lock", file, errno);
  const base::Lock lock = base::lock(lock_, file);
  if (lock == base::Lock::kHeld)
    throw std::runtime_error("the run folder " + path_.string() +
                             " is in use by another process; wait for it, or stop it.");
  if (lock == base::Lock::kUnknown) warning_ = base::no_locks(path_);
  for (const char* name : {"checkpoints", "figures"}) {
    base::require_inside(path_, path_ / name);
    make_folder(path_ / name);
  }
}

uint64_t RunFolder::append_metrics(const nlohmann::json& line) {
  base::append_text(path_ / "metrics.jsonl", text_of(line, -1) + "\n");
  return metrics_bytes();
}

void RunFolder::truncate_metrics(uint64_t bytes) {
  const fs::path file = path_ / "metrics.jsonl";
  if (metrics_bytes() < bytes)
    throw std::runtime_error(file.string() +
                             " is shorter than its checkpoint says; it was changed by hand. Restore it, "
                             "or start the run again: variform train " +
                             base::for_shell(config().string()) + " --overwrite --folder " +
                             base::for_shell(path_.string()));
  if (!fs::exists(file)) return;
  if (const int problem = base::try_truncate(file, bytes)) base::fail_on_file("shorten", file, problem);
}

uint64_t RunFolder::metrics_bytes() const {
  const fs::path file = path_ / "metrics.jsonl";
  return fs::exists(file) ? fs::file_size(file) : 0;
}

void RunFolder::sync_metrics() const {
  const fs::path path = path_ / "metrics.jsonl";
  const int file = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return;  // nothing was appended yet
  const int failed = ::fsync(file) != 0 ? errno : 0;
  ::close(file);
  if (failed) base::fail_on_file("write", path, failed);
}

void RunFolder::append_timing(const nlohmann::json& line) {
  base::append_text(path_ / "timing.jsonl", text_of(line, -1) + "\n");
}
void RunFolder::append_log(std::string_view line) {
  base::append_text(path_ / "log.txt", base::shown_lines(line) + "\n");
}
void RunFolder::write_environment(const nlohmann::json& environment) {
  base::write_text_file(path_ / "environment.json", text_of(environment, 2) + "\n");
}
void RunFolder::mark_done(const nlohmann::json& summary) {
  clear_marks();
  base::write_text_file(path_ / "DONE", text_of(summary, 2) + "\n");
}
void RunFolder::mark_failed(std::string_view reason) {
  clear_marks();
  base::write_text_file(path_ / "FAILED", base::shown_lines(reason) + "\n");
}
void RunFolder::clear_marks() {
  fs::remove(path_ / "DONE");
  fs::remove(path_ / "FAILED");
}
void RunFolder::write_config(const std::string& text) { base::write_text_file(config(), text); }

}  // namespace variform::train
