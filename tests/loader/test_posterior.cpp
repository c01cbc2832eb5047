// What a Model hands out and others keep.

#include "catch.h"
#include "support/fake_build.h"

#include <variform/calls.h>
#include <variform/encoder.h>
#include <variform/family.h>
#include <variform/host.h>

#include <ATen/ATen.h>

#include <memory>
#include <string>

namespace posterior_test {
namespace {

using variform::Kind;
using variform::Tensor;

std::string told;  // which call was in progress when the last posterior ended

class FixedPosterior final : public variform::Posterior {
 public:
  ~FixedPosterior() override {
    const variform::CallInProgress call = variform::call_in_progress();
    told = std::string(call.kind) + " " + call.label + ", in " + call.function + ", at step " +
           std::to_string(call.step);
  }
  Tensor location() const override { return at::zeros({2, 3}); }
  variform::Draw rsample(int64_t, variform::Generator&) const override { return {}; }
  Tensor log_prob(const variform::Draw&) const override { return {}; }
};

class FixedFamily final : public variform::VariationalFamily {
 public:
  int64_t parameter_count(int64_t d) const override { return d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor&, const Tensor&,
                                                 const variform::Context&) override {
    return std::make_unique<FixedPosterior>();
  }
};

class FixedEncoder final : public variform::Encoder {
 public:
  Tensor encode(const Tensor& x, const variform::Context&) override { return x.flatten(1).narrow(1, 0, 3); }
};

TEST_CASE("a posterior may outlive its model, and ends under its family's name") {
  auto model = std::make_unique<variform::HostModel>(variform::Shape{6}, 3, at::TensorOptions(at::kFloat),
                                                     variform::test::generator(1));
  model->set(Kind::kEncoder, std::make_shared<FixedEncoder>(), "fixed");
  model->set(Kind::kFamily, std::make_shared<FixedFamily>(), "fixed (org.example.fixed 1.0.0)");
  model->set_step(18);
  auto posterior = model->posterior(at::zeros({2, 6}), {});
  model->set_step(19);
  const std::string name =
      "family fixed (org.example.fixed 1.0.0), in the posterior's destructor, at step 18";
  SECTION("with it") {}
  SECTION("after it") { model.reset(); }
  posterior.reset();
  CHECK(told == name);
}

}  // namespace
}  // namespace posterior_test
