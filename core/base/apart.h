#pragma once
// Work on bytes that others wrote, in a process of its own with bounds of memory and time: whatever a library makes of
// them (a crash, an endless loop, all of the memory), the program goes on with an error. The process may read files and
// nothing else: it opens none for writing, starts no program, has no network (where the kernel has seccomp).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace variform::base {

/// What the process may take.
struct Allowance {
  std::uint64_t memory = std::uint64_t{400} << 20;  ///< bytes, besides what the program has already
  std::chrono::seconds time{10};                    ///< of a processor
  bool heeds_signals = true;                        ///< waiting for it ends when a signal came (interrupt.h)
};

/// Memory that was filled in the process and handed over without a copy. Shared: copies are views of the same bytes.
struct Room {
  std::shared_ptr<std::byte> bytes;  ///< null: there is none
  std::size_t size = 0;
};

/// Memory of this process alone, zeros, in the same form. Throws std::bad_alloc.
Room own_room(std::size_t size);

/// In the process: the way to hand over more than a text, and to ask for more once it is known what will be needed.
class Outbox {
 public:
  explicit Outbox(int file) : file_(file) {}
  /// Zeros, of which the program gets what is written to them. Once. Throws std::bad_alloc.
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

/// The work threw; the message is its own.
class WorkFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The work did not end by itself. The message is the end of a sentence: "crashed (signal 11, Segmentation fault)",
/// "took more than 10 s", "took more than 400 MB of memory".
class WorkKilled : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Does `work` in a copy of this process (fork) and waits; of what it changes only what it hands over is seen here. It
/// must not use LibTorch or threads. Throws WorkFailed, WorkKilled, Interrupted (a signal came: see interrupt.h), and
/// std::system_error when there can be no process.
Handed do_apart(const std::function<std::string(Outbox&)>& work, const Allowance& allowance = {});

}  // namespace variform::base
