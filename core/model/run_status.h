#pragma once
// Tells how a run ended, from the marks in its folder: DONE, FAILED or INTERRUPTED.

#include <filesystem>
#include <string>

namespace variform::model {

struct RunStatus {
  std::string word;    ///< "done", "failed", "interrupted", "unfinished"
  std::string ending;  ///< of a done one: "finished", "stopped early"
  std::string reason;  ///< why it failed or was interrupted, or what is not finite at its end; in one line
  std::string problem = {};  ///< a sentence when a mark cannot be read
};

RunStatus run_status(const std::filesystem::path& run);

}  // namespace variform::model
