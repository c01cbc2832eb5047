#pragma once
// Components as plugins would declare them, one for each shape a parameter can have; and helpers for the
// tests.

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "config/load.h"

namespace variform::config::test {

class FakeCatalog : public Catalog {
 public:
  struct Component {
    Kind kind;
    std::string id, plugin;
    std::vector<Parameter> parameters;
  };

  FakeCatalog() {
    const std::vector<Parameter> mlp{integers("hidden", {512, 512}).at_least(1).in("units"),
                                     text("activation", "relu").one_of({"relu", "tanh", "softplus"})};
    add(Kind::kEncoder, "mlp", mlp);
    add(Kind::kEncoder, "conv", {integer("channels", 32).at_least(1).at_most(1024), flag("norm", false)});
    add(Kind::kDecoder, "mlp", mlp);
    add(Kind::kDecoder, "rotated",
        {number("angle", 0).in("radians"), component_parameter("of", Kind::kDecoder)});
    add(Kind::kFamily, "diagonal", {});
    add(Kind::kFamily, "full", {number("jitter", 1e-6).above(0)});
    add(Kind::kPrior, "gaussian", {numbers("mean", {})});
    add(Kind::kLikelihood, "gaussian", {number("variance", 1.0).above(0), flag("learned", false)});
    add(Kind::kLikelihood, "bernoulli", {});
    add(Kind::kObjective, "beta-vae", {number("beta", 1.0).at_least(0).in("nats").schedulable()});
    add(Kind::kObjective, "grae",
        {number("beta", 1.0).at_least(0).schedulable(),
         text("structure", "diagonal").one_of({"diagonal", "full"}), integer("columns", 1).at_least(1),
         text("label", "").required()});
    components_.push_back({Kind::kFamily, "twin", "org.a", {}});
    components_.push_back({Kind::kFamily, "twin", "org.b", {number("df", 5.0)}});
  }

  std::vector<Entry> find(Kind kind, std::string_view id) const override {
    std::vector<Entry> out;
    for (const Component& c : components_)
      if (c.kind == kind && c.id == id) out.push_back({c.plugin, c.parameters});
    return out;
  }
  std::vector<std::string> ids(Kind kind) const override {
    std::vector<std::string> out;
    for (const Component& c : components_)
      if (c.kind == kind && std::find(out.begin(), out.end(), c.id) == out.end()) out.push_back(c.id);
    return out;
  }
  std::string why_missing(Kind, std::string_view id) const override {
    return id == "refused" ? "old.so offers it, but was built for another LibTorch." : "";
  }

 private:
  void add(Kind kind, std::string id, std::vector<Parameter> parameters) {
    components_.push_back({kind, std::move(id), "org.test", std::move(parameters)});
  }
  std::vector<Component> components_;
};

/// A folder that goes away with the object.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "variform-config-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make a temporary folder");
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string write(const std::string& name, const std::string& text) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }
  std::string path(const std::string& name = "") const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline const std::string kValid = R"(name = "fashion-beta-vae"
seed = 1
[data]
dataset = "fashion-mnist"
[model]
latent = 16
encoder    = { type = "mlp", hidden = [512, 512] }
decoder    = { type = "mlp", hidden = [512, 512] }
family     = { type = "diagonal" }
prior      = { type = "gaussian" }
likelihood = { type = "gaussian", variance = 1.0 }
[objective]
type = "beta-vae"
beta = { schedule = "linear", from = 0.0, to = 0.5, steps = 2000 }
[train]
epochs = 20
batch = 128
optimizer = { type = "adam", lr = 1e-3 }
precision = "float32"
device = "auto"
)";

/// The text with `from` (which must be there) replaced by `to`.
inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::logic_error("not in the text: " + from);
  return text.replace(at, from.size(), to);
}

struct Outcome {
  Experiment experiment;
  Diagnostics diagnostics;
  std::string errors;
};

inline Outcome resolve_text(const std::string& text, const std::vector<std::string>& overrides = {},
                            const CheckDataset& check = {}) {
  static const FakeCatalog catalog;
  Outcome out;
  Node root = parse(text, "exp.toml", out.diagnostics);
  merge(root, parse_overrides(overrides, out.diagnostics));
  out.experiment = resolve(root, catalog, out.diagnostics, check);
  out.errors = out.diagnostics.render();
  return out;
}

/// The only error's text, or all of them if there is not exactly one.
inline std::string only_error(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const Outcome out = resolve_text(text, overrides);
  if (out.diagnostics.size() != 1) return out.errors.empty() ? "no error" : out.errors;
  const auto& entry = out.diagnostics.entries().front();
  return to_string(entry.where) + ": " + entry.message + (entry.hint.empty() ? "" : " | " + entry.hint);
}

}  // namespace variform::config::test
