#pragma once
// Small models in float64 for the tests of the mathematics: networks whose derivatives are known, with each way to push
// tangents, beside the stock components from their built plugins.

#include "support/fake_build.h"
#include "support/load_plugin.h"

#include <variform/host.h>

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>

namespace variform::test {

/// Standard normal numbers, float64.
Tensor normal(const Shape& shape, std::uint64_t seed);
/// Uniform on [low, high), float64.
Tensor uniform(const Shape& shape, std::uint64_t seed, double low = 0, double high = 1);
/// A random rotation [d, d].
Tensor rotation(int64_t d, std::uint64_t seed);
/// max |a − b| over `scale`: by how much of the largest term two sides differ.
double error(const Tensor& a, const Tensor& b, const Tensor& scale);
/// max |a − b| / max |b|.
double error(const Tensor& a, const Tensor& b);

/// g(z) = V φ(W z + c) + b with φ = tanh, ReLU or the identity, and a pushforward by a chosen tier.
class SmallDecoder final : public With<Decoder, Pushforward, PiecewiseLinear> {
 public:
  enum class Shape { kLinear, kTanh, kRelu };
  SmallDecoder(Shape shape, int64_t latent, int64_t hidden, int64_t outputs, PushforwardTier tier,
               std::uint64_t seed);

  Tensor decode(const Tensor& z, const variform::Context&) override;
  Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context&) override;
  PushforwardTier pushforward_tier() const override { return tier_; }
  bool piecewise_linear() const override { return shape_ != Shape::kTanh; }

  /// The Jacobian of a linear decoder, V W [P, d].
  Tensor product() const { return v_.mm(w_); }
  /// Linear decoders only: V W = w, no biases.
  void set_linear(const Tensor& w);

  Tensor w_, c_, v_, b_;
  int pushes = 0;        ///< calls of pushforward
  int64_t tangents = 0;  ///< tangents that they pushed

 private:
  Shape shape_;
  PushforwardTier tier_;
};

/// x -> C tanh(A x + a) + e, or C x + e.
class SmallEncoder final : public Encoder {
 public:
  SmallEncoder(bool linear, int64_t data, int64_t hidden, int64_t outputs, std::uint64_t seed);
  Tensor encode(const Tensor& x, const variform::Context&) override;
  Tensor a_, c_, e_;

 private:
  bool linear_;
};

/// The stock component's description.
const ComponentInfo& stock(Kind kind, const std::string& id);

/// A Model on data of P numbers whose slots are filled one by one; likelihood and family before the networks.
class Assembly {
 public:
  /// `condition`: numbers per row that components may be conditioned on.
  Assembly(int64_t data, int64_t latent, std::uint64_t seed = 1, int64_t condition = 0);
  Assembly& with(Kind kind, const std::string& id, const Values& values = {});
  Assembly& with(std::shared_ptr<SmallDecoder> decoder);
  Assembly& with(std::shared_ptr<SmallEncoder> encoder);
  /// The defaults that most tests want: gaussian prior, point family, tanh encoder.
  Assembly& standard(const Values& prior = {});

  HostModel& operator*() { return *model_; }
  HostModel* operator->() { return model_.get(); }
  SmallDecoder& decoder() { return static_cast<SmallDecoder&>(model_->decoder()); }
  SmallEncoder& encoder() { return static_cast<SmallEncoder&>(model_->encoder()); }
  /// The objective on x, the random stream starting afresh; the labels are 0, 1, 2, 0, ….
  Terms evaluate(const Tensor& x, std::uint64_t seed = 1);
  /// A part of it by name.
  Tensor part(const Tensor& x, const std::string& name, std::uint64_t seed = 1);

 private:
  std::unique_ptr<HostModel> model_;
  int64_t condition_;
};

/// The Jacobian ∂g/∂z [B, P, d] of the model's decoder at z [B, d] (one output a data value), row by row by autograd.
Tensor jacobian(Model& model, const Tensor& z);

/// Minimises `value` (0-dim) over tensors that require gradients, in place, by BFGS with backtracking, until nothing
/// lower is found in float64. Returns the value.
double minimise(const std::function<Tensor()>& value, std::vector<Tensor> tensors, int steps = 1000);

/// ∫ f dz by the trapezoid rule, of values on an equidistant grid [n] (exact to rounding for smooth f that vanish at both
/// ends).
double integral(const Tensor& values, const Tensor& grid);

/// The relative error of the gradient of `value` (0-dim) along one random direction in each tensor against central
/// differences of the value: the largest over the tensors, relative to the largest slope.
double gradient_error(const std::function<Tensor()>& value, const std::vector<Tensor>& tensors,
                      std::uint64_t seed = 5);

}  // namespace variform::test
