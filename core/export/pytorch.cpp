// See pytorch.h.

#include "export/pytorch.h"

#include <ATen/ATen.h>

#include <variform/ext/outputs.h>
#include <variform/nn/network.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "base/whole_file.h"
#include "base/words.h"
#include "config/load.h"
#include "export/pickle.h"
#include "export/safetensors.h"
#include "model/session.h"

namespace variform::exports {
namespace {

constexpr const char* kBlank = "\n\n\n";  // between the top-level parts of a Python module

// Returns the name under which a component has registered its network, if that holds all of the component's state.
std::optional<std::string> attribute_of(const Component& component) {
  const nn::Layer* network = network_of(component);
  if (!network) return {};
  std::optional<std::string> attribute;
  for (const auto& child : component.named_children())
    if (dynamic_cast<const nn::Layer*>(child.value().get()) == network) attribute = child.key();
  if (!attribute) return {};
  const auto outside = [&](const auto& items) {
    return std::any_of(items.begin(), items.end(),
                       [&](const auto& item) { return !item.key().starts_with(*attribute + "."); });
  };
  if (outside(component.named_parameters()) || outside(component.named_buffers())) return {};
  return attribute;
}

// Appends the parts of a module that are still missing: "import torch", helper classes, and the class itself.
void append_module(std::vector<std::string>& parts, const std::string& source) {
  for (std::string part : base::split(source, kBlank)) {
    part.erase(part.find_last_not_of('\n') + 1);
    if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
  }
}

// Slots and the classes that stand for them, in the order in which load() returns them.
using ModuleClasses = std::vector<std::pair<std::string, std::string>>;

template <class Text>
std::string listed(const ModuleClasses& classes, const Text& text) {
  std::string list;
  for (const auto& each : classes) list += (list.empty() ? "" : ", ") + text(each);
  return list;
}

std::string loader(const std::string& weights, const ModuleClasses& classes) {
  return "def load(path=None):\n"
         "    \"\"\"The trained " +
         listed(classes, [](const auto& each) { return each.first; }) +
         ", in evaluation mode. path: the weights; by default those beside this file.\"\"\"\n"
         "    state = torch.load(path or pathlib.Path(__file__).with_name(" +
         base::python_literal(weights) +
         "), weights_only=True)\n\n"
         "    def filled(slot, module):\n"
         "        own = {k[len(slot) + 1:]: v for k, v in state.items() if k.startswith(slot + \".\")}\n"
         "        dtype = next(iter(own.values())).dtype if own else torch.float32\n"
         "        module.to(dtype).load_state_dict(own)\n"
         "        return module.eval()\n\n"
         "    return " +
         listed(classes,
                [](const auto& each) {
                  return "filled(" + base::python_literal(each.first) + ", " + each.second + "())";
                }) +
         "\n";
}

// Returns "mean (10), log-variance (10)": what a network's outputs mean, as the component that takes them says; else
// `other`.
std::string meanings(const Component& taker, int64_t latent, const std::string& other) {
  const auto* names = ability<NamesOutputs>(taker);
  if (!names) return other;
  std::string text;
  for (const OutputPart& part : names->output_parts(latent))
    if (part.size > 0) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", part.meaning, part.size);
  return text;
}

std::string python_source(const std::string& weights, const Model& model, const ModuleClasses& classes,
                          std::vector<std::string> parts) {
  std::string text = fmt::format(
      "\"\"\"Networks of a trained Variform model for PyTorch; the weights are in a file beside this one.\n\n"
      "    {} = load()\n\n"
      "Data are {} each, latents have {} dimensions.\n\n"
      "encoder(x): for family {}, in columns: {}.\n"
      "decoder(z): for likelihood {}, of each value, slow index first: {}.\n\"\"\"\nimport pathlib\n\n",
      listed(classes, [](const auto& each) { return each.first; }), to_text(model.data), model.latent,
      model.label(Kind::kFamily), meanings(model.family(), model.latent, "the parameters of q(z|x)"),
      model.label(Kind::kLikelihood),
      meanings(model.likelihood(), model.latent,
               fmt::format("its natural parameters ({})", model.likelihood().outputs())));
  parts.push_back(loader(weights, classes));
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i ? kBlank : "") + parts[i];
  return text;
}

}  // namespace

Exported export_weights(model::Session& session, const std::filesystem::path& file) {
  std::filesystem::path weights = file;
  if (weights.extension() != ".pt") weights += ".pt";
  Model& model = session.assembly->model();

  exports::NamedTensors state;
  for (const auto& [path, tensor] : session.assembly->state())
    state.emplace_back(outer_name(path), tensor.detach());
  exports::write_torch_file(weights, state, {{"config", config::print(session.experiment.resolved)}});
  Exported exported{{weights}, {}};

  ModuleClasses classes;
  std::vector<std::string> parts;
  for (const auto& [kind, name] :
       {std::pair{Kind::kEncoder, "Encoder"}, std::pair{Kind::kDecoder, "Decoder"}}) {
    const std::shared_ptr<Component> component = model.component(kind);
    const std::optional<std::string> attribute = attribute_of(*component);
    if (!attribute) {
      exported.notes.push_back(
          std::string(to_string(kind)) + " " + model.label(kind) +
          " is not made of variform/nn layers alone: its weights were exported without Python source.");
      continue;
    }
    append_module(parts,
                  nn::python_module(*network_of(*component), name, *attribute, is_conditioned(*component)));
    classes.emplace_back(to_string(kind), name);
  }
  if (classes.empty()) return exported;
  const std::filesystem::path source = std::filesystem::path(weights).replace_extension(".py");
  const std::string text = python_source(weights.filename().string(), model, classes, parts);
  base::commit(std::as_bytes(std::span(text)), source);
  exported.files.push_back(source);
  return exported;
}

}  // namespace variform::exports
