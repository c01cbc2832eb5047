// The author's own test, linked with the plugin's sources.

#include <variform/nn/network.h>
#include <variform/plugin.h>
#include <variform/testing.h>

#include <ATen/ATen.h>

namespace {

namespace t = variform::testing;
namespace nn = variform::nn;

void test_norm(t::Report& report) {
  const variform::Build build = t::fake_build();
  const auto linear = std::make_shared<nn::Linear>(build, 4, 3);
  const at::Tensor weight = linear->weight();
  nn::SpectralNorm normalised(build, linear);
  auto rng = t::generator(1);
  const at::Tensor x = at::randn({5, 4}, rng, at::kDouble);
  report.close("Wx/σ + b", normalised.forward(x), at::linear(x, weight / normalised.norm(), linear->bias()),
               1e-12);
  report.that(
      "σ is below the largest singular value",
      normalised.norm().item<double>() <= at::linalg_svdvals(weight.detach())[0].item<double>() + 1e-12);
  const nn::Block spectral{"relu", "spectral", 8}, plain{};
  report.that("its parameters",
              nn::make_linear(build, spectral, 4, 3)
                      ->named_parameters()
                      .contains("parametrizations.weight.original") &&
                  nn::make_linear(build, plain, 4, 3, false)->named_parameters().contains("weight"));
}

}  // namespace

int main() {
  t::Report report;
  test_norm(report);
  return report.exit_code();
}
