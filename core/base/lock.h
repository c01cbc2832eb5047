#pragma once
// A lock on a file's name, between processes: held while its object lives, released by the system even after kill -9.

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace variform::base {

/// Who holds a lock, as far as it is known.
struct Holder {
  pid_t process = 0;    ///< 0: not known
  std::string host;     ///< on which machine
  std::string command;  ///< its command line, where that can be seen

  /// Returns a holder with its command line, if it is a process of this machine.
  static Holder of(pid_t process, std::string host);
  /// "process 4711 (variform train a.toml)", "process 12 on the machine node7", "another process"
  std::string sentence() const;
};

/// The name of this machine.
std::string host_name();

class FileLock {
 public:
  /// Whether the file stays when nobody holds it, or is removed with the lock.
  enum class After { kStays, kIsRemoved };

  /// Takes the lock at once, or not at all; then `holder` says who has it. Where the file system has no locks the
  /// result keeps nobody out (is_real()). Throws std::runtime_error when the file cannot be opened.
  static std::optional<FileLock> try_to_take(const std::filesystem::path& file, After after, Holder& holder);

  /// Takes the lock. Where another process holds it, calls waits_for(holder) once, then waits for its end.
  static FileLock take(const std::filesystem::path& file, After after,
                       const std::function<void(const Holder&)>& waits_for);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

  /// False where the file system has no locks, so that others are not kept out.
  bool is_real() const { return is_real_; }
  /// For a child that is to keep the lock after this process: it inherits the descriptor.
  int descriptor() const { return file_; }
  /// Whether the name still means the locked file: a folder above it may have been renamed.
  bool is_in_place() const;

 private:
  FileLock(int file, std::filesystem::path path, After after, bool is_real);
  void release();

  int file_ = -1;
  std::filesystem::path path_;
  After after_ = After::kStays;
  bool is_real_ = true;
};

}  // namespace variform::base
