#pragma once
// Objective: the scalar that is trained.

#include <variform/component.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace variform {
inline namespace v1 {

class Model;

/// One batch of data.
struct Batch {
  Tensor x;                  ///< [B, data…]
  Tensor labels;             ///< [B], integers; undefined when the data have none
  Tensor index;              ///< [B], row numbers in the data set; may be undefined
  int64_t dataset_size = 0;  ///< rows of the training set (β-TCVAE needs it)
};

/// An objective's value and the parts that are logged.
struct Terms {
  Tensor loss;  ///< [B] nats, or 0-dim if it does not split over data
  std::vector<std::pair<std::string, Tensor>>
      parts;  ///< [B] or 0-dim each; by convention "nll", "kl", "penalty" …
};

/// Combines the model's parts into the loss. May have trained parameters of its own (an adversary): one loss, one
/// backward; see Frozen.
/// A step may become a CUDA graph: no .item(), no boolean-mask indexing, no host decisions on data.
class VARIFORM_API Objective : public Component {
 public:
  ~Objective() override;
  /// The loss on a batch; under no_grad when evaluating. Draws from model.rng only.
  virtual Terms evaluate(Model& model, const Batch& batch) = 0;
  /// β as it is now (0-dim), for β_eff and for evaluation at the training β; empty when it has none.
  virtual std::optional<Tensor> beta() const { return {}; }
  /// β at the end of training; there when beta() is.
  virtual std::optional<double> final_beta() const { return {}; }
  /// True when it differentiates the decoder's pushforward: the engine then verifies that gradient by differences
  /// before the training (design: LibTorch is silently wrong for some fused layers).
  virtual bool uses_tangents() const { return false; }
};

}  // namespace v1
}  // namespace variform
