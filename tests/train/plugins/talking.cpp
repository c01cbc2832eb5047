// A standard normal prior that speaks: when it is made, and in its first density.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::LogLevel;
using variform::Tensor;

class Talking final : public variform::Prior {
 public:
  explicit Talking(const variform::Build& build) : latent_(build.latent), options_(build.options) {
    variform::log(LogLevel::kInfo, "I am here");
  }
  Tensor log_prob(const Tensor& z, const variform::Context&) override {
    if (!std::exchange(has_spoken_, true)) {
      variform::log(LogLevel::kWarning, "the first density");
      if (variform::wants_log(LogLevel::kDebug)) variform::log(LogLevel::kDebug, "a detail");
    }
    return (-0.5 * (z.square() + std::log(2 * std::numbers::pi))).sum(-1);
  }
  Tensor sample(int64_t n, variform::Generator& rng, const variform::Context&) override {
    return at::randn({n, latent_}, rng, options_);
  }

 private:
  int64_t latent_;
  at::TensorOptions options_;
  bool has_spoken_ = false;
};

}  // namespace

VARIFORM_PLUGIN("org.variform.test.talking", "1.0.0",
                variform::component<Talking>("talking", "Speaks.", "tests/train"))
