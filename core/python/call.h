#pragma once
// Calls from the engine into Python without Python's own binary interface: a C function pointer that ctypes made is
// called in the engine's thread, and what goes in and comes back waits in a frame that Python reads and fills by
// operators of LibTorch (`torch.ops.variform.call_*`). Tensors are handed over as they are, with their graph.

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "python/views.h"

namespace torch {
class Library;
}

namespace variform::python {

/// What a function of a Python object is given.
struct Arguments {
  std::vector<std::optional<Tensor>> tensors = {};
  std::vector<int64_t> numbers = {};
  std::string text = {};
  std::optional<Generator> rng = {};
  c10::intrusive_ptr<ModelView> model = {};          ///< may be null
  c10::intrusive_ptr<PosteriorView> posterior = {};  ///< may be null
};

/// What it returned.
struct Answer {
  std::vector<std::optional<Tensor>> tensors = {};
  std::vector<double> numbers = {};
  std::vector<std::string> names = {};

  /// The i-th tensor; undefined where there is none.
  Tensor tensor(std::size_t i) const;
};

/// An object that Python keeps for the engine under a number, until this is destroyed.
class Object {
 public:
  /// `abilities`: names of the functions that it has beside those that it must have.
  Object(int64_t number, std::vector<std::string> abilities);
  ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  /// Calls one of its functions. Throws Unsupported for Python's NotImplementedError, and Error for every other
  /// exception, with the function's name and the exception's last line.
  Answer call(const char* function, Arguments arguments) const;
  bool has(std::string_view function) const;

 private:
  int64_t number_;
  std::vector<std::string> abilities_;
};

/// The same for an object that Python keeps for good, such as a class.
Answer call(int64_t object, const char* function, Arguments arguments);

/// Registers the operators by which Python takes the arguments and answers. After bind_views().
void bind_calls(torch::Library& library);

}  // namespace variform::python
