#pragma once
// Writes checkpoints during training, which waits for a copy in memory but not for the disk.

#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/snapshot.h"

namespace variform::checkpoint {

/// Does one write at a time, in a separate thread. Not thread-safe itself.
class Writer {
 public:
  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  /// Waits for the write in progress; its failure is lost (call finish() to get it).
  ~Writer();

  /// Copies the snapshot's tensors and returns; then calls `before`, composes the file and commits it to each of
  /// `paths`. Waits first for the previous write, and throws what that threw (Error, naming the file): at the latest
  /// one write after it happened.
  void write(const Snapshot& snapshot, std::vector<std::filesystem::path> paths,
             std::function<void()> before);
  /// Throws what the last write threw, if it has ended already; returns at once.
  void check();
  /// Waits for the write in progress; throws what it threw.
  void finish();

 private:
  Snapshot copy_;  // its memory is used again by the next copy
  std::future<void> pending_;
};

}  // namespace variform::checkpoint
