// See temporary_name.h. A process is known by its number and its start time, since numbers are used again.

#include "base/temporary_name.h"

#include <signal.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fmt/format.h>

#include "base/file.h"
#include "base/short_hash.h"

namespace variform::base {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = ".variform-tmp-";
constexpr int kHex = 16;

std::string hex(std::uint64_t value) {
  std::array<char, kHex> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value, kHex).ptr};
}

bool read_number(std::string_view text, std::uint64_t& value, int base) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value, base);
  return read.ec == std::errc() && read.ptr == end;
}

// Whether a process is a zombie, and when it started, in ticks since the machine was started (0: unknown).
struct Maker {
  bool is_zombie = false;
  std::uint64_t start = 0;
};

Maker look_at(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');  // the program's name may hold anything
  if (name_end == std::string::npos || name_end + 2 >= text.size()) return {};
  Maker found;
  found.is_zombie = text[name_end + 2] == 'Z' || text[name_end + 2] == 'X';
  constexpr int kFieldsBetween = 20;  // from the name, field 2, to the time of its start, field 22
  std::size_t at = name_end;
  for (int field = 0; field < kFieldsBetween && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return found;
  const std::string_view rest = std::string_view(text).substr(at + 1);
  if (!read_number(rest.substr(0, rest.find(' ')), found.start, 10)) found.start = 0;
  return found;
}

// Identifies the machine and the PID namespace: containers have separate ones.
std::string machine() {
  utsname names{};
  ::uname(&names);
  std::error_code error;
  return hex(fnv1a(names.nodename + fs::read_symlink("/proc/self/ns/pid", error).string()));
}

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) == sizeof bits) return bits;
  std::ifstream("/dev/urandom", std::ios::binary).read(reinterpret_cast<char*>(&bits), sizeof bits);
  return bits;
}

bool is_alive(pid_t process, std::uint64_t start) {
  if (::kill(process, 0) != 0 && errno == ESRCH) return false;
  const Maker present = look_at(process);
  return !present.is_zombie && (present.start == 0 || start == 0 || present.start == start);
}

bool is_old(const fs::path& path) {
  std::error_code error;
  const auto changed = fs::last_write_time(path, error);
  return !error && fs::file_time_type::clock::now() - changed > std::chrono::hours(24);
}

}  // namespace

std::string process_mark() {
  const pid_t own = ::getpid();  // asked for each time: a child of fork() has its own
  return fmt::format("{}-{}-{}-{}", own, hex(look_at(own).start), machine(), hex(random_bits()));
}

std::string temporary_name() { return std::string(kPrefix) + process_mark(); }

Owner owner_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return Owner::kNobody;
  return owner_of_mark(name.substr(kPrefix.size()));
}

Owner owner_of_mark(std::string_view mark) {
  std::vector<std::string_view> parts;
  for (std::size_t end = 0; end != std::string_view::npos;
       mark.remove_prefix(end == mark.npos ? 0 : end + 1)) {
    end = mark.find('-');
    parts.push_back(mark.substr(0, end));
  }
  std::uint64_t process = 0, start = 0, random = 0;
  if (parts.size() != 4 || !read_number(parts[0], process, 10) || !read_number(parts[1], start, kHex) ||
      !read_number(parts[3], random, kHex) || process == 0 || process > INT_MAX)
    return Owner::kNobody;
  if (parts[2] != machine()) return Owner::kElsewhere;
  return is_alive(static_cast<pid_t>(process), start) ? Owner::kAlive : Owner::kDead;
}

int clean_temporaries(const fs::path& folder) {
  std::vector<fs::path> left;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const Owner owner = owner_of(entry->path().filename().string());
    if (owner == Owner::kDead || (owner == Owner::kElsewhere && is_old(entry->path())))
      left.push_back(entry->path());
  }
  int removed = 0;
  for (const fs::path& path : left) {
    fs::remove_all(path, error);  // does not follow links
    removed += !error;
  }
  return removed;
}

}  // namespace variform::base
