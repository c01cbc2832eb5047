// The author's own test, linked with the plugin's sources.

#include <variform/covariance.h>
#include <variform/nn/network.h>
#include <variform/plugin.h>
#include <variform/testing.h>

#include <ATen/ATen.h>

namespace {

namespace t = variform::testing;

void test_decoder(t::Report& report, const std::string& id) {
  const auto decoder =
      t::make<variform::Decoder>(t::find_component(*variform_plugin(), variform::Kind::kDecoder, id));
  const variform::Build build = t::fake_build();
  auto rng = t::generator(1);
  const at::Tensor z = at::randn({5, build.latent}, rng, at::kDouble);
  const at::Tensor v = at::randn({3, 5, build.latent}, rng, at::kDouble);
  const variform::Pullback found = decoder->pullback_metric(z, v, {});
  const variform::Pushed plain = decoder->pushforward(z, v, {});
  report.close(id + ": g", found.g, plain.g, 1e-12);
  report.close(id + ": inner products", found.metric, variform::inner_products(plain.jv), 1e-12);
}

void test_penalty(t::Report& report) {
  const at::Tensor h = at::full({1, 2, 2}, 0.5, at::kDouble) + at::eye(2, at::kDouble),
                   beta = at::full({}, 0.5, at::kDouble);
  const at::Tensor q = at::tensor({2.0, 3.0}, at::kDouble);
  const auto structure = variform::Structure::full(2);
  report.close("a precision by its diagonal", variform::curvature_penalty(structure, h, beta, q),
               variform::curvature_penalty(structure, h, beta, q.diag()), 1e-12);
}

}  // namespace

int main() {
  t::Report report;
  for (const char* id : {"source-flat", "source-bent", "source-doubled"}) test_decoder(report, id);
  test_penalty(report);
  return report.exit_code();
}
