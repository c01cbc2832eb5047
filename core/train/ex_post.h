#pragma once
// Ex-post density estimation (Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020): fits a prior of
// any kind to the latents of a trained model, and replaces the prior that it was trained with. Samples, KL, evidence
// and everything else then use the fitted one; encoder, family and decoder stay as they are.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/watch.h"
#include "config/experiment.h"
#include "plugins/registry.h"

namespace variform::model {
struct Session;
}

namespace variform::train {

/// The facts about a fit, which are stored with it.
struct ExPostFit {
  std::string name;           ///< "mixture": the component's type
  std::string id;             ///< "mixture-1a2b3c4d": name and a hash of the table, for the names of files
  std::string table;          ///< its parameters, defaults included, as in a config
  std::int64_t data = 0;      ///< training rows whose latents were used
  std::int64_t draws = 0;     ///< of q per row
  double latents_before = 0;  ///< −log p of held-out latents in nats, mean, under the prior of the training
  double latents_after = 0;   ///< the same under the fitted one
  std::string held_out;       ///< their split; empty: there is none, and no such values
  std::filesystem::path file;      ///< where it is kept
  bool was_kept = false;           ///< it was read from there instead of fitted
  std::vector<std::string> notes;  ///< sentences about what else happened

  /// One sentence: what was fitted to what, and −log p of held-out latents before and after.
  std::string sentence() const;
  /// For an evaluation's result: name, table, data, draws, and −log p before and after with the split's name.
  nlohmann::json json() const;
};

/// Fits `prior` to the latents of `own`'s training split and puts it into `session`: the same model, perhaps with other
/// data (`own` and `session` may be one). The fit is kept in `folder` as a file of the checkpoint format, under a name
/// that depends on the prior's table, the model's tensors and the data; it is read from there the next time.
///
/// The fit maximises E log p(z) over fresh draws z of q(z|x) (the codes themselves, if q is a point). A prior with
/// trained parameters is fitted in them, to latents shifted and scaled to mean 0 and deviation 1; one without is fitted
/// as a location-scale family, in a location and a scale per latent. Deterministic: a function of model, data,
/// table and seed.
///
/// Throws config::Error, with the prior's place, when the prior cannot be built, its support is bounded, or the model's
/// family has too few moments for it; std::runtime_error when there are no training data or the fit diverges;
/// Interrupted when `watch` stops it (part "prior", counted in steps), and then nothing is kept.
ExPostFit use_ex_post_prior(model::Session& session, model::Session& own, const config::GivenComponent& prior,
                            const plugins::Registry& registry, const std::filesystem::path& folder,
                            const base::Watch& watch = {});

}  // namespace variform::train
