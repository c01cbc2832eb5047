#pragma once
// All runs in the folders that a user named, and what has changed of them since a reader last asked. Safe to use from
// several threads.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/run_view.h"

namespace variform::serve {

class Runs {
 public:
  /// The folders with the runs' folders in them.
  explicit Runs(const std::vector<std::filesystem::path>& folders);

  /// Returns as JSON what has changed since the answer with that version; all of it for a version that this object did
  /// not give.
  std::string changes(std::uint64_t since);
  /// Returns a piece of a run's metrics (RunView::metrics) as JSON; nothing if there is no such run.
  std::optional<std::string> metrics(const std::string& id, std::uint64_t generation, std::uint64_t from);
  /// Returns the bytes of a run's figure; nothing if there is no such run or figure.
  std::optional<std::string> figure(const std::string& id, const std::string& name);

 private:
  struct Entry {
    std::unique_ptr<RunView> view;
    std::uint64_t changed = 0, config_changed = 0;  // the versions since which it is as it is
    bool is_there = true;
  };
  void look();
  bool look_into(const std::filesystem::path& folder);
  bool look_at(const std::filesystem::path& run);
  const RunView* find(const std::string& id) const;

  std::mutex mutex_;
  std::vector<std::filesystem::path> folders_;
  std::map<std::filesystem::path, Entry> entries_;
  std::map<std::string, std::uint64_t> gone_;  // by id, with the version since which
  std::vector<std::string> links_, former_links_;
  std::uint64_t first_version_, version_, last_id_ = 0;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace variform::serve
