#pragma once
// A cache of small texts in the user's cache folder. Where there is no such folder, or it cannot be written, nothing is
// kept, silently.

#include <filesystem>
#include <optional>
#include <string>

namespace variform::base {

/// Texts of one sort, by names that are valid names of files.
class Remembered {
 public:
  /// In <XDG_CACHE_HOME, or HOME/.cache>/variform/<sort>.
  explicit Remembered(const std::string& sort);

  /// Returns what was kept under that name.
  std::optional<std::string> find(const std::string& name) const;
  /// Keeps a text, whole or not at all.
  void keep(const std::string& name, const std::string& text) const;

  /// Excludes other processes of this user that take a turn at the same sort, while it lives. Waits for at most so many
  /// seconds, then goes on without it.
  class Turn {
   public:
    Turn(const Remembered& remembered, double seconds);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    int file_ = -1;
  };

 private:
  std::filesystem::path folder_;  // empty: there is none
};

}  // namespace variform::base
