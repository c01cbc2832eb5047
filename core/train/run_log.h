#pragma once
// A run's log.txt: the messages of its training, with time and step.

#include <atomic>
#include <cstdint>

#include "base/kept_log.h"
#include "model/run_folder.h"

namespace variform::train {

/// Writes every message from kInfo on, and those that `to` wants, to the folder's log.txt, and passes them on to `to`.
/// Both must outlive it.
class RunLog final : public base::KeptLog {
 public:
  RunLog(base::Log& to, model::RunFolder& folder) : KeptLog(to), folder_(folder) {}

  /// Sets the step of the lines from now on.
  void at_step(std::int64_t step) { step_ = step; }

  void write(base::Level level, std::string_view topic, const std::string& text) override;
  /// Writes to the file alone.
  void write_to_file(base::Level level, const std::string& text);

 private:
  model::RunFolder& folder_;
  std::atomic<std::int64_t> step_ = 0;
};

}  // namespace variform::train
