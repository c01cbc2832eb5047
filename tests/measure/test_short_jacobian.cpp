// A shorter matrix with the Jacobian's inner products: the same values, and used only where it pays.

#include "measure/short_jacobian.h"

#include "measure/models.h"

#include <variform/nn/network.h>

namespace variform::measure {
namespace {

using test::Setup;

// The network's images, twice as long tangents.
class Stretched final : public With<Decoder, Pushforward, MadeOfLayers> {
 public:
  explicit Stretched(nn::LayerPtr network) : network_(register_module("network", std::move(network))) {}
  Tensor decode(const Tensor& z, const Context&) override { return network_->forward(z); }
  Pushed pushforward(const Tensor& z, const Tensor& v, const Context&) override {
    const Pushed pushed = network_->push(z, v);
    return {pushed.g, 2 * pushed.jv};
  }
  const nn::Layer* network() const override { return network_.get(); }

 private:
  nn::LayerPtr network_;
};

at::Tensor gram_of(const at::Tensor& tangents) { return inner_products(tangents.to(at::kDouble)); }

TEST_CASE("fewer numbers have the Jacobian's inner products") {
  const bool is_double = GENERATE(true, false);
  auto session = test::open(
      Setup{.shape = "[3, 14, 14]", .decoder = "mlp", .precision = is_double ? "float64" : "float32"});
  HostModel& model = session->assembly->model();
  const at::NoGradGuard no_grad;
  const at::Tensor z = at::linspace(-2, 2, 15, model.options).reshape({5, 3});
  const at::Tensor plain = gram_of(model.pushforward(z, model.unit_tangents(5), {}).jv);
  constexpr int64_t kMany = 1'000'000;
  measure::ShortJacobian found(model, kMany);
  CHECK(found.size() == 512);
  const std::optional<Tensor> metric = found(model, z);
  REQUIRE(metric);
  CHECK(metric->sizes() == plain.sizes());
  CHECK(metric->scalar_type() == at::kDouble);
  CHECK(test::largest(*metric - plain) / test::largest(plain) < (is_double ? 1e-12 : 1e-5));

  const auto none = [&](int64_t data) {
    measure::ShortJacobian one(model, data);
    return !one(model, z) && one.size() == 588;
  };
  CHECK(none(1));  // R would cost more than it saves
  model.set_mixed_precision(true);
  CHECK(none(kMany));
  model.set_mixed_precision(false);
  model.set_reference(true);
  CHECK(none(kMany));
  model.set_reference(false);
  Build build = BuildMaker::make(nullptr);
  build.data = model.data;
  build.latent = 3;
  build.options = model.options;
  build.rng = model.rng;
  const auto made = [&](const std::vector<nn::LayerPtr>& end) {
    std::vector<nn::LayerPtr> layers{std::make_shared<nn::Linear>(build, 3, 588)};
    layers.insert(layers.end(), end.begin(), end.end());
    return std::make_shared<nn::Sequential>(layers);
  };
  const auto image = std::make_shared<nn::Unflatten>(model.data);
  model.set(Kind::kDecoder, std::make_shared<nn::NetworkDecoder>(build, made({image})), "linear");
  CHECK_FALSE(none(kMany));
  model.set(Kind::kDecoder, std::make_shared<Stretched>(made({image})), "stretched");
  CHECK(none(kMany));
  model.set(Kind::kDecoder,
            std::make_shared<nn::NetworkDecoder>(build, made({nn::activation("sigmoid"), image})),
            "squashed");
  CHECK(none(kMany));
}

}  // namespace
}  // namespace variform::measure
