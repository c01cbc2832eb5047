#pragma once
// Data in [0, 1] on equally spaced values, and the bins of a logistic distribution about them; for the discretised
// logistic likelihood and the mixture of several.

#include <variform/types.h>

#include <ATen/ATen.h>

namespace variform::likelihoods {

/// `levels` values from 0 to 1, each in the middle of a bin of width δ = 1/(levels − 1); the end bins are open. A scale
/// is a number or a tensor that broadcasts.
class Grid {
 public:
  explicit Grid(int64_t levels) : levels_(levels), width_(1 / static_cast<double>(levels - 1)) {}

  /// δ.
  double width() const { return width_; }
  /// All values, [levels].
  Tensor values(const at::TensorOptions& options) const { return at::linspace(0, 1, levels_, options); }

  /// The bin of x in units of a logistic distribution: its probability is S(a) − S(−b), S the sigmoid.
  struct Bin {
    Tensor a, b;         // (upper end − location)/s, (location − lower end)/s
    Tensor first, last;  // whether it is the lowest, which has no b, or the highest, which has no a
  };
  template <class Scale>
  Bin bin(const Tensor& x, const Tensor& location, const Scale& scale) const {
    return {(x + 0.5 * width_ - location) / scale, (location - x + 0.5 * width_) / scale, x.lt(0.5 * width_),
            x.gt(1 - 0.5 * width_)};
  }
  /// log[S(a) − S(−b)] = log S(a) + log S(b) + `inside`, inside = log(1 − e^{−δ/s}); in the end bins one term alone.
  static Tensor log_probability(const Bin& bin, const Tensor& inside) {
    const Tensor none = at::zeros({}, bin.a.options());
    return at::where(bin.last, none, at::log_sigmoid(bin.a)) +
           at::where(bin.first, none, at::log_sigmoid(bin.b)) +
           at::where(bin.first.logical_or(bin.last), none, inside);
  }
  /// E x: the sum of the tail probabilities, one bin at a time.
  template <class Scale>
  Tensor mean(const Tensor& location, const Scale& scale) const {
    Tensor sum = at::zeros_like(location);
    for (int64_t i = 0; i + 1 < levels_; ++i)
      sum = sum + ((location - (static_cast<double>(i) + 0.5) * width_) / scale).sigmoid();
    return width_ * sum;
  }
  /// One draw for each location: the value in whose bin a logistic variable falls.
  template <class Scale>
  Tensor sample(const Tensor& location, const Scale& scale, Generator& rng) const {
    const auto exponential = [&] {
      return at::empty(location.sizes(), location.options().requires_grad(false)).exponential_(1, rng);
    };
    const Tensor above = exponential();
    const Tensor x = location + scale * (above.log() - exponential().log());
    return (x / width_).round().clamp(0, static_cast<double>(levels_ - 1)) * width_;
  }

 private:
  int64_t levels_;
  double width_;
};

}  // namespace variform::likelihoods
