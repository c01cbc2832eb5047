// See run_folder.h.

#include "model/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "base/contents.h"
#include "base/descriptor.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/retry.h"
#include "base/sealed_lines.h"

namespace variform::model {
namespace fs = std::filesystem;
namespace {

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) base::fail_on_file("create the folder", path, error.value());
}

// Returns JSON as text. File names may hold bytes that are not UTF-8; JSON cannot.
std::string text_of(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

RunFolder RunFolder::create(const fs::path& folder, const std::string& resolved_config,
                            IfPresent if_present) {
  if (fs::exists(folder)) {
    RunFolder present(folder);
    if (if_present == IfPresent::kRefuse) {
      present.require_free();
      throw std::runtime_error(
          "the run folder " + folder.string() +
          " already exists. Resume it (--resume), replace it (--overwrite), or change the config's "
          "name or seed.");
    }
    present.lock();
    if (if_present == IfPresent::kResume) return present;
    // Never remove a folder that is not a run.
    if (!fs::exists(present.config()) && !fs::exists(present.last()))
      throw std::runtime_error(folder.string() +
                               " holds no config.resolved.toml, so it is not a run of this program; it is "
                               "not replaced.");
    return put_there(folder, resolved_config, &present);
  }
  if (folder.has_parent_path()) make_folder(folder.parent_path());
  return put_there(folder, resolved_config, nullptr);
}

// Makes the folder, locked, under another name and renames it in one step: at no moment is there half a folder, or
// none where a former one is replaced.
RunFolder RunFolder::put_there(const fs::path& folder, const std::string& resolved_config,
                               RunFolder* former) {
  const fs::path parent = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  base::clean_temporaries(parent);
  base::Temporary fresh(parent, base::Temporary::Kind::kFolder);
  if (fresh.error()) base::fail_on_file("create the folder", folder, fresh.error());
  base::write_text_file(fresh.path() / "config.resolved.toml", resolved_config);
  RunFolder created(fresh.path());
  created.lock();
  int problem = former ? base::exchange_names(fresh.path(), folder) : fresh.become(folder);
  if (former && problem != 0) {  // a file system that cannot exchange names
    const base::Temporary aside(parent, base::Temporary::Kind::kName);
    if (base::retried([&] { return ::rename(folder.c_str(), aside.path().c_str()); }) != 0)
      base::fail_on_file("rename", folder, errno);
    problem = fresh.become(folder);
  }
  if (problem == EEXIST || problem == ENOTEMPTY) {  // another process was faster
    RunFolder(folder).require_free();
    throw std::runtime_error("another process has just made the run folder " + folder.string() +
                             ". Resume it (--resume), or replace it (--overwrite).");
  }
  if (problem != 0) base::fail_on_file("create the folder", folder, problem);
  created.path_ = folder;
  return created;
}

RunFolder RunFolder::open(const fs::path& folder, bool writable) {
  if (!fs::is_directory(folder))
    throw std::runtime_error("there is no run folder " + folder.string() +
                             "; `variform runs list` shows what there is.");
  RunFolder run(folder);
  if (!fs::exists(run.config()) && !fs::exists(run.last()))
    throw std::runtime_error(folder.string() +
                             " holds no config.resolved.toml, so it is not a run of this program.");
  if (writable) run.lock();
  run.writes_ = writable;
  return run;
}

RunFolder RunFolder::of_another(const fs::path& folder) {
  RunFolder run(folder);
  run.writes_ = false;
  return run;
}

void RunFolder::fail_as_used(const base::Holder& holder) const {
  throw std::runtime_error("the run folder " + path_.string() + " is in use by " + holder.sentence() +
                           "; wait for it, or stop it.");
}

// Throws when another process works in the folder.
void RunFolder::require_free() const {
  base::Holder holder;
  if (!fs::is_directory(path_) || !fs::exists(path_ / ".lock")) return;
  if (!base::FileLock::try_to_take(path_ / ".lock", base::FileLock::After::kStays, holder))
    fail_as_used(holder);
}

void RunFolder::lock() {
  base::Holder holder;
  lock_ = base::FileLock::try_to_take(path_ / ".lock", base::FileLock::After::kStays, holder);
  if (!lock_) fail_as_used(holder);
  if (!lock_->is_real()) warning_ = base::no_locks(path_);
  for (const char* name : {"checkpoints", "figures"}) {
    base::require_inside(path_, path_ / name);
    make_folder(path_ / name);
  }
}

uint64_t RunFolder::append_metrics(const nlohmann::json& line) {
  if (!writes_) return 0;
  base::append_text(path_ / "metrics.jsonl", base::sealed_line(line));
  return metrics_bytes();
}

// Returns a sentence when the first `bytes` of metrics.jsonl have been changed; else nothing.
std::string RunFolder::metrics_problem(uint64_t bytes) const {
  const fs::path file = path_ / "metrics.jsonl";
  if (bytes == 0 && !base::is_there(file)) return {};
  try {
    const std::string text = base::contents_of(file, base::kMostOfLog);
    if (text.size() < bytes)
      return file.string() + " is shorter than its checkpoint says; it was changed by hand.";
    const base::SealedLines lines = base::sealed_lines_in(std::string_view(text).substr(0, bytes));
    if (lines.damaged.empty() && lines.is_cut)
      return file.string() + " is not what its checkpoint was written with; it was changed by hand.";
    return lines.sentence(file);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

void RunFolder::truncate_metrics(uint64_t bytes, bool accept_changed) {
  if (!writes_) return;
  const fs::path file = path_ / "metrics.jsonl";
  if (!accept_changed)
    if (const std::string problem = metrics_problem(bytes); !problem.empty())
      throw std::runtime_error(problem +
                               " The model does not depend on it: go on with --accept-changed-metrics, which "
                               "takes it as it is; or restore it; or start the run again: variform train " +
                               base::for_shell(config().string()) + " --overwrite --folder " +
                               base::for_shell(path_.string()));
  if (!base::is_there(file)) return;
  if (accept_changed) {  // to the end of a line
    const std::string text = base::contents_of(file, base::kMostOfLog).substr(0, bytes);
    bytes = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
  }
  if (const int problem = base::try_truncate(file, bytes)) base::fail_on_file("shorten", file, problem);
}

uint64_t RunFolder::metrics_bytes() const {
  if (!writes_) return 0;
  const fs::path file = path_ / "metrics.jsonl";
  return fs::exists(file) ? fs::file_size(file) : 0;
}

void RunFolder::sync_metrics() const {
  if (!writes_) return;
  const fs::path path = path_ / "metrics.jsonl";
  const base::Descriptor file(base::open_own(path.c_str(), O_RDONLY));
  if (!file.open()) return;  // nothing was appended yet
  if (base::retried([&] { return ::fsync(file.get()); }) != 0) base::fail_on_file("write", path, errno);
}

void RunFolder::append_timing(const nlohmann::json& line) {
  if (!writes_) return;

  base::append_text(path_ / "timing.jsonl", text_of(line, -1) + "\n");
}
void RunFolder::append_log(std::string_view line) {
  if (!writes_) return;

  base::append_text(path_ / "log.txt", base::shown_lines(line) + "\n");
}
void RunFolder::write_environment(const nlohmann::json& environment) {
  if (!writes_) return;

  base::write_text_file(path_ / "environment.json", text_of(environment, 2) + "\n");
}
void RunFolder::mark_done(const nlohmann::json& summary) {
  if (!writes_) return;
  clear_marks();
  base::write_text_file(path_ / "DONE", text_of(summary, 2) + "\n");
}
void RunFolder::mark_failed(std::string_view reason) {
  if (!writes_) return;
  clear_marks();
  base::write_text_file(path_ / "FAILED", base::shown_lines(reason) + "\n");
}
void RunFolder::mark_interrupted(std::string_view how) {
  if (!writes_) return;
  clear_marks();
  base::write_text_file(path_ / "INTERRUPTED", base::shown_lines(how) + "\n");
}
void RunFolder::clear_marks() {
  if (!writes_) return;

  for (const char* mark : {"DONE", "FAILED", "INTERRUPTED"}) fs::remove(path_ / mark);
}
void RunFolder::write_config(const std::string& text) {
  if (!writes_) return;
  base::write_text_file(config(), text);
}

}  // namespace variform::model
