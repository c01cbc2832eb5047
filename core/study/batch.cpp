// See batch.h.

#include "study/batch.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace variform::study {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// "12" or "12:30:00", as numbers; nothing if it is not that.
std::optional<std::vector<std::int64_t>> numbers_in(std::string_view text) {
  std::vector<std::int64_t> numbers;
  while (true) {
    const std::string_view part = text.substr(0, text.find(':'));
    std::int64_t number = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), number);
    if (part.empty() || part.size() > 6 || read.ptr != part.data() + part.size() || number < 0) return {};
    numbers.push_back(number);
    if (part.size() == text.size()) return numbers;
    text.remove_prefix(part.size() + 1);
  }
}

}  // namespace

std::string batch_job() {
  struct System {
    const char *name, *job, *task;  // variables
  };
  for (const System& system :
       std::initializer_list<System>{{"slurm", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"},
                                     {"slurm", "SLURM_JOB_ID", ""},
                                     {"pbs", "PBS_JOBID", "PBS_ARRAY_INDEX"},
                                     {"lsf", "LSB_JOBID", "LSB_JOBINDEX"},
                                     {"hyperqueue", "HQ_JOB_ID", "HQ_TASK_ID"},
                                     {"kubernetes", "HOSTNAME", "JOB_COMPLETION_INDEX"}}) {
    const std::string job = variable(system.job), task = *system.task ? variable(system.task) : "";
    const bool is_kubernetes = std::string_view(system.name) == "kubernetes";
    if (job.empty() || (is_kubernetes && task.empty())) continue;
    return std::string(system.name) + " " + job + (task.empty() ? "" : "_" + task);
  }
  return {};
}

std::optional<std::chrono::seconds> batch_time(const std::string& text) {
  constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  const std::size_t dash = text.find('-');
  std::int64_t seconds = 0;
  std::vector<std::int64_t> units{kMinute, 1};
  if (dash != std::string::npos) {
    const auto days = numbers_in(std::string_view(text).substr(0, dash));
    if (!days || days->size() != 1) return {};
    seconds = kDay * days->front();
  }
  const auto parts = numbers_in(std::string_view(text).substr(dash == std::string::npos ? 0 : dash + 1));
  if (!parts || parts->size() > 3) return {};
  if (dash != std::string::npos || parts->size() == 3) units = {kHour, kMinute, 1};
  for (std::size_t i = 0; i < parts->size(); ++i) seconds += units[i] * (*parts)[i];
  return seconds > 0 ? std::optional(std::chrono::seconds(seconds)) : std::nullopt;
}

}  // namespace variform::study
