#pragma once
// Files of runs that others write meanwhile: what tells that one has changed, and pieces of it. Never follows a link.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace variform::serve {

/// What tells whether a file has changed. Nothing is there: all is 0.
struct Mark {
  std::uint64_t device = 0, file = 0, bytes = 0;
  std::int64_t seconds = 0, nanoseconds = 0;  ///< of the last change, since 1970
  bool is_regular = false, is_folder = false, is_link = false;

  bool is_there() const { return file != 0; }
  bool operator==(const Mark&) const = default;
};

/// Returns the mark of a name, not of what a link leads to.
Mark mark_of(const std::filesystem::path& path);

/// Returns up to `most` bytes of a regular file from byte `from` on; nothing if it cannot be read, or is a link.
std::optional<std::string> piece_of(const std::filesystem::path& path, std::uint64_t from,
                                    std::uint64_t most);

/// Returns a whole file of the folder `folder`, in which `below` is a folder; neither may be a link. Nothing if that
/// cannot be read or has more than `most` bytes.
std::optional<std::string> file_below(const std::filesystem::path& folder, const std::string& below,
                                      const std::string& name, std::uint64_t most);

/// Whether a process of this machine holds that lock (base/lock.h), by what the system tells of the process that the
/// file names: taking the lock to find out would keep a training from beginning at that moment. Nothing: it names a
/// process of another machine, or the system tells nothing of it.
std::optional<bool> is_held(const std::filesystem::path& lock);

}  // namespace variform::serve
