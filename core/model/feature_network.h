#pragma once
// A trained classifier in whose features images are compared. train/features.h trains it, metrics see it by
// measure/image_features.h.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

namespace variform::base {
class Sha256;
}

namespace variform::model {
struct Session;

/// Adds a tensor's type, shape and bytes to a digest; nothing if it is undefined.
void add_to(base::Sha256& sum, const at::Tensor& tensor);

/// A classifier that is an ordinary experiment. Its features of x are the location of its posterior.
class FeatureNetwork {
 public:
  /// Takes a trained session over. `description`: "classifier conv of mnist, test accuracy 0.99".
  FeatureNetwork(std::unique_ptr<Session> session, std::string description);
  FeatureNetwork(FeatureNetwork&&) noexcept;
  ~FeatureNetwork();

  /// "mnist-conv-1a2b3c4d": data set, config's name, and the first 8 digits of the SHA-256 over names, shapes and
  /// bytes of the weights.
  const std::string& name() const { return name_; }
  const std::string& description() const { return description_; }
  /// Its own data and model; the images are those of the data set, scaled as its config says.
  Session& session() const { return *session_; }
  /// Maps x [B, data…] to features [B, d], float64 on the CPU.
  at::Tensor features(const at::Tensor& x) const;

 private:
  std::unique_ptr<Session> session_;
  std::string name_, description_;
};

}  // namespace variform::model
