#pragma once
// A folder for one test, and in it a study whose evaluations say what the test makes them say.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "config/load.h"
#include "study/results.h"
#include "study/specs.h"

namespace variform::study {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "variform-report-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Cells and comparisons are added one by one, then read back.
class FakeStudy {
 public:
  /// A run with these labels and its evaluation "final".
  void add(const study::Labels& labels, const nlohmann::json& evaluation, const std::string& config = "",
           const std::string& stage = "main") {
    nlohmann::json& cell = add_cell(stage, labels, config);
    add_evaluation(cell, "final", "end", evaluation);
  }
  nlohmann::json& add_cell(const std::string& stage, const study::Labels& labels,
                           const std::string& config = "") {
    const std::string run = "run-" + std::to_string(study_["cells"].size() + 1);
    std::filesystem::create_directories(folder_ / ("runs/" + run));
    std::ofstream(folder_ / ("runs/" + run + "/config.resolved.toml")) << config;
    nlohmann::json cell = {{"stage", stage}, {"labels", nlohmann::json::array()},
                           {"run", run},     {"hash", "h" + run},
                           {"seed", 1},      {"evaluations", nlohmann::json::array()}};
    for (const auto& [axis, label] : labels) {
      cell["labels"].push_back({axis, label});
      if (axis == "seed") cell["seed"] = std::stoi(label);
    }
    study_["cells"].push_back(std::move(cell));
    return study_["cells"].back();
  }
  void add_evaluation(nlohmann::json& cell, const std::string& name, const nlohmann::json& epoch,
                      const nlohmann::json& evaluation) {
    const std::string file = name + "-" + epoch.dump() + ".json";
    std::ofstream(folder_ / ("runs/" + cell["run"].get<std::string>()) / file) << evaluation;
    cell["evaluations"].push_back({{"name", name}, {"epoch", epoch}, {"file", file}});
  }
  void add_comparison(const study::Labels& labels, const nlohmann::json& result) {
    const std::string file = "comparison-" + std::to_string(study_["comparisons"].size()) + ".json";
    std::filesystem::create_directories(folder_ / "study");
    std::ofstream(folder_ / ("study/" + file)) << result;
    nlohmann::json entry = {
        {"name", "seeds"}, {"stage", "main"}, {"labels", nlohmann::json::array()}, {"file", file}};
    for (const auto& [axis, label] : labels) entry["labels"].push_back({axis, label});
    study_["comparisons"].push_back(entry);
  }

  study::StudyResults read() const {
    std::filesystem::create_directories(folder_ / "study");
    std::ofstream(folder_ / "study/study.json") << study_;
    return study::read_study(folder_ / "study", folder_ / "runs");
  }
  const Folder& folder() const { return folder_; }

 private:
  Folder folder_;
  nlohmann::json study_ = {{"name", "s"},
                           {"title", "S"},
                           {"cells", nlohmann::json::array()},
                           {"comparisons", nlohmann::json::array()}};
};

/// { NAME -> { mean, se } } as evaluations have it.
inline nlohmann::json values_of(const std::vector<std::pair<std::string, double>>& means) {
  nlohmann::json values;
  for (const auto& [name, mean] : means) values[name] = {{"mean", mean}, {"se", 0.25}};
  return values;
}

/// The array `key` of a config's [study], and what reading it said.
template <class Read>
auto read_from(const std::string& toml, const std::string& key, const Read& read,
               config::Diagnostics& diagnostics) {
  const config::Node root = config::parse(toml, "study.toml", diagnostics);
  const config::Node* study = root.find("study");
  REQUIRE(study != nullptr);
  REQUIRE(study->find(key) != nullptr);
  return read(*study->find(key), std::vector<std::string>{"model.family.type", "objective.beta", "seed"},
              diagnostics);
}
template <class Read>
auto read_from(const std::string& toml, const std::string& key, const Read& read) {
  config::Diagnostics diagnostics;
  auto specs = read_from(toml, key, read, diagnostics);
  CHECK(diagnostics.render() == "");
  return specs;
}
template <class Read>
std::string errors_of(const std::string& toml, const std::string& key, const Read& read) {
  config::Diagnostics diagnostics;
  read_from(toml, key, read, diagnostics);
  return diagnostics.render();
}

/// The one figure of a study that is called "f", from the rest of its table.
inline study::FigureSpec figure(const std::string& toml) {
  return read_from("[[study.figures]]\nname = \"f\"\n" + toml, "figures", read_figures).at(0);
}

}  // namespace variform::study
