// A claim is a file FOLDER/KEY.N, where N counts the processes that have had it without giving it back. Who wants it
// creates KEY.1, or KEY.(N + 1) if the holder of KEY.N is dead, with O_EXCL; then lists the folder, and gives up again
// if another file of that key is there. Of two processes that do so, the one that lists last sees the other's file.
// Signs of life are the file's time of modification. It is compared with that of a new file beside it, so that all
// times are those of the file system's server: clocks of machines differ.

#include "base/claims.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/retry.h"
#include "base/temporary_name.h"

namespace variform::base {
namespace fs = std::filesystem;
namespace {

constexpr int kSignsPerSilence = 6;
constexpr std::size_t kMostOfClaim = 4096;

// A claim's file, and its text, by which it is recognised.
struct ClaimFile {
  fs::path file;
  std::string text;
  Claim claim;
};

double seconds_of(const timespec& time) {
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Returns the time on the file system's clock; on the machine's own where this user may not write.
double now_in(const fs::path& folder) {
  const Temporary probe(folder, Temporary::Kind::kFile);
  struct stat status {};
  if (!probe.error() && ::fstat(probe.descriptor(), &status) == 0) return seconds_of(status.st_mtim);
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return seconds_of(now);
}

// Identifies this machine since it was started; empty: not known. Names of machines are not unique, and whether a
// process of another one lives cannot be asked here.
std::string boot() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  return text;
}

// Splits "KEY.12"; nothing if the name is not a claim's.
std::optional<std::pair<std::string, int>> key_and_number(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  int taken = 0;
  if (dot == std::string::npos || dot == 0 || name.starts_with('.')) return {};
  const char* end = name.data() + name.size();
  if (const auto read = std::from_chars(name.data() + dot + 1, end, taken); read.ptr != end || taken < 1)
    return {};
  return std::pair(name.substr(0, dot), taken);
}

// Reads a claim's file again from its server: opening it drops what an NFS client remembers. Returns its descriptor
// and its text; without a descriptor it is gone.
std::pair<Descriptor, std::string> read_claim(const fs::path& file) {
  Descriptor open(open_own(file.c_str(), O_RDONLY));
  std::array<char, kMostOfClaim> text{};
  if (!open.open()) return {Descriptor(), std::string()};
  const ssize_t size = retried([&] { return ::pread(open.get(), text.data(), text.size(), 0); });
  return {std::move(open), std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)))};
}

// Fills in what the text of a claim says. A claim without a text is one that is just being made.
void read_text(const ClaimFile& found, Claim& claim, double now) {
  try {
    const JsonFile file(found.text, found.file.string());
    const JsonValue root = file.root();
    claim.holder =
        Holder::of(static_cast<pid_t>(root.at("process").integer(1, 1 << 30)), root.at("host").text());
    claim.job = root.at("job").text();
    claim.seconds = std::max(0.0, now - root.at("since").number());
    const bool is_here = !boot().empty() && root.at("boot").text() == boot();
    claim.is_dead = claim.silent > root.at("silence").number() ||
                    (is_here && owner_of_mark(root.at("mark").text()) == Owner::kDead);
  } catch (const JsonError&) {
    claim.is_dead = claim.silent > std::chrono::duration<double>(ClaimOptions{}.silence).count();
  }
}

std::vector<ClaimFile> claims_in(const fs::path& folder, const std::string* key = nullptr) {
  std::vector<ClaimFile> all;
  std::error_code error;
  std::optional<double> now;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const auto parts = key_and_number(entry->path().filename().string());
    if (!parts || (key && parts->first != *key)) continue;
    if (!now) now = now_in(folder);
    ClaimFile found{entry->path(), {}, {parts->first, parts->second, {}, {}, 0, 0, false}};
    auto [open, text] = read_claim(found.file);
    struct stat status {};
    if (!open.open() || ::fstat(open.get(), &status) != 0) continue;  // given back in the meantime
    found.text = std::move(text);
    found.claim.silent = std::max(0.0, *now - seconds_of(status.st_mtim));
    read_text(found, found.claim, *now);
    all.push_back(std::move(found));
  }
  return all;
}

// Removes a claim's file unless it has become another's.
void remove_claim(const fs::path& file, const std::string& text) {
  if (read_claim(file).second == text) ::unlink(file.c_str());
}

void require_claim_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail_on_file("create the folder", folder, error.value());
}

}  // namespace

