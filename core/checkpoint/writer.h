#pragma once
// Checkpoints written beside the training: it waits for a copy in memory, not for the disk.

#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/snapshot.h"

namespace variform::checkpoint {

/// One write at a time, by a thread of its own. Not thread-safe itself.
class Writer {
 public:
  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  /// Waits for the write in progress; its failure is lost (call finish() to have it).
  ~Writer();

  /// Copies the snapshot's tensors and returns; then `before` is called, the file composed and put to each of `paths`
  /// (commit). Waits first for the write before it, and throws what that threw (Error, naming
  /// the file): at the latest one write after it happened.
  void write(const Snapshot& snapshot, std::vector<std::filesystem::path> paths,
             std::function<void()> before);
  /// Throws what the last write threw, when it has ended already; returns at once.
  void check();
  /// Waits for the write in progress; throws what it threw.
  void finish();

 private:
  Snapshot copy_;  // its memory is used again by the next copy
  std::future<void> pending_;
};

}  // namespace variform::checkpoint
