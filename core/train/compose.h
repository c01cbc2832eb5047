#pragma once
// Data, model and preflight of a config: what precedes every training and is all of `check`.

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

/// What is done with a model before a step of it runs; returns findings, which become the preflight's.
using BeforeSteps = std::function<std::vector<std::string>(const model::Session&, const plugins::Registry&)>;

/// What does not compose is an error of the config (config::Error).
Composed compose(config::Experiment experiment, const plugins::Registry& registry,
                 const model::Places& places, const BeforeSteps& before = {});

}  // namespace variform::train
