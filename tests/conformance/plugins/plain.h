#pragma once
// What the broken libraries share: a component that is right, so that nothing but the library is wrong.

#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace plain {

/// xA.
class Linear final : public variform::Encoder {
 public:
  explicit Linear(const variform::Build& build) {
    variform::Generator rng = build.rng;
    a_ = register_parameter("a", at::randn({build.data_size(), build.outputs}, rng, build.options));
  }
  variform::Tensor encode(const variform::Tensor& x, const variform::Context&) override {
    return x.flatten(1).mm(a_);
  }

 private:
  variform::Tensor a_;
};

/// The description of a component for a broken library.
constexpr variform::ComponentInfo linear(const char* id) {
  return variform::component<Linear>(id, "A linear map.", "Variform's tests of `check`");
}

}  // namespace plain
