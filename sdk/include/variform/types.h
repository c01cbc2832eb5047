#pragma once
// Names that every SDK header uses, and the two exceptions that the SDK throws.

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

/// Marks what libvariform-sdk exports. Plugins have no use for it: they export one function, by VARIFORM_PLUGIN.
#define VARIFORM_API __attribute__((visibility("default")))

/// Variform's SDK: all that a plugin sees. Everything public lies here and in the headers under variform/.
namespace variform {
/// The first line of the SDK's releases, part of every symbol's name. Write `variform::Encoder`, without it.
inline namespace v2 {

/// LibTorch's random number generator. Components draw from those that they are given, never from the global one.
using at::Generator;
/// LibTorch's tensor.
using at::Tensor;
/// Sizes of a tensor's dimensions, mostly of one example, without the batch.
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

/// A shape for messages: "[128, 1, 28, 28]".
VARIFORM_API std::string to_text(at::IntArrayRef shape);

}  // namespace v2
}  // namespace variform
