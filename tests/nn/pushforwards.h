#pragma once
// What every layer and every decoder must satisfy: tangents against automatic differentiation and finite
// differences, and gradients of a loss on tangents against differences of its value. Two tiers that agree
// prove nothing by themselves, because they can be wrong alike.

#include <variform/nn/layer.h>

#include <functional>
#include <string>
#include <vector>

namespace variform::test {

/// A layer as a decoder of flat latents: z [N, d] is given the shape `in` first.
class LayerDecoder final : public With<Decoder, Pushforward> {
 public:
  LayerDecoder(nn::LayerPtr layer, Shape in);
  Tensor decode(const Tensor& z, const variform::Context&) override;
  Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context&) override;

 private:
  nn::LayerPtr layer_;
  Shape in_;
};

/// Any function of flat latents as a decoder with the default pushforward.
class FunctionDecoder final : public Decoder {
 public:
  explicit FunctionDecoder(std::function<Tensor(const Tensor&)> function) : function_(std::move(function)) {}
  Tensor decode(const Tensor& z, const variform::Context&) override { return function_(z); }

 private:
  std::function<Tensor(const Tensor&)> function_;
};

/// A way to push tangents.
using Push = std::function<Pushed(Decoder&, const Tensor&, const Tensor&)>;
Push own();  ///< the decoder's pushforward
Push forward_mode();
Push double_backward();

/// max|a − b| / max|b|.
double difference(const Tensor& a, const Tensor& b);
/// J v by central differences of decode() along each tangent.
Tensor pushed_by_differences(Decoder& decoder, const Tensor& z, const Tensor& v, double step = 1e-6);

/// The relative error of the gradient of Σ w·(Jv)² along random directions of z and of every parameter, as
/// `push` differentiates it, against central differences of the *value* by the decoder's own pushforward. One
/// entry a tensor: "z" first, then the parameters by name.
struct GradientError {
  std::string name;
  double error = 0;  ///< NaN when backward() threw
};
std::vector<GradientError> tangent_gradient_errors(Decoder& decoder, const Push& push, const Tensor& z,
                                                   const Tensor& v);

/// All that a decoder with a right pushforward satisfies: CHECKs inside. `fine`: AD tiers agree to 1e-10.
void check_pushforward(Decoder& decoder, const Tensor& z, int64_t tangents);

/// The state of the generator that nothing may touch.
Tensor global_generator_state();

}  // namespace variform::test
