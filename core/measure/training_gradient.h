#pragma once
// The gradient of a training's loss, for metrics: they know neither the trained parameters nor the training's batches.

#include <variform/objective.h>

#include <cstdint>
#include <vector>

namespace variform::model {
struct Session;
}

namespace variform::measure {

class TrainingGradient {
 public:
  /// The session must outlive it.
  explicit TrainingGradient(model::Session& session);
  /// See Measured::training_gradient.
  Tensor at(std::int64_t batch, std::int64_t draw);

 private:
  model::Session& session_;
  std::vector<Tensor> parameters_;
  std::vector<Tensor> buffers_, training_;  // live ones; their values in this training, once it has begun
  Batch batch_;
  std::int64_t number_ = -1;  // of batch_
};

}  // namespace variform::measure
