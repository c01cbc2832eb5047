#pragma once
// One run as the page shows it, kept up to date from the files in its folder.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/sealed_lines.h"
#include "model/past_runs.h"
#include "serve/run_files.h"

namespace variform::serve {

/// Whole lines of metrics.jsonl as JSON.
struct MetricsPiece {
  nlohmann::json lines = nlohmann::json::array();
  std::uint64_t from = 0, next = 0;  ///< bytes of the file
  std::uint64_t generation = 0;      ///< rises when what was there before no longer counts
};

class RunView {
 public:
  /// `id` stands for the run in requests.
  RunView(std::string id, std::filesystem::path folder);

  /// Reads what has changed since the last call. Returns whether anything that is shown has.
  bool look();
  /// Returns all of it but the config, as JSON.
  nlohmann::json shown() const;
  /// Returns the config as pairs of dotted keys and values.
  const nlohmann::json& config() const { return config_; }
  /// How often the config has been read.
  std::uint64_t config_version() const { return config_version_; }
  /// Returns lines from byte `from` on if `generation` is the present one, else from the beginning; some megabytes at
  /// most.
  MetricsPiece metrics(std::uint64_t generation, std::uint64_t from) const;
  /// Whether there is a figure of that name.
  bool has_figure(const std::string& name) const;

  const std::string& id() const { return id_; }
  const std::filesystem::path& folder() const { return run_.path; }

 private:
  bool look_at_config();
  bool look_at_metrics();
  bool has_same_end() const;
  void read_metrics();
  bool look_at_ending();
  bool look_at_figures();
  bool look_at_evaluations();
  bool is_running() const;
  double steps_per_second() const;

  std::string id_;
  model::PastRun run_;
  Mark config_mark_, metrics_mark_, figures_mark_, folder_mark_;
  std::vector<Mark> ending_marks_;
  nlohmann::json config_ = nlohmann::json::array(), evaluations_ = nlohmann::json::object();
  std::uint64_t config_version_ = 0;
  std::string dataset_, config_problem_, ending_problem_;
  std::int64_t steps_ = 0, epochs_ = 0;  // as the config asks for; 0: it does not
  base::SealedLines found_;              // what is wrong with metrics.jsonl; its lines are not kept
  std::uint64_t read_ = 0, generation_ = 1;
  std::size_t lines_ = 0;
  std::string end_;          // the last bytes that were read
  nlohmann::json training_;  // the last line of the training
  std::int64_t first_step_ = -1;
  double first_time_ = 0, epoch_ = 0;
  bool is_running_ = false;
  std::vector<std::pair<std::string, std::string>> figures_;  // name, and a text that changes with the file
};

}  // namespace variform::serve
