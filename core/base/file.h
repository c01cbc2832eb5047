#pragma once
// Writes files so that nothing else is touched: whole or not at all, never through a link, never over anything but a
// regular file. Uses plain POSIX calls, since the C++ streams would hide the reason of a failure.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace variform::base {

// ------------------------------------------------------------------------------------------------------ places

/// Returns where a user's own `path` leads: the end of its chain of symbolic links, if its last part is one. Only for a
/// place that a user named (--out): everything below refuses links. Names of descriptors, such as /dev/stdout, stay.
std::filesystem::path followed(const std::filesystem::path& path);

/// Returns a message about a path that begins with a "~" which no shell has expanded (--runs=~/x, "~/x" in a config).
/// Empty for other paths.
std::string tilde_problem(std::string_view path);

/// Whether `path` is a device, FIFO, socket or a name for a descriptor, which is written to and never replaced.
bool is_special(const std::filesystem::path& path);

/// Opens such a place for writing. Returns its descriptor, or -1 and errno.
int open_special(const std::filesystem::path& path);

/// Throws std::runtime_error unless `path`, a folder or file below `folder`, still lies there after all links are
/// followed. A run's or study's folder may come from somebody else: its links must not redirect what is written.
void require_inside(const std::filesystem::path& folder, const std::filesystem::path& path);

/// Creates a folder below `folder` (or that one itself) and its missing parents, after require_inside().
void make_folder_inside(const std::filesystem::path& folder, const std::filesystem::path& below);

// ------------------------------------------------------------------------------------------------- temporaries

/// A new file or folder beside what it will become, removed by the destructor unless it became that. Its name is
/// hidden, cannot be guessed, and says whose it is, for clean_temporaries(). The only way to make temporaries. A
/// process's first one in a folder removes those that dead processes have left there.
class Temporary {
 public:
  enum class Kind {
    kFile,           ///< a new, empty file, open for writing; its mode follows the umask
    kFolder,         ///< a new folder; its mode follows the umask
    kPrivateFolder,  ///< a new folder that only this user can enter: for other programs to write into
    kName,           ///< a name only, for a library that makes the file (and must refuse one that is there)
  };
  Temporary(const std::filesystem::path& folder, Kind kind);
  ~Temporary();
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  /// The errno if it could not be created, else 0.
  int error() const { return error_; }
  const std::filesystem::path& path() const { return path_; }
  /// The descriptor of a file; -1 after become().
  int descriptor() const { return descriptor_; }
  /// Makes a file durable and gives it its name, in place of the regular file that is there; a folder takes a name that
  /// is free. Returns the errno of what failed, else 0.
  int become(const std::filesystem::path& path);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1, error_ = 0;
  int live_ = -1;  ///< its place in live_temporaries.h
  bool is_mine_ = false;
};

/// Removes the temporaries in `folder` that belong to no living process: those of this machine whose process has ended,
/// those of other machines after a day without a change. Returns how many; those that it cannot remove stay.
int clean_temporaries(const std::filesystem::path& folder);

/// Returns the errno that forbids replacing `path`; 0 if it is a regular file or does not exist.
int not_replaceable(const std::filesystem::path& path);

// ----------------------------------------------------------------------------------------------------- writing

/// Writes all bytes and repeats interrupted calls. Returns errno, 0 if all are written.
int write_all(int descriptor, std::span<const std::byte> bytes);

/// Writes a whole file through a Temporary: `path` is there whole or not at all, durably. A special `path` is written
/// to. Returns the errno of what failed, else 0; ELOOP: `path` is a link.
int try_write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

/// Writes a text by try_write_file(). Throws std::runtime_error with the reason.
void write_text_file(const std::filesystem::path& path, std::string_view text);

/// Opens a file of a run's own folder, which may come from somebody else: follows no link, opens nothing but a regular
/// file, and never waits. `how` as for open(); a relative name is below `folder`. Returns its descriptor, or -1 and
/// errno (EEXIST: not a regular file). Signal handlers may call it.
int open_own(const char* name, int how, int folder = -1);

/// Appends to a file, which open_own() creates if it is missing. Throws std::runtime_error with the reason.
void append_text(const std::filesystem::path& path, std::string_view text);

/// Renames the regular file `from` to `to`, in the same folder or elsewhere on that file system. Returns errno or 0.
int try_rename(const std::filesystem::path& from, const std::filesystem::path& to);

/// Exchanges the names of two files or folders of one file system, in one step. Returns errno or 0; EINVAL: the file
/// system cannot.
int exchange_names(const std::filesystem::path& one, const std::filesystem::path& other);

/// Truncates a file to its first bytes, never through a link. Returns errno or 0.
int try_truncate(const std::filesystem::path& path, std::uint64_t bytes);

/// A file that long work will write.
struct PlannedFile {
  std::string option = "--out";  ///< the option that names another place
  std::uint64_t bytes = 0;       ///< its approximate size; 0: small
  bool makes_folders = false;    ///< its writer creates missing folders
};
/// Tries, before long work, what try_write_file() will do after it: makes a file beside `path` and removes it, looks at
/// the free space and at the limit of file sizes. Throws std::runtime_error: "cannot write PATH: REASON; WHAT TO DO".
void require_writable(const std::filesystem::path& path, const PlannedFile& planned = {});
/// Returns what require_writable() would throw; empty: nothing.
std::string why_not_writable(const std::filesystem::path& path, const PlannedFile& planned = {});

/// Returns the system's reason for an errno, in words of our own where the system's mislead.
std::string reason_of(int error);

/// Throws std::runtime_error: "cannot WHAT PATH: REASON", with the reason of an errno, and what to do: with `option`,
/// such as "--out FILE", that it names another place.
[[noreturn]] void fail_on_file(const std::string& what, const std::filesystem::path& path, int error,
                               const std::string& option = {});

// ------------------------------------------------------------------------------------------------------- locks

/// How an attempt to lock a file ended.
enum class Lock {
  kTaken,    ///< the lock is held until the descriptor is closed
  kHeld,     ///< somebody else holds it
  kUnknown,  ///< the file system has no locks: a caller that goes on should say so
};
/// Locks the whole file against others (flock); waits for it if `waits`. Throws std::runtime_error for other failures.
Lock lock(int descriptor, const std::filesystem::path& path, bool waits = false);
/// The message for Lock::kUnknown: "PATH: this file system has no locks …".
std::string no_locks(const std::filesystem::path& path);

}  // namespace variform::base
