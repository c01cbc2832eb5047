// What a Model hands out and others keep.

#include "catch.h"
#include "support/fake_build.h"

#include <variform/calls.h>
#include <variform/encoder.h>
#include <variform/ext/posterior.h>
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

// Takes its parameters for more than it asked for, or returns densities of another shape.
class WrongFamily final : public variform::VariationalFamily {
 public:
  explicit WrongFamily(bool slices) : slices_(slices) {}
  int64_t parameter_count(int64_t d) const override { return d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    if (slices_) params.narrow(1, 3, 3);
    return std::make_unique<SummedPosterior>();
  }

 private:
  class SummedPosterior final : public variform::IndependentPosterior {
   public:
    Tensor location() const override { return at::zeros({2, 3}); }
    variform::Draw rsample(int64_t K, variform::Generator&) const override {
      return {at::zeros({K, 2, 3}), {}};
    }
    Tensor log_marginals(const variform::Draw& draw) const override { return draw.z.sum(-1); }
  };
  bool slices_;
};

std::string error_of(bool slices) {
  variform::HostModel model(variform::Shape{6}, 3, at::TensorOptions(at::kFloat),
                            variform::test::generator(1));
  model.set(Kind::kEncoder, std::make_shared<FixedEncoder>(), "fixed");
  model.set(Kind::kFamily, std::make_shared<WrongFamily>(slices), "wrong");
  try {
    const auto posterior = model.posterior(at::zeros({2, 6}), {});
    posterior->log_prob(posterior->rsample(1, model.rng));
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("a family that takes more parameters than it asked for is told how many there are") {
  CHECK_THAT(error_of(true), variform::testing::ContainsSubstring("family wrong, in posterior") &&
                                 variform::testing::ContainsSubstring(
                                     "params are [2, 3], with as many columns as parameter_count(3)"));
}

TEST_CASE("densities of another shape are blamed on the function that returned them") {
  CHECK_THAT(
      error_of(false),
      variform::testing::ContainsSubstring(
          "log_marginals returned [1, 2] for z [1, 2, 3]; expected one number per latent of each draw"));
}

}  // namespace
}  // namespace posterior_test
