#pragma once
// Small sessions for the tests of what is done with a trained model: stock components, data drawn from a model.

#include <ATen/ATen.h>

#include "catch.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/log.h"
#include "config/load.h"
#include "model/session.h"
#include "plugins/registry.h"

namespace variform::measure::test {

/// The largest absolute value.
inline double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

/// The stock plugins of the build tree.
inline const plugins::Registry& registry() {
  static const plugins::Registry stock = [] {
    REQUIRE_FALSE(testing::environment("VARIFORM_PLUGINS").empty());  // run by ctest
    plugins::Search search;
    search.places.push_back({plugins::Origin::kBuildTree, testing::environment("VARIFORM_PLUGINS"), {}});
    return plugins::Registry(search);
  }();
  return stock;
}

inline std::unique_ptr<model::Session> open(const std::string& toml) {
  config::Diagnostics diagnostics;
  const config::Node root = config::parse(toml, "test.toml", diagnostics);
  return model::open_session(model::resolve_experiment(root, registry(), {}, diagnostics), registry(), {});
}

/// What differs between the tests' models. Data: 120 + 100 draws from a linear model with 3 latents.
struct Setup {
  std::string shape = "[7]", encoder = "linear", decoder = "linear", family = "type = \"diagonal\"",
              prior = "gaussian", objective = "type = \"beta-vae\", beta = 0.5", precision = "float64";
};

inline std::string config_of(const Setup& setup) {
  const auto typed = [](const std::string& type) { return "{ type = \"" + type + "\" }\n"; };
  return "name = \"tiny\"\nseed = 3\nobjective = { " + setup.objective + " }\n" +
         "[data.dataset]\ntype = \"model\"\nlatent = 3\nsize = 120\ntest = 100\nshape = " + setup.shape +
         "\ndecoder = " + typed("linear") + "prior = " + typed("gaussian") +
         "likelihood = { type = \"gaussian\", variance = 0.1 }\n" +
         "[model]\nlatent = 3\nencoder = " + typed(setup.encoder) + "decoder = " + typed(setup.decoder) +
         "family = { " + setup.family + " }\nprior = " + typed(setup.prior) +
         "likelihood = { type = \"gaussian\", variance = 0.3 }\n" +
         "[train]\nsteps = 10\nbatch = 16\ndevice = \"cpu\"\nprecision = \"" + setup.precision + "\"\n";
}

inline std::unique_ptr<model::Session> open(const Setup& setup) { return open(config_of(setup)); }

/// Keeps what the engine says.
class KeptLog final : public base::Log {
 public:
  void write(base::Level level, std::string_view, const std::string& text) override {
    said += (level == base::Level::kWarning ? "warning: "
             : level == base::Level::kNote  ? "note: "
                                            : "") +
            text + "\n";
  }
  bool wants(base::Level level, std::string_view) const override { return level >= least; }
  std::string said;
  base::Level least = base::Level::kInfo;
};

/// The one tensor of the model's state with this path, "model/decoder/parameters/network.0.weight".
inline at::Tensor state(model::Session& session, const std::string& path) {
  return session.assembly->state().at(path).detach();
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "variform-evaluate-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace variform::measure::test
