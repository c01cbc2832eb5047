#pragma once
// Small, smooth, exactly known components for the other slots of a model around the one under test. They are not
// plugins and have no parameters: tests need something that is certainly right.

#include <variform/model.h>

#include <memory>
#include <vector>

namespace variform::conformance {

/// Returns a component of `kind` for a Build with sizes; the likelihood decodes `outputs` numbers per data value.
///   encoder     tanh(xA)B
///   decoder     tanh(zA + a)B + b, by elementary operations
///   family      diagonal Gaussian, everything in closed form
///   prior       standard normal
///   likelihood  Gaussian, unit variance
///   objective   nll + 0.7 KL, two draws
std::shared_ptr<Component> stand_in(Kind kind, const Build& build, int64_t outputs = 1);

/// The stand-in family: a diagonal Gaussian that keeps the generators from which its draws came.
class StandInFamily final : public VariationalFamily {
 public:
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<Posterior> posterior(const Tensor& params, const Tensor& x, const Context&) override;
  const std::vector<Generator>& generators() const { return *generators_; }

 private:
  std::shared_ptr<std::vector<Generator>> generators_ = std::make_shared<std::vector<Generator>>();
};

}  // namespace variform::conformance
