// See compose.h.

#include "train/compose.h"

#include "base/frames.h"

namespace variform::train {

Composed compose(config::Experiment experiment, const plugins::Registry& registry,
                 const model::Places& places, const BeforeSteps& before) {
  try {
    Composed composed;
    composed.session = model::open_session(std::move(experiment), registry, places);
    const std::vector<std::string> found =
        before ? before(*composed.session, registry) : std::vector<std::string>{};
    composed.preflight = composed.session->preflight(registry);
    composed.preflight.findings.insert(composed.preflight.findings.end(), found.begin(), found.end());
    composed.judging =
        judging_of(composed.session->experiment.train, *composed.session->assembly, composed.preflight);
    return composed;
  } catch (const Error& error) {
    throw config::Error("this config does not compose: " + base::without_frames(error.what()));
  }
}

}  // namespace variform::train
