#pragma once
// Exports a trained model to PyTorch: its weights, and Python source of the networks made of variform/nn layers.

#include <filesystem>
#include <string>
#include <vector>

namespace variform::model {
struct Session;
}

namespace variform::exports {

struct Exported {
  std::vector<std::filesystem::path> files;  ///< files that were written
  std::vector<std::string> notes;  ///< sentences: which networks are exported as weights only, and why
};

/// Writes FILE.pt (`file`, with .pt added unless it ends so), which torch.load(…, weights_only=True) reads as
/// an OrderedDict "encoder.network.0.weight" → tensor, and beside it FILE.py with classes Encoder and Decoder for the
/// networks made of variform/nn layers, and a function load() that fills them from the weights.
Exported export_weights(model::Session& session, const std::filesystem::path& file);

}  // namespace variform::exports
