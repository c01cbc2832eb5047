#pragma once
// Catches what foreign code prints to stdout, which belongs to a command's result.

#include <string>

namespace variform::base {

/// Keeps in memory what the process writes to descriptor 1 while it lives, then gives the descriptor back. Without a
/// free descriptor, nothing is caught.
class CaughtOutput {
 public:
  CaughtOutput();
  ~CaughtOutput();
  CaughtOutput(const CaughtOutput&) = delete;
  CaughtOutput& operator=(const CaughtOutput&) = delete;

  bool any() const;
  /// The first bytes of it, at most `most`.
  std::string text(std::size_t most) const;

 private:
  int file_ = -1, stdout_ = -1;
};

}  // namespace variform::base
