#pragma once
// Writes weights into a file that torch.load(path, weights_only=True) reads. LibTorch's own pickler writes
// instructions that Python refuses under weights_only, hence this small one.

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace variform::exports {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
using Metadata = std::map<std::string, std::string>;  // UTF-8

// Composes a file from which torch.load returns an OrderedDict from name to tensor, in the order of `state`, fit
// for load_state_dict; its attribute `metadata` is a dict of texts. Types as in snapshot.h. Same input, same bytes.
std::vector<std::byte> compose_torch_file(const NamedTensors& state, const Metadata& metadata);

// Writes the same durably into a file: see commit() in file.h.
void write_torch_file(const std::filesystem::path& path, const NamedTensors& state, const Metadata& metadata);

}  // namespace variform::exports
