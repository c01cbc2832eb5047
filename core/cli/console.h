#pragma once
// What a person sees of a running training on stderr: a progress bar on a terminal, plain lines elsewhere.

#include <chrono>
#include <map>
#include <string>

#include "model/run_folder.h"
#include "train/trainer.h"

namespace variform::cli {

class Console final : public train::Observer {
 public:
  /// Messages also go to the run's log.txt when there is a folder.
  Console(model::RunFolder* folder, bool quiet);
  ~Console() override;

  void message(const std::string& text) override;
  void stepped(int64_t step, int64_t horizon, const std::map<std::string, double>& values) override;
  void evaluated(int64_t step, const std::string& split, const std::map<std::string, double>& values,
                 bool best) override;

 private:
  void print(const std::string& line);
  void draw_bar(int64_t step, int64_t horizon);
  void clear_bar();

  model::RunFolder* folder_;
  bool quiet_, terminal_, bar_shown_ = false;
  std::chrono::steady_clock::time_point started_, drawn_, printed_;
  int64_t first_step_ = -1;
  std::map<std::string, double> latest_;
};

/// " 40% [########............] 400/1000, 52 UNIT/s, 12 s left"; `seconds`: what `made` of the `done` took.
std::string bar_text(int64_t done, int64_t total, int64_t made, double seconds, const char* unit);
/// Puts it on the terminal's line, cut to its width.
void show_bar(const std::string& text);
void clear_bar_line();
/// How wide tables on stdout may be: COLUMNS if it is a number, else the terminal's width; 0, no limit, where stdout is
/// no terminal.
std::size_t output_width();
/// A text whose lines are folded to that width.
std::string fitted(const std::string& text);

}  // namespace variform::cli
