#pragma once
// Recording of CUDA graphs. Builds without CUDA's headers, or with LibTorch's CPU build, do not have it.

#include <variform/types.h>

#include <memory>

#include "train/repeated_step.h"

namespace variform::train {

/// Returns a maker of recorders that capture a CUDA graph, in which draws from `rng` continue from its seed at each
/// replay; empty where the device has no graphs.
RepeatedStep::MakeRecorder graph_recorder(const at::Device& device, const Generator& rng);

/// Sends this thread's work on the device to a stream of its own while it lives, since CUDA cannot capture the default
/// stream. Does nothing on other devices.
class OwnStream {
 public:
  explicit OwnStream(const at::Device& device);
  ~OwnStream();
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;

 private:
  struct Guard;
  std::unique_ptr<Guard> guard_;
};

}  // namespace variform::train
