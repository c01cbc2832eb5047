#pragma once
// Which function of which component is being called: for the words of a program that ends, hangs, or is told to end in
// the midst of it. Model and the engine keep this record. Between the two alone: not installed, and no part of the SDK.

#include <variform/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace variform {
inline namespace v2 {

/// A call that has not returned yet. The texts live as long as the process.
struct CallInProgress {
  const char* kind = nullptr;      ///< "family"; nullptr: the call is of no one component, or there is none
  const char* label = nullptr;     ///< "student-t (org.example.student-t 1.0.0)"; nullptr as above
  const char* function = nullptr;  ///< "posterior"; nullptr: nothing is being called
  int64_t step = -1;               ///< of the training; −1: outside one
  uint64_t outermost = 0;          ///< number of the call that all others are in; 0: nothing is being called
};

/// The innermost call of the thread that trains or evaluates. May be called from signal handlers and other threads.
VARIFORM_API CallInProgress call_in_progress() noexcept;

/// Keeps a call in the record while it lives.
class VARIFORM_API Calling {
 public:
  /// The texts must live as long as the process, or until no other thread reads the record: Model's labels do.
  Calling(const char* kind, const char* label, const char* function, int64_t step) noexcept;
  ~Calling();
  Calling(const Calling&) = delete;
  Calling& operator=(const Calling&) = delete;

 private:
  CallInProgress before_;
};

/// Puts back how this thread computes and whether it records gradients, both as they were when it was made, and keeps a
/// sentence if they had changed: "family student-t (…), in posterior, at step 3, left …". It costs some nanoseconds.
class VARIFORM_API KeptModes {
 public:
  KeptModes() noexcept;
  ~KeptModes();
  KeptModes(const KeptModes&) = delete;
  KeptModes& operator=(const KeptModes&) = delete;

 private:
  bool gradients_;
  unsigned floating_point_;
};

/// The sentences since the last call, one for each function and thing.
VARIFORM_API std::vector<std::string> take_changed_modes();

}  // namespace v2
}  // namespace variform
