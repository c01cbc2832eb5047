#pragma once
// Names that every SDK header uses, and the two exceptions that the SDK throws.

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#define VARIFORM_API __attribute__((visibility("default")))

namespace variform {
inline namespace v1 {

using at::Generator;
using at::Tensor;
using Shape = std::vector<int64_t>;

/// Whatever goes wrong inside the SDK or a component. The text is one sentence: what was expected, what was found,
/// what to do. The engine adds slot, component, plugin and step where the exception leaves a component.
class VARIFORM_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~Error() override;
};

/// A component was asked for an ability that it does not have ("family 'x' has no marginals").
class VARIFORM_API Unsupported : public Error {
 public:
  using Error::Error;
  ~Unsupported() override;
};

/// "[128, 1, 28, 28]", for messages.
VARIFORM_API std::string to_text(at::IntArrayRef shape);

}  // namespace v1
}  // namespace variform
