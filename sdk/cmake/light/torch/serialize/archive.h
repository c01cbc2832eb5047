#pragma once
// Stands before LibTorch's header of this name while the project itself is compiled (VariformCompile.cmake), and declares
// what torch/nn/module.h needs of it. The original brings TorchScript's headers, of which nothing is used here: some ten
// thousand instantiations of templates, two seconds of every source file. Plugins of others see the original.

namespace torch::serialize {
class InputArchive;
class OutputArchive;
}  // namespace torch::serialize
