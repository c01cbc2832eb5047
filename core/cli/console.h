#pragma once
// Shows a running training: by a bar on a terminal, by a line every ten seconds elsewhere.

#include <chrono>
#include <map>
#include <string>

#include "cli/commands.h"
#include "train/trainer.h"

namespace variform::cli {

class Console final : public train::Observer {
 public:
  /// Lines go to `log`, the bar to the terminal if there is one and the log wants lines.
  Console(const Common& common, base::Log& log);
  ~Console() override;

  void stepped(int64_t step, int64_t horizon, const std::map<std::string, double>& values) override;
  void evaluated(int64_t step, const std::string& split, const std::map<std::string, double>& values,
                 bool best) override;

 private:
  base::Log& log_;
  const bool quiet_, terminal_;
  std::chrono::steady_clock::time_point started_, drawn_, printed_;
  int64_t first_step_ = -1;
  std::map<std::string, double> latest_;
};

/// Returns " 40% [########............] 400/1000, 52 UNIT/s, 12 s left". `seconds`: the time for `made` of `done`.
std::string bar_text(int64_t done, int64_t total, int64_t made, double seconds, const char* unit);

}  // namespace variform::cli
