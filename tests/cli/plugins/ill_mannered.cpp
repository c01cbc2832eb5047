// A decoder and a family that compute right and behave badly, in the way that VARIFORM_TEST_MANNERS says: "SLOT WAY"
// with a way out of draw, print, read, gradients, memory, detach, spin; "both draw"; "load print": while the file is
// loaded; or "family remove": its constructor removes VARIFORM_TEST_FILE.

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using variform::Tensor;

bool asked(const std::string& what) {
  const char* manners = std::getenv("VARIFORM_TEST_MANNERS");
  return manners && (what == manners || (std::string(manners) == "both draw" && what.ends_with(" draw")));
}

struct AtLoad {
  AtLoad() {
    if (asked("load print")) std::puts("loading!");
  }
} at_load;

Tensor with_manners(const std::string& slot, const Tensor& right) {
  static int calls = 0;
  ++calls;
  if (asked(slot + " draw")) return right + 0.01 * at::randn(right.sizes(), right.options());
  if (asked(slot + " print")) std::puts("{\"not\": \"json\"}");
  if (asked(slot + " read")) return right.abs().max().item<double>() > 1e9 ? -right : right;
  if (asked(slot + " gradients")) at::GradMode::set_enabled(false);
  if (asked(slot + " memory")) return right * (1 + 1e-3 * calls);
  while (asked(slot + " spin")) ++calls;
  if (asked(slot + " detach")) return right.detach();
  return right;
}

class RudeDecoder final : public variform::Decoder {
 public:
  explicit RudeDecoder(const variform::Build& build) : shape_(build.data) {
    variform::Generator rng = build.rng;
    a_ = register_parameter(
        "a", at::randn({build.latent, build.data_size() * build.outputs}, rng, build.options) / 8);
    shape_[0] *= build.outputs;
    shape_.insert(shape_.begin(), -1);
  }
  Tensor decode(const Tensor& z, const variform::Context&) override {
    return with_manners("decoder", z.mm(a_).reshape(shape_));
  }

 private:
  variform::Shape shape_;
  Tensor a_;
};

class RudePosterior final
    : public variform::With<variform::Posterior, variform::ClosedEntropy, variform::Moments> {
 public:
  explicit RudePosterior(const Tensor& params)
      : gaussian_(params.chunk(2, 1)[0],
                  variform::Covariance::diagonal((0.5 * params.chunk(2, 1)[1]).exp())) {}
  Tensor location() const override { return gaussian_.location(); }
  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    variform::Draw draw = gaussian_.rsample(K, rng);
    draw.z = with_manners("family", draw.z);
    return draw;
  }
  Tensor log_prob(const variform::Draw& draw) const override { return gaussian_.log_prob(draw); }
  Tensor entropy() const override { return gaussian_.entropy(); }
  std::optional<variform::Covariance> covariance() const override { return gaussian_.covariance(); }

 private:
  variform::GaussianPosterior gaussian_;
};

class RudeFamily final : public variform::VariationalFamily {
 public:
  explicit RudeFamily(const variform::Build&) {
    const char* file = std::getenv("VARIFORM_TEST_FILE");
    if (file && asked("family remove")) std::remove(file);
  }
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    return std::make_unique<RudePosterior>(params);
  }
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<RudeDecoder>("rude", "A linear decoder that behaves as it is told.",
                                                     "no paper"),
                    variform::component<RudeFamily>("rude", "A diagonal Gaussian that behaves as it is told.",
                                                    "no paper"))
VARIFORM_PLUGIN("org.variform.test.ill-mannered", "1.0.0")
