// What the second-order expansion needs of a model.

#include "metrics/values/expansion.h"

#include <ATen/ATen.h>

#include "catch.h"

namespace variform::metrics {
namespace {

// The density of a triangle, which leans to one side, or does not.
class Triangle final : public Posterior {
 public:
  explicit Triangle(double peak) : peak_(peak) {}
  Tensor location() const override { return at::zeros({2, 1}, at::kDouble); }
  Draw rsample(int64_t, Generator&) const override { throw Unsupported("this posterior has no draws"); }
  Tensor log_prob(const Draw& draw) const override {
    const Tensor z = draw.z.squeeze(-1);
    return at::where(z < peak_, (1 + z) / (1 + peak_), (1 - z) / (1 - peak_)).log();
  }

 private:
  double peak_;
};

TEST_CASE("draws are mirrored only where that makes draws") {
  const at::Tensor z = at::tensor({0.1, -0.3, 0.5, 0.8}, at::kDouble).reshape({2, 2, 1});
  CHECK(is_symmetric(Triangle(0), z));
  CHECK_FALSE(is_symmetric(Triangle(0.2), z));
}

}  // namespace
}  // namespace variform::metrics
