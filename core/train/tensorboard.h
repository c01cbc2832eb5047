#pragma once
// Writes what a training logs as TensorBoard's event files while it runs: scalars, histograms of each latent's KL
// divergence, pictures at its end, and its config with the last evaluation for the table of hyperparameters. Records of
// the TFRecord format with Protocol Buffers inside, of which these few messages are written by hand: a dependency on
// their library would be larger than all of this.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/descriptor.h"
#include "base/log.h"
#include "config/node.h"
#include "train/trainer.h"

namespace variform::train {

/// One event file, which grows by whole events. Not thread-safe.
class EventFile {
 public:
  /// A value of a hyperparameter.
  using Value = std::variant<double, bool, std::string>;

  /// Makes a new file in `folder` (made if need be), whose name says time, machine and process. From `step` on: what
  /// earlier files of the folder have of later steps no longer counts. Throws std::runtime_error.
  EventFile(const std::filesystem::path& folder, std::int64_t step);

  /// Appends events; throws std::runtime_error when they cannot be written.
  void scalars(std::int64_t step, const std::string& group, const std::map<std::string, double>& values);
  /// How many of the values lie in each of 30 equal parts of their range. Values that are not finite are left out, and
  /// nothing is written when none is left.
  void histogram(std::int64_t step, const std::string& name, std::span<const double> values);
  /// A PNG file's bytes.
  void picture(std::int64_t step, const std::string& name, std::span<const std::byte> png);
  /// The hyperparameters, and the names of the scalars that the table shows beside them.
  void hyperparameters(const std::vector<std::pair<std::string, Value>>& values,
                       const std::vector<std::string>& metrics);
  /// The end of the run that hyperparameters() began.
  void ended(bool succeeded);

  const std::filesystem::path& path() const { return path_; }

 private:
  void event(std::int64_t step, const std::string& body);
  void record(std::string_view data);

  std::filesystem::path path_;
  base::Descriptor file_;
};

/// The CRC-32C of TFRecord's framing, masked as it asks.
std::uint32_t masked_crc32c(std::string_view data);

/// Passes a training on to another observer, and writes it to FOLDER/tensorboard. A file that cannot be written is
/// reported once, as a warning, and the training goes on.
class TensorBoard final : public Observer {
 public:
  /// KL divergences of single latents, [B, d] float64 on the CPU; throws Unsupported where they are not known.
  using Latents = std::function<Tensor()>;

  /// `latents` is called after every evaluation.
  TensorBoard(std::filesystem::path folder, const config::Node& resolved, Latents latents, base::Log& log,
              Observer& to);
  ~TensorBoard() override;

  /// Opens a file for what follows a step. Nothing is written before.
  void begin(std::int64_t step);

  void stepped(std::int64_t step, std::int64_t horizon, const std::map<std::string, double>& values) override;
  void evaluated(std::int64_t step, const std::string& split, const std::map<std::string, double>& values,
                 bool best) override;
  /// Adds the pictures in a folder, and the end.
  void finish(std::int64_t step, const std::filesystem::path& figures);

 private:
  template <class Write>
  void attempt(const Write& write);
  void show_latents(std::int64_t step);

  const std::filesystem::path folder_;
  Latents latents_;  // empty once they are not known
  base::Log& log_;
  Observer& to_;
  std::unique_ptr<EventFile> file_;  // null before begin(), and after an error
  std::vector<std::pair<std::string, EventFile::Value>> hyperparameters_;
};

}  // namespace variform::train
