#pragma once
// Chooses a training's best step. Evaluations are comparable only while the loss is one and the same function: neither
// before β has reached its end, nor with an opponent's loss in them.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/experiment.h"

namespace variform::model {
struct Preflight;
class Assembly;
}  // namespace variform::model

namespace variform::train {

struct Judging {
  std::string part = "loss";           ///< the least value of it is the best
  std::int64_t from = 0;               ///< evaluations after fewer steps do not count
  std::vector<std::string> waits_for;  ///< the parameters that change until then
  std::vector<std::string> without;    ///< adversaries' parts, which are taken out of "loss"
  bool never_before_end = false;       ///< a parameter changes until the last step

  /// The value that is compared; the part must exist.
  double value_of(const std::map<std::string, double>& evaluation) const;
  /// One sentence for the log, on evaluations of `split`.
  std::string sentence(const std::string& split) const;
};

/// Returns how a training of `horizon` steps is judged: by early_stopping.part if that is given, else by train.best.
/// Throws variform::Error with a near match where the objective has no such part.
Judging judging_of(const config::TrainSpec& spec, const model::Assembly& assembly,
                   const model::Preflight& preflight);

}  // namespace variform::train
