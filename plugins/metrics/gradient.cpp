// How noisy the gradient of an objective is: the noise of its own draws (latents, Jacobian columns), beside that of the
// choice of the batch.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace variform::metrics {
namespace {

// The squares of all estimates are unbiased; one below zero counts as 0.
double root(double square) { return std::sqrt(std::max(0.0, square)); }

class GradientNoise final : public With<Metric, Finishes, OnRequest> {
 public:
  explicit GradientNoise(const Build& build) : draws_(build.integer("draws")) {}

  bool on_request() const override { return true; }
  std::optional<Shorthand> shorthand() const override { return Shorthand{"gradient-draws", "draws"}; }

  std::vector<Quantity> quantities() const override {
    return {{"gradient_norm", "",
             "norm of a training batch's expected gradient, all parameters (" + std::to_string(kBatches) +
                 " batches)"},
            {"gradient_noise", "",
             "standard deviation of one gradient about it: what the objective's own draws add"},
            {"gradient_noise_of_batches", "", "standard deviation between the batches' expected gradients"},
            {"gradient_noise_ratio", "", "gradient_noise / gradient_norm"}};
  }

  void measure(Measured& /*at*/, Findings& /*findings*/) override {}
  void finish(Measured& at, Findings& findings) override {
    const auto R = static_cast<double>(draws_), B = static_cast<double>(kBatches);
    for (int64_t batch = 0; batch < kBatches; ++batch) add_batch(at, batch);
    const double noise = within_ / B, about = noise / R;  // `about`: the variance of the mean of R draws
    const double between = (norms_ - (total_ / B).square().sum().item<double>() * B) / (B - 1) - about;
    const double norm = root(norms_ / B - about);
    findings.number("gradient_norm", norm);
    findings.number("gradient_noise", root(noise));
    findings.number("gradient_noise_of_batches", root(between));
    if (norm > 0) findings.number("gradient_noise_ratio", root(noise) / norm);
    else findings.undefined("gradient_noise_ratio", "the expected gradient is 0");
  }

 private:
  static constexpr int64_t kBatches = 8;

  void add_batch(Measured& at, int64_t batch) {
    const auto R = static_cast<double>(draws_);
    Tensor sum;
    double squares = 0;
    for (int64_t draw = batch * draws_; draw < (batch + 1) * draws_; ++draw) {
      at.progress(draw, kBatches * draws_);
      const Tensor gradient = at.training_gradient(batch, draw);
      squares += gradient.square().sum().item<double>();
      sum = sum.defined() ? sum + gradient : gradient;
    }
    const Tensor mean = sum / R;
    const double norm = mean.square().sum().item<double>();
    within_ += (squares - R * norm) / (R - 1);
    norms_ += norm;
    total_ = total_.defined() ? total_ + mean : mean;
  }

  const int64_t draws_;
  double within_ = 0, norms_ = 0;  // sums over batches: variance of one draw, ‖mean gradient‖²
  Tensor total_;                   // of the batches' mean gradients
};

}  // namespace
}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::GradientNoise>(
    "gradient",
    "How noisy the objective's gradient is at the end of the training, by its draws and by batches.",
    "theory §5",
    {variform::integer("draws", 16).at_least(2).in("draws").doc("Gradients of each of 8 training batches.")}))
