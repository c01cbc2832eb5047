// Registers an operator with LibTorch.
#include "plain.h"

#include <torch/library.h>

TORCH_LIBRARY(variform_test_registering, library) {
  library.def("twice(Tensor x) -> Tensor", [](const at::Tensor& x) { return x + x; });
}

VARIFORM_PLUGIN("org.variform.test.registering", "1.0.0", plain::linear("registering"))
