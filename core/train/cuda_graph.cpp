// See cuda_graph.h.

#include "train/cuda_graph.h"

#if VARIFORM_CUDA_GRAPHS
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace variform::train {

#if VARIFORM_CUDA_GRAPHS

namespace {

// Registers a generator with a graph up to LibTorch 2.13. From 2.14 on a generator notices by itself that it is used in
// a capture.
template <typename Graph>
void register_generator(Graph& graph, const Generator& rng) {
  if constexpr (requires { graph.register_generator_state(rng); }) graph.register_generator_state(rng);
}

class CudaGraph final : public Recorder {
 public:
  explicit CudaGraph(const Generator& rng) { register_generator(graph_, rng); }

  void record(const std::function<void()>& work) override {
    graph_.capture_begin();
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();        // the stream cannot be used while it captures
      } catch (const c10::Error&) {  // only says that the capture is not valid, which is known
      }
      throw;
    }
    graph_.capture_end();
  }
  void replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

}  // namespace

RepeatedStep::MakeRecorder graph_recorder(const at::Device& device, const Generator& rng) {
  if (!device.is_cuda()) return {};
  return [rng] { return std::make_unique<CudaGraph>(rng); };
}

struct OwnStream::Guard {
  explicit Guard(const at::Device& device)
      : stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())), guard(stream) {}
  ~Guard() { stream.synchronize(); }  // later work may be on another stream
  c10::cuda::CUDAStream stream;
  c10::cuda::CUDAStreamGuard guard;
};

OwnStream::OwnStream(const at::Device& device) {
  if (!device.is_cuda()) return;
  c10::cuda::getCurrentCUDAStream(device.index()).synchronize();  // the work that built the model
  guard_ = std::make_unique<Guard>(device);
}

#else

RepeatedStep::MakeRecorder graph_recorder(const at::Device&, const Generator&) { return {}; }

struct OwnStream::Guard {};
OwnStream::OwnStream(const at::Device&) {}

#endif

OwnStream::~OwnStream() = default;

}  // namespace variform::train
