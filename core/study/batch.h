#pragma once
// What a batch system says of the job that this process belongs to, and times as batch systems write them.

#include <chrono>
#include <optional>
#include <string>

namespace variform::study {

/// Returns "slurm 4711_3", "pbs 12.server"; empty outside of the batch systems that are known.
std::string batch_job();

/// Reads a time as Slurm does: MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS, DAYS-HOURS, DAYS-HOURS:MINUTES,
/// DAYS-HOURS:MINUTES:SECONDS. Nothing if it is not one, or 0.
std::optional<std::chrono::seconds> batch_time(const std::string& text);

}  // namespace variform::study
