// §8 against manifolds that are known: planes, a plane in polar coordinates, matrices by hand.

#include "measure/evaluated.h"

#include <variform/nn/network.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "metrics/geometry.h"
#include "metrics/report.h"
#include "model/rows.h"

namespace variform::metrics {
namespace {

using nlohmann::json;
namespace test = measure::test;
using test::Setup;

at::Tensor matrix(std::vector<double> values) { return at::tensor(values, at::kDouble).reshape({1, 3, 3}); }

at::Tensor kept(std::vector<int64_t> which) { return at::tensor(which, at::kLong).to(at::kBool); }

TEST_CASE("shares of a normalized matrix are scale-free, and dead latents have none") {
  // cos² = 0.25 between the first two: 2 · 0.25 of 3 + 2 · 0.25.
  const at::Tensor all =
      at::cat({matrix({4, 1, 0, 1, 1, 0, 0, 0, 9}), matrix({400, 1, 0, 1, 0.01, 0, 0, 0, 1e-6}),
               matrix({4, 1, 0, 1, 1, 0, 0, 0, 0}), matrix({0, 0, 0, 0, 0, 0, 0, 0, 0}),
               matrix({4, 0, 0, 0, 1, 0, 0, 0, 2})});
  const std::vector<double> expected{0.5 / 3.5, 0.5 / 3.5, 0.5 / 2.5, 0, 0};
  CHECK(test::largest(shares(all, kept({1, 1, 1})).off_diagonal - at::tensor(expected, at::kDouble)) < 1e-12);
  CHECK(test::largest(shares(all, kept({1, 1, 0})).off_diagonal.narrow(0, 0, 2) - 0.5 / 2.5) < 1e-12);
  CHECK(test::largest(shares(all, kept({1, 0, 1})).off_diagonal) == 0);

  // cos² = 0.25 in the block of the first two, 0.04 and 0.09 across.
  const at::Tensor one = matrix({4, 1, 0.4, 1, 1, 0.3, 0.4, 0.3, 1});
  const Shares found = shares(one, kept({1, 1, 1}), {2, 1});
  CHECK(found.within.item<double>() == testing::Approx(0.5 / 3.76));
  CHECK(found.across.item<double>() == testing::Approx(0.26 / 3.76));
  CHECK(found.off_diagonal.item<double>() == testing::Approx(0.76 / 3.76));
  CHECK(test::largest(normalized(one) - matrix({1, 0.5, 0.2, 0.5, 1, 0.3, 0.2, 0.3, 1})) < 1e-12);
}

TEST_CASE("the image of a linear decoder is a plane: its metric is known and straight lines are shortest") {
  auto session = test::open(Setup{.family = "type = \"block\", sizes = [2, 1]"});
  const at::Tensor w = test::state(*session, "model/decoder/parameters/network.0.weight");
  test::state(*session, "model/encoder/parameters/network.0.weight").mul_(3);  // all latents active
  const json result = test::evaluate(*session), geometry = result.at("geometry"),
             arrays = result.at("geometry_arrays");
  const auto value = [&](const char* name) { return geometry.at(name).at("value").get<double>(); };
  const at::Tensor g = w.t().mm(w), singular = std::get<1>(at::linalg_svd(w, false));

  CHECK(value("data") == 100);
  CHECK(arrays.at("active") == json({1.0, 1.0, 1.0}));
  CHECK(arrays.at("blocks") == json({0.0, 0.0, 1.0}));
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(arrays.at("singular_values").at("mean").at(i).get<double>() ==
          testing::Approx(singular[i].item<double>()));
    for (int64_t j = 0; j < 3; ++j) {
      const double own = arrays.at("metric").at("mean").at(i).at(j).get<double>();
      CHECK(arrays.at("hessian").at("mean").at(i).at(j).get<double>() ==
            testing::Approx(own));  // H_ℓ = I / 0.3
      CHECK(own == testing::Approx(std::abs((g[i][j] / (g[i][i] * g[j][j]).sqrt()).item<double>())));
    }
  }
  CHECK(value("metric_off_diagonal_active") == testing::Approx(value("metric_off_diagonal")));
  CHECK(value("log_volume") == testing::Approx(0.5 * at::logdet(g).item<double>()));
  CHECK(geometry.at("log_volume").at("se").get<double>() < 1e-12);
  CHECK(value("condition_number") == testing::Approx((singular[0] / singular[2]).square().item<double>()));
  CHECK(arrays.at("contrast").at("mean").get<double>() ==
        testing::Approx(result.at("values").at("contrast").at("mean").get<double>()));
  CHECK(value("geodesic_ratio") == testing::Approx(1).epsilon(1e-12));

