#pragma once
// Writes files so that nothing else is touched: whole or not at all, never through a link, never over anything but a
// regular file. Plain POSIX calls, where the C++ streams would hide the reason of a failure.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace variform::base {

// ------------------------------------------------------------------------------------------------------ places

/// Where a user's own `path` leads: the end of its chain of symbolic links, if its last part is one. Only for a place that
/// a user named (--out): everything below refuses links. What stands for a descriptor, such as /dev/stdout, stays.
std::filesystem::path followed(const std::filesystem::path& path);

/// What to say of a path that begins with a "~" which a shell has left as it is (--runs=~/x, "~/x" in a config): nobody
/// but a shell knows it. Empty for other paths.
std::string tilde_problem(std::string_view path);

/// True for a device, FIFO, socket or a name for a descriptor: bytes are written to it, and it is never replaced.
bool is_special(const std::filesystem::path& path);

/// Opens such a place for writing: its descriptor, or -1 and errno.
int open_special(const std::filesystem::path& path);

/// Throws std::runtime_error unless `path`, a folder or file below `folder`, still lies there after all links are
/// followed. A run's or study's folder may come from somebody else: its links must not lead what is written elsewhere.
void require_inside(const std::filesystem::path& folder, const std::filesystem::path& path);

/// Makes a folder below `folder` (or that one itself) and what is missing above it, after require_inside().
void make_folder_inside(const std::filesystem::path& folder, const std::filesystem::path& below);

// ------------------------------------------------------------------------------------------------- temporaries

/// A new file or folder in the folder of what it will become, removed by the destructor unless it became that. Its name is
/// hidden, cannot be guessed, and says whose it is, for clean_temporaries(). The only way to make temporaries. A process's
/// first one in a folder removes those that dead processes have left there.
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

  /// The errno of what could not be made; 0: it is there.
  int error() const { return error_; }
  const std::filesystem::path& path() const { return path_; }
  /// Of a file; -1 after become().
  int descriptor() const { return descriptor_; }
  /// Makes a file durable and gives it its name, in place of the regular file that is there; a folder takes a name that is
  /// free. Returns the errno of what could not be done, 0 if all was.
  int become(const std::filesystem::path& path);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1, error_ = 0;
  int live_ = -1;  ///< its place in live_temporaries.h
  bool is_mine_ = false;
};

/// Removes the temporaries in `folder` that belong to no living process: those of this machine whose process has ended,
/// those of other machines after a day without a change. Returns how many; what cannot be removed stays.
int clean_temporaries(const std::filesystem::path& folder);

/// The errno that speaks against replacing `path`: nothing but a regular file ever is. 0: there is one, or nothing.
int not_replaceable(const std::filesystem::path& path);

// ----------------------------------------------------------------------------------------------------- writing

/// Writes all bytes; interrupted calls are repeated. Returns errno, 0 if all are written.
int write_all(int descriptor, std::span<const std::byte> bytes);

/// Writes a whole file through a Temporary: `path` is there whole or not at all, durably. What is special is written to.
/// Returns the errno of what could not be done, 0 if all was; ELOOP: `path` is a link.
int try_write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

/// try_write_file() of a text. Throws std::runtime_error with the reason.
void write_text_file(const std::filesystem::path& path, std::string_view text);

/// Opens a file of a run's own folder, which may come from somebody else: no link is followed, nothing but a regular
/// file is opened, and nothing is waited for. `how` as for open(); `folder` is what a relative name is below. Returns
/// its descriptor, or -1 and errno (EEXIST: what is there is no regular file). Signal handlers may call it.
int open_own(const char* name, int how, int folder = -1);

/// Adds to the end of a file, made if need be, by open_own(). Throws std::runtime_error with the reason.
void append_text(const std::filesystem::path& path, std::string_view text);

/// Gives the regular file `from` the name `to`, in the same folder or elsewhere on that file system. Returns errno or 0.
int try_rename(const std::filesystem::path& from, const std::filesystem::path& to);

/// Has two files or folders of one file system take each other's name, in one step. Returns errno or 0; EINVAL: the file
/// system cannot.
int exchange_names(const std::filesystem::path& one, const std::filesystem::path& other);

/// Cuts a file to its first bytes, never through a link. Returns errno or 0.
int try_truncate(const std::filesystem::path& path, std::uint64_t bytes);

/// What is known of a file before the work that makes it.
struct PlannedFile {
  std::string option = "--out";  ///< that names another place
  std::uint64_t bytes = 0;       ///< it will have about as many; 0: few
  bool makes_folders = false;    ///< whoever writes it makes the folders that are missing
};
/// Tries before long work what try_write_file() will do after it: makes a file beside `path` and removes it, looks at
/// the free space and at the limit of file sizes. Throws std::runtime_error: "cannot write PATH: REASON; WHAT TO DO".
void require_writable(const std::filesystem::path& path, const PlannedFile& planned = {});

/// The system's reason for an errno, in the words of this file where the system's mislead.
std::string reason_of(int error);

/// Throws std::runtime_error: "cannot WHAT PATH: REASON", the reason being that of an errno, and what to do.
[[noreturn]] void fail_on_file(const std::string& what, const std::filesystem::path& path, int error);

// ------------------------------------------------------------------------------------------------------- locks

/// How an attempt to lock a file ended.
enum class Lock {
  kTaken,    ///< the lock is held until the descriptor is closed
  kHeld,     ///< by somebody else
  kUnknown,  ///< the file system has no locks: whoever goes on should say so
};
/// Locks the whole file against others (flock); waits for it if `waits`. Throws std::runtime_error for other failures.
Lock lock(int descriptor, const std::filesystem::path& path, bool waits = false);
/// What to say of Lock::kUnknown: "PATH: this file system has no locks …".
std::string no_locks(const std::filesystem::path& path);

}  // namespace variform::base
