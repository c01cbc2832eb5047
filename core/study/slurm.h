#pragma once
// A study on Slurm: one script, which submits an array of workers and a job for the report after them, and is what
// these jobs run.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace variform::study {

struct SlurmJob {
  std::string study;                 ///< its name
  std::filesystem::path folder;      ///< for what the jobs print
  std::filesystem::path from;        ///< the folder in which the command is run
  std::vector<std::string> command;  ///< the program, "study", its file and options
  std::size_t workers = 1;
  std::string time;                  ///< as for batch_time(); empty: the partition's
  int cpus = 1;                      ///< of each worker
  std::string gpus;                  ///< of each worker, "1" or "a100:2"; may be empty
  std::vector<std::string> options;  ///< further options of sbatch
};

/// Returns the script. It is bash, run by hand (`bash FILE`) to submit.
std::string slurm_script(const SlurmJob& job);

/// Submits a script. Returns what sbatch says. Throws base::Error with the end of that where it fails.
std::string submit_to_slurm(const std::filesystem::path& script);

}  // namespace variform::study
