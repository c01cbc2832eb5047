#pragma once
// A trained model as a safetensors file (huggingface.co/docs/safetensors): a header in JSON with names, types and
// places, then the tensors' bytes. Holds all slots and what a checkpoint says of the run, so that the model can be made
// again here and in Python, and nothing that could be executed.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/snapshot.h"

namespace variform::exports {

/// Returns what a tensor of the model is called outside: "model/encoder/parameters/network.0.weight" is
/// "encoder.network.0.weight".
std::string outer_name(const std::string& path);

/// Returns the file. Tensors below model/ are named "encoder.network.0.weight"; attributes become texts of the file's
/// metadata, "variform.config" and so on. Same input, same bytes; same bits back.
std::vector<std::byte> compose_safetensors(const checkpoint::Snapshot& snapshot);

/// Returns the snapshot that compose_safetensors() was given, without tensors that are not the model's. Throws
/// base::Error, beginning with `name`, for a file that is damaged or was not written by this program.
checkpoint::Snapshot parse_safetensors(std::span<const std::byte> file, const std::string& name);

}  // namespace variform::exports
