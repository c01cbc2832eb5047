#pragma once
// Provides the classifier in whose features images are compared. It is an ordinary experiment, trained when it is first
// needed, and kept; the checksum of its weights is part of its name.

#include <filesystem>
#include <functional>

#include "base/log.h"
#include "model/feature_network.h"

namespace variform::plugins {
class Registry;
}
namespace variform::model {
struct Places;
struct Session;
}  // namespace variform::model
namespace variform::train {
class Observer;
}

namespace variform::train {

/// The config of the network and the folder that caches it.
struct FeatureSource {
  std::filesystem::path config;  ///< an experiment; --quality gives it the evaluated model's data set
  std::filesystem::path cache;   ///< folder that keeps what was trained, made if it is missing
  const plugins::Registry& registry;
  const model::Places& places;
  base::Log& log;                          ///< told what is trained, and where it is kept
  Observer& observer;                      ///< told how the training goes
  std::function<bool()> interrupted = {};  ///< true: the training stops, and base::Interrupted is thrown
};

/// Returns the network for the data set of `session` from the cache. If it is missing or damaged, or plugins have
/// changed since, it is first trained in a run folder of the cache, whose name is a hash of config, seed and data;
/// other processes that need it wait. Throws Unsupported for data without labels, or not of the network's shape.
model::FeatureNetwork feature_network(const model::Session& session, const FeatureSource& source);

}  // namespace variform::train
