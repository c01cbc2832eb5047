#pragma once
// The features in which images are compared: codes of a classifier that is an ordinary experiment. It is trained when it is
// first needed, and kept; the checksum of its weights is part of its name.

#include <filesystem>
#include <functional>

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

/// Where the network comes from.
struct FeatureSource {
  std::filesystem::path config;  ///< an experiment; --quality gives it the evaluated model's data set
  std::filesystem::path cache;   ///< folder that keeps what was trained, made if it is missing
  const plugins::Registry& registry;
  const model::Places& places;
  Observer& observer;                      ///< told what is trained, how it goes, and where it is kept
  std::function<bool()> interrupted = {};  ///< true: the training stops, and base::Interrupted is thrown
};

/// The network for the data set of `session`: from the cache or, if it is not there, is damaged, or plugins have changed
/// since, trained now in a run folder of the cache, whose name is a hash of config, seed and data. Other processes that
/// need it wait for it. Throws Unsupported when there can be none: data without labels, or not of the network's shape.
model::FeatureNetwork feature_network(const model::Session& session, const FeatureSource& source);

}  // namespace variform::train