  // E[H]/β has the eigenvalues of WᵀW / (0.3 · 0.5).
  const json found = result.at("information_arrays").at("eigenvalues_of_mean_hessian");
  for (int64_t i = 0; i < 3; ++i)
    CHECK(found.at(i).get<double>() == testing::Approx((singular[i].square() / 0.15).item<double>()));

  const at::NoGradGuard no_grad;
  const at::Tensor from = at::eye(3, at::kDouble), to = -2 * at::eye(3, at::kDouble).roll(1, 0);
  const PathLengths lengths = path_lengths(session->assembly->model(), from, to, g);
  CHECK(test::largest(lengths.straight - (to - from).mm(w.t()).square().sum(1).sqrt()) < 1e-10);
}

TEST_CASE("one latent that the encoder ignores is no part of volume and condition number") {
  auto session = test::open(Setup{});
  at::Tensor encoder = test::state(*session, "model/encoder/parameters/network.0.weight");
  encoder.mul_(3);
  encoder[1].zero_();
  const at::Tensor w = test::state(*session, "model/decoder/parameters/network.0.weight").clone();
  test::state(*session, "model/decoder/parameters/network.0.weight").select(1, 1).mul_(1e-8);
  const json result = test::evaluate(*session);
  CHECK(result.at("information").at("active_units").at("value") == 2);
  CHECK(result.at("information").at("active_directions").at("value") == 2);
  const at::Tensor two = w.index_select(1, at::tensor({0, 2}, at::kLong));
  CHECK(result.at("geometry").at("log_volume").at("value").get<double>() ==
        testing::Approx(0.5 * at::logdet(two.t().mm(two)).item<double>()));
}

TEST_CASE("eigenvalues of more matrices than are taken at once are in the data's order") {
  const at::Tensor sizes = at::arange(1, 1301, at::kDouble).reshape({-1, 1});
  const at::Tensor metric = at::diag_embed(at::cat({2 * sizes, sizes, 3 * sizes}, 1));
  measure::KeptFindings findings("geometry", quantities_of("geometry"));
  add_local_geometry(findings, Manifold{metric, {}, kept({1, 1, 1}), {}});
  json result;
  findings.add_to(result, "geometry");
  const json section = result.at("geometry"),
             quartiles = section.at("largest_singular_value").at("quartiles");
  const at::Tensor expected =
      (3 * sizes.flatten()).sqrt().quantile(at::tensor({0.25, 0.5, 0.75}, at::kDouble));
  for (int64_t i = 0; i < 3; ++i)
    CHECK(quartiles.at(static_cast<std::size_t>(i)).get<double>() ==
          testing::Approx(expected[i].item<double>()));
  CHECK(section.at("condition_number").at("value").get<double>() == testing::Approx(3));
  CHECK(section.at("log_volume").at("value").get<double>() ==
        testing::Approx(0.5 * (6 * sizes.pow(3)).log().mean().item<double>()));
}

// g(z) = (z₁ cos z₂, z₁ sin z₂, z₃, 0, 0, 0, 0): flat, but in coordinates whose straight lines are spirals.
class Polar final : public Decoder {
 public:
  Tensor decode(const Tensor& z, const variform::Context&) override {
    const Tensor r = z.select(1, 0), angle = z.select(1, 1);
    return at::constant_pad_nd(at::stack({r * angle.cos(), r * angle.sin(), z.select(1, 2)}, 1), {0, 4});
  }
};

TEST_CASE("geodesics of a plane in polar coordinates are its chords") {
  auto session = test::open(Setup{});
  HostModel& model = session->assembly->model();
  model.set(Kind::kDecoder, std::make_shared<Polar>(), "polar");
  const double quarter = std::numbers::pi / 2;
  const at::Tensor from = at::tensor({1.0, 0.0, 0.0, 2.0, 0.5, -1.0}, at::kDouble).reshape({2, 3});
  const at::Tensor to = at::tensor({1.0, quarter, 0.0, 1.0, 2.0, 1.0}, at::kDouble).reshape({2, 3});
  const at::NoGradGuard no_grad;
  const PathLengths found = path_lengths(model, from, to, at::eye(3, at::kDouble));
  CHECK(found.straight[0].item<double>() == testing::Approx(quarter).epsilon(1e-4));
  const at::Tensor chord = (model.decode(to, {}) - model.decode(from, {})).flatten(1).norm(2, 1);
  CHECK(test::largest(found.geodesic / chord - 1) < 2e-3);
  CHECK((found.geodesic >= chord - 1e-12).all().item<bool>());
  // The second path's first step is too long: it is halved, and goes from the same place along the same slope.
  const PathLengths early = path_lengths(model, from, to, at::eye(3, at::kDouble), {.iterations = 5});
  CHECK(test::largest(early.geodesic / chord - 1) < 1e-2);
  CHECK((found.straight > 1.02 * chord).all().item<bool>());
}

}  // namespace
}  // namespace variform::metrics
