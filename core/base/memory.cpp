// See memory.h. Everything is read from /proc and /sys each time; what does not exist is no limit.

#include "base/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

#include <fmt/format.h>

namespace variform::base {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kUnbounded = std::numeric_limits<std::uint64_t>::max();

std::uint64_t less(std::uint64_t limit, std::uint64_t used) { return limit > used ? limit - used : 0; }

std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::uint64_t value = 0;
  if (std::ifstream(file) >> value) return value;
  return std::nullopt;
}

/// Returns a field of a file with lines "name value" or "name: value kB".
std::optional<std::uint64_t> field_in(const fs::path& file, const std::string& name) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream words(line.substr(name.size()));
    std::uint64_t value = 0;
    if (words >> value) return line.ends_with("kB") ? value * 1024 : value;
  }
  return std::nullopt;
}

/// Returns what one control group leaves: its limit minus its use, of which the cache of files can be given back.
std::uint64_t left_in_group(const fs::path& folder, const char* limit, const char* used, const char* cache) {
  const auto most = number_in(folder / limit), now = number_in(folder / used);
  if (!most || !now) return kUnbounded;
  const std::uint64_t files = field_in(folder / "memory.stat", cache).value_or(0);
  return less(*most, less(*now, files));
}

/// Returns the least of what this process's control groups leave, from its own up to the root.
std::uint64_t left_in_groups() {
  std::uint64_t left = kUnbounded;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool is_second = controllers.empty();
    if (!is_second && controllers.find("memory") == std::string::npos) continue;
    const fs::path root = is_second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    for (fs::path own = line.substr(second + 1);; own = own.parent_path()) {
      const fs::path folder = root / own.relative_path();
      left =
          std::min(left, is_second ? left_in_group(folder, "memory.max", "memory.current", "inactive_file ")
                                   : left_in_group(folder, "memory.limit_in_bytes", "memory.usage_in_bytes",
                                                   "total_inactive_file "));
      if (!own.has_relative_path()) break;
    }
  }
  return left;
}

std::uint64_t left_of_limit(decltype(RLIMIT_AS) which, std::uint64_t used) {
  rlimit limit{};
  if (::getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnbounded;
  return less(limit.rlim_cur, used);
}

}  // namespace

std::uint64_t free_memory() {
  const std::uint64_t available = field_in("/proc/meminfo", "MemAvailable:")
                                      .value_or(static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                                static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  const std::uint64_t addresses = field_in("/proc/self/status", "VmSize:").value_or(0);
  const std::uint64_t data = field_in("/proc/self/status", "VmData:").value_or(0);
  return std::min(
      {available, left_in_groups(), left_of_limit(RLIMIT_AS, addresses), left_of_limit(RLIMIT_DATA, data)});
}

std::string memory_text(std::uint64_t bytes) {
  const double exact = static_cast<double>(bytes);
  if (bytes >= 1'000'000'000) return fmt::format("{:.2f} GB", exact / 1e9);
  if (bytes >= 1'000'000) return fmt::format("{:.0f} MB", exact / 1e6);
  return fmt::format("{} bytes", bytes);
}

}  // namespace variform::base
