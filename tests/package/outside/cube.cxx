// The smallest prior that is not the project's own. (Its name keeps it from the project's own list of test sources.)

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

class Cube final : public variform::With<variform::Prior, variform::BoundedSupport> {
 public:
  explicit Cube(const variform::Build& build) : latent_(build.latent), options_(build.options) {}
  variform::Tensor log_prob(const variform::Tensor& z, const variform::Context&) override { return at::zeros_like(z).sum(-1); }
  variform::Tensor sample(int64_t n, variform::Generator& rng, const variform::Context&) override {
    return at::empty({n, latent_}, options_).uniform_(0, 1, rng);
  }
  variform::Support support() const override { return {0, 1}; }

 private:
  int64_t latent_;
  at::TensorOptions options_;
};

}  // namespace

VARIFORM_PLUGIN("org.example.outside", "0.1.0",
                variform::component<Cube>("cube", "Uniform on the unit cube.", "no paper"))
