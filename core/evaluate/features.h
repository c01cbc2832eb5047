#pragma once
// The features in which images are compared: codes of a classifier that is an ordinary experiment. It is trained when it is
// first needed, and kept; the checksum of its weights is part of its name.

#include <variform/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace variform::plugins {
class Registry;
}
namespace variform::train {
class Observer;
struct Places;
struct Session;
}  // namespace variform::train

namespace variform::evaluate {

/// Where the network comes from.
struct FeatureSource {
  std::filesystem::path config;  ///< an experiment; --quality gives it the evaluated model's data set
  std::filesystem::path cache;   ///< folder that keeps what was trained, made if it is missing
  const plugins::Registry& registry;
  const train::Places& places;
  train::Observer& observer;               ///< told what is trained, how it goes, and where it is kept
  std::function<bool()> interrupted = {};  ///< true: the training stops, and Interrupted is thrown
};

/// A trained classifier. Its features of x are the location of its posterior.
class FeatureNetwork {
 public:
  /// The network for the data set of `session`: from the cache or, if it is not there, is damaged, or plugins have changed
  /// since, trained now in a run folder of the cache, whose name is a hash of config, seed and data. Other processes that
  /// need it wait for it. Throws Unsupported when there can be none: data without labels, or not of the network's shape.
  FeatureNetwork(const train::Session& session, const FeatureSource& source);
  ~FeatureNetwork();

  /// "mnist-conv-1a2b3c4d": data set, config's name, first 8 digits of the SHA-256 over names, shapes and bytes of the
  /// weights.
  const std::string& name() const { return name_; }
  /// "classifier conv of mnist, test accuracy 0.99".
  const std::string& description() const { return description_; }
  /// Its own data and model; the images are those of the data set, scaled as its config says.
  train::Session& session() const { return *session_; }
  /// x [B, data…] -> [B, d], float64 on the CPU.
  Tensor features(const Tensor& x) const;

 private:
  std::unique_ptr<train::Session> session_;
  std::string name_, description_;
};

}  // namespace variform::evaluate
