#pragma once
// Claims of processes, on whatever machines, on pieces of work that they share through a folder: no server and no
// locks, only files that are created exclusively, touched while their process lives, and removed. Safe on NFS.

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/lock.h"

namespace variform::base {

/// A claim as everybody can see it.
struct Claim {
  std::string key;
  int taken = 1;         ///< how many processes have had it one after the other, none of which gave it back
  Holder holder;         ///< without a process: not known
  std::string job;       ///< of a batch system; may be empty
  double seconds = 0;    ///< since it was taken
  double silent = 0;     ///< since the last sign of life
  bool is_dead = false;  ///< its process has ended without giving it back, or has been silent for too long
};

struct ClaimOptions {
  std::filesystem::path folder;  ///< made when it is needed, and removed when it is empty
  std::string job = {};          ///< what others see in Claim::job
  /// After this time without a sign of life others may take a claim over. Signs are given six times as often.
  std::chrono::milliseconds silence{60'000};
};

/// The claims of this process, which it gives back at the latest when this ends. May be used by several threads.
class Claims {
 public:
  explicit Claims(ClaimOptions options);
  ~Claims();
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  /// Takes `key`, a name for a file, if nobody has it, or takes it over from a dead process. Otherwise returns false,
  /// and `other` says who has it. Throws std::runtime_error when the folder cannot be written.
  bool try_to_take(const std::string& key, Claim& other);
  void give_back(const std::string& key);
  /// How many processes have had this claim of ours, this one included (Claim::taken); 0: it is not ours, or no longer:
  /// no sign of life reached the folder, and another process has taken it over.
  int taken(const std::string& key) const;

  /// Returns all claims in a folder.
  static std::vector<Claim> in(const std::filesystem::path& folder);
  /// Removes claims of dead processes, which nobody has taken over.
  static void remove_dead(const std::filesystem::path& folder);

 private:
  struct Own {
    std::filesystem::path file;
    std::string text;
    int taken = 0;
    bool is_lost = false;
  };

  bool create(Own& own) const;
  void beat();

  const ClaimOptions options_;
  mutable std::mutex mutex_;
  std::map<std::string, Own> own_;
  std::condition_variable ended_;
  bool ends_ = false;
  std::thread beating_;
};

}  // namespace variform::base
