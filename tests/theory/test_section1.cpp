// §1 of the theory: the notation. J, H = JᵀH_ℓJ and G as the model computes them, beside their definitions.

#include "catch.h"
#include "models.h"

#include <torch/csrc/autograd/autograd.h>

namespace section1 {
namespace {

using variform::Curvature;
using variform::Kind;
using variform::PushforwardTier;
using variform::Tensor;
using variform::test::Assembly;
using variform::test::error;
using variform::test::jacobian;
using variform::test::normal;
using variform::test::num;
using variform::test::SmallDecoder;
using variform::test::uniform;
using variform::test::Values;

// P data values, d latents, a tanh decoder.
Assembly assemble(int64_t P, int64_t d, const std::string& likelihood, const Values& values = {}) {
  Assembly model(P, d);
  model.with(Kind::kLikelihood, likelihood, values).standard();
  return std::move(
      model.with(std::make_shared<SmallDecoder>(SmallDecoder::Shape::kTanh, d, 6, P, PushforwardTier::kLayers,
                                                static_cast<std::uint64_t>(P + 10 * d))));
}

}  // namespace

TEST_CASE(
    "§1: H = JᵀH_ℓJ, J the decoder's Jacobian and H_ℓ the likelihood's second derivative, over shapes") {
  for (const std::string likelihood : {"gaussian", "bernoulli", "poisson", "student-t"})
    for (int64_t P : {1, 3, 8})
      for (int64_t d : {1, 2, 5}) {
        CAPTURE(likelihood, P, d);
        const int64_t B = 4;
        Assembly model = assemble(P, d, likelihood);
        const Tensor x = uniform({B, P}, 1).round(), z = normal({B, d}, 2), j = jacobian(*model, z);
        // H_ℓ is diagonal here: differentiate ℓ twice in g.
        const Tensor g = model->decode(z, {}).detach().requires_grad_(true);
        const Tensor slope = torch::autograd::grad({model->nll(x, g, {}).sum()}, {g}, {}, true, true)[0];
        const Tensor weight =
            torch::autograd::grad({slope.sum()}, {g}, {}, {}, false, /*allow_unused=*/true)[0].flatten(1);
        const Tensor expected = j.transpose(1, 2).bmm(weight.unsqueeze(2) * j);
        const variform::Linearization local = model->latent_hessian(x, z, model->unit_tangents(B), {});
        CHECK(error(local.hessian, expected) < 1e-10);
        CHECK(error(local.output, g) < 1e-13);
        CHECK(error(local.hessian, local.hessian.transpose(1, 2)) < 1e-14);
        // Some tangents instead of all latents: vᵀHv.
        const Tensor v = normal({2, B, d}, 3), rows = v.transpose(0, 1);
        CHECK(error(model->latent_hessian(x, z, v, {}).hessian, rows.bmm(expected).bmm(rows.transpose(1, 2)),
                    expected.abs().max()) < 1e-10);
      }
}

TEST_CASE("§1: G = JᵀJ is H for a Gaussian of unit variance, and σ²H for any other") {
  for (double variance : {0.01, 1.0, 40.0}) {
    Assembly model = assemble(5, 3, "gaussian", {{"variance", num(variance)}});
    const Tensor z = normal({4, 3}, 2), j = jacobian(*model, z);
    const Tensor h = model->latent_hessian(normal({4, 5}, 1), z, model->unit_tangents(4), {}).hessian;
    CHECK(error(variance * h, j.transpose(1, 2).bmm(j)) < 1e-12);
  }
}

TEST_CASE("§1: ℓ is a sum over the data's dimensions, and each row's own") {
  for (const std::string likelihood : {"gaussian", "bernoulli", "poisson", "laplace"}) {
    CAPTURE(likelihood);
    Assembly all = assemble(6, 2, likelihood), part = assemble(2, 2, likelihood);
    const Tensor x = uniform({3, 6}, 1).round(), g = normal({3, 1, 6}, 2);
    Tensor sum = at::zeros({3}, at::kDouble);
    for (int64_t first : {0, 2, 4})
      sum = sum + part->nll(x.narrow(1, first, 2).contiguous(), g.narrow(2, first, 2).contiguous(), {});
    CHECK(error(all->nll(x, g, {}), sum) < 1e-13);
    CHECK(error(all->nll(x.narrow(0, 1, 1), g.narrow(0, 1, 1), {}), all->nll(x, g, {}).narrow(0, 1, 1)) <
          1e-14);
  }
}

}  // namespace section1