Claims::Claims(ClaimOptions options) : options_(std::move(options)) {}

Claims::~Claims() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  ended_.notify_all();
  if (beating_.joinable()) beating_.join();
  for (const auto& [key, own] : own_) remove_claim(own.file, own.text);
  ::rmdir(options_.folder.c_str());  // fails while anything is in it
}

// Creates the file of a claim; false if another process was faster.
bool Claims::create(Own& own) const {
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  for (int tries = 0;; ++tries) {
    require_claim_folder(options_.folder);
    const Descriptor file(retried([&] { return ::open(own.file.c_str(), kNew, 0666); }));
    if (!file.open()) {
      if (errno == EEXIST) return false;
      if (errno == ENOENT && tries < 100) continue;  // another process has just removed the empty folder
      fail_on_file("create", own.file, errno);
    }
    struct stat status {};
    ::fstat(file.get(), &status);
    own.text = nlohmann::json{{"process", ::getpid()},
                              {"host", host_name()},
                              {"job", options_.job},
                              {"boot", boot()},
                              {"mark", process_mark()},
                              {"since", seconds_of(status.st_mtim)},
                              {"silence", std::chrono::duration<double>(options_.silence).count()}}
                   .dump();
    if (const int problem = write_all(file.get(), std::as_bytes(std::span(own.text)))) {
      ::unlink(own.file.c_str());
      fail_on_file("write", own.file, problem);
    }
    return true;
  }
}

bool Claims::try_to_take(const std::string& key, Claim& other) {
  const std::vector<ClaimFile> before = claims_in(options_.folder, &key);
  Own own;
  for (const ClaimFile& found : before) {
    own.taken = std::max(own.taken, found.claim.taken);
    if (found.claim.is_dead) continue;
    other = found.claim;
    return false;
  }
  own.file = options_.folder / fmt::format("{}.{}", key, ++own.taken);
  other = {};
  if (!create(own)) return false;
  for (ClaimFile& found : claims_in(options_.folder, &key)) {
    const bool is_known_dead =
        found.claim.is_dead && std::any_of(before.begin(), before.end(), [&](const ClaimFile& one) {
          return one.file == found.file && one.text == found.text;
        });
    if (found.file == own.file || is_known_dead) continue;
    ::unlink(own.file.c_str());
    other = std::move(found.claim);
    return false;
  }
  for (const ClaimFile& found : before) remove_claim(found.file, found.text);
  const std::lock_guard lock(mutex_);
  own_.insert_or_assign(key, std::move(own));
  if (!beating_.joinable()) beating_ = std::thread([this] { beat(); });
  return true;
}

void Claims::give_back(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto own = own_.find(key);
  if (own == own_.end()) return;
  remove_claim(own->second.file, own->second.text);
  own_.erase(own);
}

int Claims::taken(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto own = own_.find(key);
  return own == own_.end() || own->second.is_lost ? 0 : own->second.taken;
}

// Gives signs of life until this ends. An error that says nothing about the claim, such as a server that does not
// answer, is passed over.
void Claims::beat() {
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, options_.silence / kSignsPerSilence, [this] { return ends_; })) {
    const std::map<std::string, Own> present = own_;
    lock.unlock();  // a server may take its time
    std::vector<std::string> lost;
    for (const auto& [key, own] : present) {
      errno = 0;
      const auto [file, text] = read_claim(own.file);
      const bool is_gone = !file.open() && (errno == ENOENT || errno == ESTALE);
      if (is_gone || (file.open() && text != own.text)) lost.push_back(key);
      else if (file.open()) ::futimens(file.get(), nullptr);
    }
    lock.lock();
    for (const std::string& key : lost)
      if (const auto own = own_.find(key); own != own_.end() && own->second.text == present.at(key).text)
        own->second.is_lost = true;
  }
}

std::vector<Claim> Claims::in(const fs::path& folder) {
  std::vector<Claim> claims;
  for (ClaimFile& found : claims_in(folder)) claims.push_back(std::move(found.claim));
  std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) { return a.key < b.key; });
  return claims;
}

void Claims::remove_dead(const fs::path& folder) {
  for (const ClaimFile& found : claims_in(folder))
    if (found.claim.is_dead) remove_claim(found.file, found.text);
  ::rmdir(folder.c_str());  // fails while anything is in it
}

}  // namespace variform::base
