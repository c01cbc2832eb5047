#pragma once
// Works on untrusted bytes in a separate process with limits on memory and time: whatever a library does with them
// (crash, loop for ever, take all memory), the program goes on with an error. The process may read files and nothing
// else: it opens none for writing, starts no program, has no network (where the kernel has seccomp).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace variform::base {

/// The limits of the process.
struct Allowance {
  std::uint64_t memory = std::uint64_t{400} << 20;  ///< bytes beyond what the program has already
  std::chrono::seconds time{10};                    ///< of CPU time
  bool heeds_signals = true;                        ///< stop waiting when a signal arrives (interrupt.h)
};

/// Memory that was filled in the process and handed over without a copy. Shared: copies are views of the same bytes.
struct Room {
  std::shared_ptr<std::byte> bytes;  ///< null: there is none
  std::size_t size = 0;
};

/// Returns zeroed memory of this process alone in the same form. Throws std::bad_alloc.
Room own_room(std::size_t size);

/// Used in the process to hand over more than a text, and to ask for more once it is known what will be needed.
class Outbox {
 public:
  explicit Outbox(int file) : file_(file) {}
  /// Returns zeroed memory, of which the program gets what is written to it. May be called once. Throws std::bad_alloc.
  std::byte* make_room(std::size_t size);
  /// Adds to the allowance.
  static void extend(const Allowance& by);

 private:
  int file_;
};

struct Handed {
  std::string text;  ///< what the work returned
  Room room;         ///< what it made by make_room()
};

/// Thrown when the work threw; the message is the same.
class WorkFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Thrown when the work did not end by itself. The message is the end of a sentence: "crashed (signal 11, Segmentation
/// fault)", "took more than 10 s", "took more than 400 MB of memory".
class WorkKilled : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Does `work` in a copy of this process (fork) and waits; only what it hands over is seen here. It must not use
/// LibTorch or threads. Throws WorkFailed, WorkKilled, Interrupted (a signal came: see interrupt.h), and
/// std::system_error when no process can be created.
Handed do_apart(const std::function<std::string(Outbox&)>& work, const Allowance& allowance = {});

}  // namespace variform::base
