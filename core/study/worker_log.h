#pragma once
// A worker's file in the study's folder: who began when, which cells it did, what failed, and why it ended. What its
// terminal or its job has shown may be gone, or be on another machine.

#include <atomic>
#include <filesystem>
#include <string>

#include "base/kept_log.h"

namespace variform::study {

/// Writes every message from kInfo on, with the time, to STUDY/workers/HOST-PROCESS.txt, and passes all on to `to`, which
/// must outlive it. Where the file cannot be written, `to` gets a warning, once, and the work goes on.
class WorkerLog final : public base::KeptLog {
 public:
  WorkerLog(base::Log& to, const std::filesystem::path& study);

  void write(base::Level level, std::string_view topic, const std::string& text) override;
  /// Writes to the file alone.
  void write_to_file(base::Level level, const std::string& text);

 private:
  std::filesystem::path file_;
  std::atomic<bool> fails_ = false;
};

}  // namespace variform::study
