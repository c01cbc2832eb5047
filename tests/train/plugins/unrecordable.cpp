// Standard normal priors whose steps cannot be recorded and replayed: each does in its own way what docs/sdk.md asks
// not to do.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace {

using variform::Context;
using variform::Generator;
using variform::Tensor;

class Standard : public variform::Prior {
 public:
  explicit Standard(const variform::Build& build) : latent_(build.latent), options_(build.options) {}
  Tensor log_prob(const Tensor& z, const Context&) override {
    return (-0.5 * (z.square() + std::log(2 * std::numbers::pi))).sum(-1) + 0.01 * more(z);
  }
  Tensor sample(int64_t n, Generator& rng, const Context&) override {
    return at::randn({n, latent_}, rng, options_);
  }

 private:
  virtual Tensor more(const Tensor& z) = 0;
  int64_t latent_;
  at::TensorOptions options_;
};

// Decides on data by the host.
class HostReading final : public Standard {
  using Standard::Standard;
  Tensor more(const Tensor& z) override { return z.sum(-1) * (z.mean().item<double>() > 0 ? 1 : 2); }
};

// Fills memory of its own past LibTorch's operators.
class RawMemory final : public Standard {
  using Standard::Standard;
  Tensor more(const Tensor& z) override {
    const Tensor from = z.detach().contiguous(), to = at::empty_like(from);
    for (int64_t i = 0; i < from.numel(); ++i)
      to.mutable_data_ptr<float>()[i] = 2 * from.const_data_ptr<float>()[i];
    return to.sum(-1) + z.sum(-1);
  }
};

// Changes an operator's result past LibTorch's operators.
class RawInPlace final : public Standard {
  using Standard::Standard;
  Tensor more(const Tensor& z) override {
    const Tensor weight = (z.detach() + 1).contiguous();
    for (int64_t i = 0; i < weight.numel(); ++i) weight.mutable_data_ptr<float>()[i] *= 3;
    return (weight * z).sum(-1);
  }
};

// Keeps a number between calls.
class Counting final : public Standard {
  using Standard::Standard;
  Tensor more(const Tensor& z) override { return z.sum(-1) * static_cast<double>(++calls_); }
  int64_t calls_ = 0;
};

// Draws from LibTorch's global generator, whose numbers come to nothing here.
class GlobalDraws final : public Standard {
  using Standard::Standard;
  Tensor more(const Tensor& z) override { return z.sum(-1) + 0 * at::rand_like(z).sum(-1); }
};

// Gives its buffer other memory and values in every evaluation, which a step may read.
class Moving final : public Standard {
 public:
  explicit Moving(const variform::Build& build)
      : Standard(build), weight_(register_buffer("weight", at::ones({}, build.options))) {}

 private:
  Tensor more(const Tensor& z) override {
    if (!is_training()) weight_.set_data(weight_ + 0.5);
    return weight_ * z.sum(-1);
  }
  Tensor weight_;
};

}  // namespace

VARIFORM_PLUGIN("org.variform.test.unrecordable", "1.0.0",
                variform::component<HostReading>("host-reading", "Reads.", "tests/train"),
                variform::component<RawMemory>("raw-memory", "Fills.", "tests/train"),
                variform::component<RawInPlace>("raw-in-place", "Changes.", "tests/train"),
                variform::component<Counting>("counting", "Counts.", "tests/train"),
                variform::component<GlobalDraws>("global-draws", "Draws.", "tests/train"),
                variform::component<Moving>("moving", "Moves.", "tests/train"))
