#pragma once
// The state that plugins share with the program and must not change: LibTorch's settings, and the process's own.

#include <memory>
#include <string>
#include <vector>

#include "base/process_state.h"

namespace variform::plugins {

/// The name in a Change of the generator that LibTorch's functions use when they are given none.
inline constexpr const char* kGlobalGenerator = "LibTorch's global generator of random numbers";

/// The settings at one moment, in the computing thread.
class AmbientState {
 public:
  static AmbientState now();
  AmbientState(AmbientState&&) noexcept;
  AmbientState& operator=(AmbientState&&) noexcept;
  ~AmbientState();

  /// Restores what has changed and describes it, each change in words such as "the processor's rounding (was to
  /// nearest, became upward; restored)".
  std::vector<std::string> restore() const;
  /// The same, as separate parts.
  std::vector<base::Change> put_back() const;

 private:
  struct Kept;
  explicit AmbientState(std::unique_ptr<Kept> kept);
  std::unique_ptr<Kept> kept_;
};

/// A warning about `changes`, empty without any; `who` as in "plugin org.example.strange 1.0.0, while it was loaded".
std::string changed_text(const std::string& who, const std::vector<std::string>& changes);

}  // namespace variform::plugins
