// See feature_network.h.

#include "model/feature_network.h"

#include <ATen/ATen.h>

#include "base/sha256.h"
#include "model/session.h"

namespace variform::model {
namespace {

std::string checksum_of_weights(const std::map<std::string, Tensor>& weights) {
  base::Sha256 sum;
  for (const auto& [name, tensor] : weights) {
    sum.update(name);
    add_to(sum, tensor);
  }
  return sum.hex();
}

}  // namespace

void add_to(base::Sha256& sum, const Tensor& tensor) {
  if (!tensor.defined()) return;
  const Tensor values = tensor.detach().to(at::kCPU).contiguous();
  sum.update(std::string(c10::toString(values.scalar_type())) + to_text(values.sizes()));
  sum.update({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
}

FeatureNetwork::FeatureNetwork(std::unique_ptr<Session> session, std::string description)
    : session_(std::move(session)), description_(std::move(description)) {
  name_ = session_->splits.name + "-" + session_->experiment.name + "-" +
          checksum_of_weights(session_->assembly->state()).substr(0, 8);
}

FeatureNetwork::FeatureNetwork(FeatureNetwork&&) noexcept = default;
FeatureNetwork::~FeatureNetwork() = default;

Tensor FeatureNetwork::features(const Tensor& x) const {
  Model& model = session_->assembly->model();
  return model.posterior(x.to(model.options), {})->location().to(at::kCPU, at::kDouble);
}

}  // namespace variform::model
