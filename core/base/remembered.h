#pragma once
// Small texts that are kept in the user's cache folder, so that what was found out once is not found out again. Where
// there is no such folder, or it cannot be written, nothing is kept, and nobody is told.

#include <filesystem>
#include <optional>
#include <string>

namespace variform::base {

/// Texts of one sort, by names that are good for files.
class Remembered {
 public:
  /// In <XDG_CACHE_HOME, or HOME/.cache>/variform/<sort>.
  explicit Remembered(const std::string& sort);

  /// What was kept under that name.
  std::optional<std::string> find(const std::string& name) const;
  /// Keeps a text, whole or not at all.
  void keep(const std::string& name, const std::string& text) const;

  /// Keeps other processes of this user out of the same sort while it lives, if they ask; waits for at most so many
  /// seconds, then goes on without.
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
