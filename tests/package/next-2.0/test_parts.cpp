// The author's own test, linked with the plugin's sources: the helpers of variform/testing.h.

#include <variform/nn/network.h>
#include <variform/plugin.h>
#include <variform/testing.h>

#include <cmath>

namespace {

namespace t = variform::testing;
using variform::Kind;
using variform::Tensor;

void test_family(t::Report& report) {
  const variform::ComponentInfo& info = t::find_component(*variform_plugin(), Kind::kFamily, "source-laplace");
  t::Sizes sizes;
  sizes.latent = 2;
  const auto family = t::make<variform::VariationalFamily>(info, {{"scale", t::num(0.5)}}, sizes);
  const auto q = family->posterior(at::zeros({1, 4}, at::kDouble), Tensor(), {});
  const Tensor density = q->log_prob({at::zeros({1, 1, 2}, at::kDouble), Tensor()});
  report.close("density at the location", density, at::zeros({1, 1}, at::kDouble), 1e-12);  // 2 log(1 / (2 · 0.5))
  auto rng = t::generator(7);
  report.close("variance", q->rsample(100000, rng).z.var(), at::full({}, 0.5, at::kDouble), 0.03);
  report.that("it has no limits", std::isinf(family->support().high));
}

void test_wrapper(t::Report& report) {
  const variform::PluginInfo& plugin = *variform_plugin();
  auto parameters = std::make_shared<t::FakeParameters>(t::find_component(plugin, Kind::kDecoder, "source-turned"),
                                                        t::Values{{"angle", t::num(0.0)}});
  parameters->components["of"] = [&](const variform::Build& build) {
    return t::find_component(plugin, Kind::kDecoder, "source-hand")
        .create(variform::BuildMaker::with(build, std::make_shared<t::FakeParameters>(t::find_component(plugin, Kind::kDecoder, "source-hand"))));
  };
  const variform::Build build = t::fake_build(parameters);
  const auto turned = std::static_pointer_cast<variform::Decoder>(
      t::find_component(plugin, Kind::kDecoder, "source-turned").create(build));
  const auto hand = t::make<variform::Decoder>(t::find_component(plugin, Kind::kDecoder, "source-hand"));
  auto rng = t::generator(3);
  const Tensor z = at::randn({4, 3}, rng, at::kDouble), v = at::randn({2, 4, 3}, rng, at::kDouble);
  report.close("turned by nothing", turned->decode(z, {}), hand->decode(z, {}), 1e-12);
  report.close("by forward mode", variform::pushforward_forward_mode(*hand, z, v, {}).jv, hand->pushforward(z, v, {}).jv, 1e-10);
  report.close("by double backward", variform::pushforward_double_backward(*hand, z, v, {}).jv, hand->pushforward(z, v, {}).jv, 1e-10);
}

void test_covariance(t::Report& report) {
  const Tensor h = at::eye(3, at::kDouble).unsqueeze(0) * 2, beta = at::full({}, 0.5, at::kDouble);
  const auto structure = variform::Structure::equal_blocks(3, 2);
  const auto best = variform::optimal_covariance(structure, h, beta);
  report.close("(I + H/β)⁻¹", best.dense(), at::eye(3, at::kDouble).unsqueeze(0) / 5, 1e-12);
  report.close("penalty", variform::curvature_penalty(structure, h, beta), at::full({1}, 0.75 * std::log(5.0), at::kDouble), 1e-12);
  report.close("trace", best.trace(h), at::full({1}, 1.2, at::kDouble), 1e-12);
  report.that("its name", structure.name() == "blocks [2, 1]" && variform::to_text({1, 2}) == "[1, 2]");
  const Tensor u = at::eye(3, at::kDouble).narrow(1, 0, 1).unsqueeze(0);
  const auto low = variform::Covariance::low_rank(u, at::full({1, 1}, 4.0, at::kDouble), at::full({1}, 1.0, at::kDouble));
  report.close("low rank", low.log_det(), at::full({1}, std::log(4.0), at::kDouble), 1e-12);
}

void test_schema(t::Report& report) {
  const variform::ComponentInfo& info = t::find_component(*variform_plugin(), Kind::kObjective, "source-sampled");
  const variform::Build build = t::fake_build(info, {{"draws", t::num(3)}});
  build.schedule("beta").fill_(0.25);
  report.close("a schedule moves", build.schedule("beta"), at::full({}, 0.25, at::kDouble), 0);
  report.that("numbers", build.integer("draws") == 3 && build.flag("closed") && build.final_value("beta") == 1);
  report.that("names", std::string(to_string(info.kind())) == "objective" && info.parameters().size() == 3);
  static_assert(variform::hash(1, "step", 2) != variform::hash(1, "step", 3));
  bool thrown = false;
  try {
    t::fake_build(info, {{"nothing", t::txt("x")}});
  } catch (const variform::Error&) {
    thrown = true;
  }
  report.that("an override that is not declared", thrown);
}

}  // namespace

int main() {
  t::Report report;
  test_family(report);
  test_wrapper(report);
  test_covariance(report);
  test_schema(report);
  return report.exit_code();
}
