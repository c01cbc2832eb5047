#pragma once
// CUDA graphs. A build without CUDA's headers, or with LibTorch's CPU build, has none.

#include <variform/types.h>

#include <memory>

#include "train/repeated_step.h"

namespace variform::train {

/// Makes recorders that capture a CUDA graph, in which draws from `rng` go on from its seed at each replay; empty where
/// the device has no such thing.
RepeatedStep::MakeRecorder graph_recorder(const at::Device& device, const Generator& rng);

/// While it lives, this thread's work on the device goes to a stream other than the default one, on which CUDA captures
/// nothing. Nothing on other devices.
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
