#pragma once
// Composes data, model and preflight of a config. It precedes every training and is all of `check`.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/session.h"
#include "train/judging.h"

namespace variform::train {

struct Composed {
  std::unique_ptr<model::Session> session;
  model::Preflight preflight;
  Judging judging;
};

/// Called with a model before its first step; returns findings, which are added to the preflight's.
using BeforeSteps = std::function<std::vector<std::string>(const model::Session&, const plugins::Registry&)>;

/// Throws config::Error when a config does not compose.
Composed compose(config::Experiment experiment, const plugins::Registry& registry,
                 const model::Places& places, const BeforeSteps& before = {});

}  // namespace variform::train
