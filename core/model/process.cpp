// See process.h.

#include "model/process.h"

#include <ATen/Parallel.h>

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"

namespace variform::model {
namespace {

namespace fs = std::filesystem;

// Reads "150000 100000" (quota and period in microseconds) as a number of processors; "max" is no quota.
std::optional<double> share_of(const fs::path& file, const fs::path& period_file = {}) {
  std::ifstream stream(file);
  std::string quota;
  double period = 0;
  if (!(stream >> quota) || quota == "max" || quota.starts_with('-')) return std::nullopt;
  if (period_file.empty()) stream >> period;
  else std::ifstream(period_file) >> period;
  const double time = std::atof(quota.c_str());
  return time > 0 && period > 0 ? std::optional(time / period) : std::nullopt;
}

std::int64_t number_in(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? std::atoll(text) : 0;
}

std::int64_t bound_to() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

std::optional<std::int64_t> quota_of(const fs::path& mounted, const std::string& membership) {
  std::optional<double> least;
  const auto consider = [&](const std::optional<double>& share) {
    if (share) least = std::min(least.value_or(*share), *share);
  };
  std::istringstream lines(membership);
  for (std::string line;
       std::getline(lines, line);) {  // "0::/user/job", or "4:cpu,cpuacct:/user/job" of version 1
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool is_first_version = ("," + controllers + ",").find(",cpu,") != std::string::npos;
    if (!controllers.empty() && !is_first_version) continue;
    const fs::path root = is_first_version ? mounted / "cpu" : mounted;
    fs::path group = fs::path(line.substr(second + 1)).relative_path();
    for (bool at_root = false; !at_root; group = group.parent_path()) {
      at_root = group.empty();
      const fs::path folder = root / group;
      consider(is_first_version ? share_of(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")
                                : share_of(folder / "cpu.max"));
    }
  }
  if (!least) return std::nullopt;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(*least)));
}

std::int64_t usable_processors() {
  std::int64_t usable = bound_to();
  std::ifstream membership("/proc/self/cgroup");
  const std::string text{std::istreambuf_iterator<char>(membership), {}};
  if (const auto quota = quota_of("/sys/fs/cgroup", text)) usable = std::min(usable, *quota);
  if (const std::int64_t slurm = number_in("SLURM_CPUS_PER_TASK"); slurm > 0)
    usable = std::min(usable, slurm);
  return std::max<std::int64_t>(usable, 1);
}

std::int64_t threads_for(std::int64_t wanted) {
  std::int64_t most = usable_processors();
  if (const std::int64_t limit = number_in("OMP_NUM_THREADS"); limit > 0) most = std::min(most, limit);
  return wanted > 0 ? std::min(wanted, most) : most;
}

std::int64_t set_threads(std::int64_t wanted, base::Log& log) {
  const std::int64_t threads = threads_for(wanted);
  const std::int64_t usable = usable_processors();
  if (wanted > threads)
    log.note(fmt::format(
        "{} threads were asked for, and {} {} used: {}", wanted, threads, threads == 1 ? "is" : "are",
        threads < usable
            ? "OMP_NUM_THREADS says so"
            : fmt::format("this process may use {} processor{}", usable, usable == 1 ? "" : "s")));
  at::set_num_threads(static_cast<int>(threads));
  return at::get_num_threads();
}

}  // namespace variform::model
