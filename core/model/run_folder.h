#pragma once
// A run's folder on disk: its lock, and the files in it that are not checkpoints.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/lock.h"

namespace variform::model {

/// What to do when the folder exists.
enum class IfPresent { kRefuse, kResume, kOverwrite };

/// Owns runs/<name>-<hash>-<seed>/ while it lives: a lock file keeps a second process out (the system releases it
/// even after kill -9). The folder and its resolved config appear in one step, so that every folder that exists can be
/// resumed.
class RunFolder {
 public:
  /// Creates the folder, or takes over an existing one. Throws std::runtime_error when it is in use, exists and must
  /// not, or cannot be written.
  static RunFolder create(const std::filesystem::path& folder, const std::string& resolved_config, IfPresent);
  /// Takes over an existing run. `writable` = false: for reading only, no lock.
  static RunFolder open(const std::filesystem::path& folder, bool writable);

  /// The folder of a run that another process trains together with this one: all functions below that write do nothing.
  static RunFolder of_another(const std::filesystem::path& folder);

  RunFolder(RunFolder&&) noexcept = default;
  RunFolder& operator=(RunFolder&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.resolved.toml"; }
  std::filesystem::path last() const { return path_ / "checkpoints" / "last.h5"; }
  std::filesystem::path best() const { return path_ / "checkpoints" / "best.h5"; }
  std::filesystem::path figures() const { return path_ / "figures"; }
  /// False: another process writes it.
  bool writes() const { return writes_; }
  /// A warning about the folder's lock; empty: none.
  const std::string& warning() const { return warning_; }

  /// Appends one line to metrics.jsonl, with its check (base/sealed_lines.h); returns the file's size after it.
  std::uint64_t append_metrics(const nlohmann::json& line);
  /// Cuts metrics.jsonl to the first `bytes`, which belong to a checkpoint. Throws std::runtime_error naming a line and
  /// leaves the file alone when these have been changed. `accept_changed`: keeps them, up to the last whole line.
  void truncate_metrics(std::uint64_t bytes, bool accept_changed = false);
  std::uint64_t metrics_bytes() const;
  /// Makes what was appended durable.
  void sync_metrics() const;
  /// Clock values go here, never into metrics.jsonl, which resumes bit for bit.
  void append_timing(const nlohmann::json& line);
  void append_log(std::string_view line);
  void write_environment(const nlohmann::json& environment);
  /// Leaves DONE, FAILED or INTERRUPTED with a text, and removes the others.
  void mark_done(const nlohmann::json& summary);
  void mark_failed(std::string_view reason);
  void mark_interrupted(std::string_view how);
  void clear_marks();
  /// Replaces the resolved config (a resumed training with another horizon).
  void write_config(const std::string& text);

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  static RunFolder put_there(const std::filesystem::path& folder, const std::string& resolved_config,
                             RunFolder* former);
  void lock();
  void require_free() const;
  [[noreturn]] void fail_as_used(const base::Holder& holder) const;
  std::string metrics_problem(std::uint64_t bytes) const;
  std::filesystem::path path_;
  std::string warning_;
  bool writes_ = true;
  std::optional<base::FileLock> lock_;
};

}  // namespace variform::model
