#pragma once
// Objective: the scalar that is trained. Unless a function says otherwise, the rules of variform/component.h hold;
// source: theory §2, §5, §6.

#include <variform/component.h>
#include <variform/covariance.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace variform {
inline namespace v2 {

class Model;

/// One batch of data, on the model's device.
struct Batch {
  Tensor x;                  ///< [B, data…] in the model's dtype
  Context context;           ///< what is known of its rows beside x
  int64_t dataset_size = 0;  ///< rows of the training set (β-TCVAE needs it)
};

/// An objective's value and the parts that are logged.
struct Terms {
  Tensor loss;  ///< [B] nats, or 0-dim if it does not split over rows
  std::vector<std::pair<std::string, Tensor>>
      parts;  ///< [B] or 0-dim each; by convention "nll", "kl", "penalty" …
};

/// Combines the model's parts into the loss. May have trained parameters of its own (an adversary): one loss, one
/// backward; see Frozen. Abilities: ext/objective.h.
class VARIFORM_API Objective : public Component {
 public:
  static constexpr Kind kKind = Kind::kObjective;  ///< what kind of component it is
  ~Objective() override;
  /// The loss on a batch of B ≥ 1 rows: loss and parts [B] or 0-dim, in any floating-point dtype. Once per step; in an
  /// evaluation once per batch and draw. Draws from model.rng only, and hands `batch.context` on. All of it is within a
  /// recorded step.
  virtual Terms evaluate(Model& model, const Batch& batch) = 0;

  /// β as it is now (0-dim), by the ability Weighted; empty without it.
  std::optional<Tensor> beta() const;
  /// β at the end of training; there when beta() is.
  std::optional<double> final_beta() const;
  /// True when it differentiates the decoder's pushforward (ability UsesTangents).
  bool uses_tangents() const;
  /// The covariance structure that it stands for (ability StandsFor); empty without it.
  std::optional<Structure> structure() const;
};

}  // namespace v2
}  // namespace variform
