#pragma once
// Runs a program to its end and keeps what it says.

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace variform::base {

/// The output of a program and how it ended.
struct Said {
  int code = 0;       ///< exit status; 128 + n after signal n
  int signal = 0;     ///< that ended it; 0: none
  bool over = false;  ///< it was killed at the end of its time
  std::string out;    ///< stdout
};

struct ProgramOptions {
  std::filesystem::path folder = {};  ///< where it works; empty: in the folder of this process
  bool keeps_errors = false;          ///< stderr is in `out`, too; else it is discarded
};

/// Runs arguments[0], a path or a name that is looked for on the PATH, with the others and an empty stdin. Kills it after
/// `limit`, and when the caller's thread dies. Throws std::system_error when it cannot be started.
Said run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds limit,
                 const ProgramOptions& options = {});

/// The first executable of that name on the PATH; the name itself if it is a path or nowhere.
std::string on_path(const std::string& name);

/// The path of the running program.
std::string this_program();

}  // namespace variform::base
