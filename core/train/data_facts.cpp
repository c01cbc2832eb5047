// See data_facts.h.

#include "train/data_facts.h"

#include <ATen/ATen.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "data/fingerprint.h"

namespace variform::train {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// { shape, values }: float32 and float64 survive the way through decimal digits.
json constants_json(const Tensor& tensor) {
  const Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous();
  return {{"shape", flat.sizes().vec()},
          {"values",
           std::vector<double>(flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel())}};
}

Tensor constants_of(const json& constants) {
  return at::tensor(constants.at("values").get<std::vector<double>>(), at::kDouble)
      .reshape(constants.at("shape").get<Shape>());
}

}  // namespace

DataFacts facts_of(const data::Splits& splits, Shape shape, std::int64_t rows, const std::string& domain) {
  const data::Dataset& train = splits.train;
  DataFacts facts{splits.name, domain, std::move(shape), rows, splits.validation.size(), splits.test.size()};
  facts.mean = train.mean();
  facts.sd = train.sd();
  facts.are_bytes = train.size() > 0 && train.stored().scalar_type() == at::kByte;
  facts.class_names = train.class_names;
  facts.factor_names = train.factor_names;
  facts.fingerprint = splits.fingerprint;
  return facts;
}

std::string to_json(const DataFacts& facts) {
  json result = {{"name", facts.name},
                 {"rows", facts.rows},
                 {"validation_rows", facts.validation_rows},
                 {"test_rows", facts.test_rows},
                 {"bytes", facts.are_bytes}};
  if (facts.mean.defined())
    result["standardised"] = {{"mean", constants_json(facts.mean)}, {"sd", constants_json(facts.sd)}};
  if (!facts.fingerprint.empty()) result["fingerprint"] = facts.fingerprint;
  if (!facts.class_names.empty()) result["class_names"] = facts.class_names;
  if (!facts.factor_names.empty()) result["factor_names"] = facts.factor_names;
  return result.dump();
}

std::optional<DataFacts> facts_in(const std::map<std::string, std::string>& attributes) {
  for (const char* name : {"data", "data_shape", "data_domain"})
    if (!attributes.contains(name)) return {};
  const json found = json::parse(attributes.at("data"));
  DataFacts facts{
      found.at("name"), attributes.at("data_domain"), json::parse(attributes.at("data_shape")).get<Shape>(),
      found.at("rows"), found.at("validation_rows"),  found.at("test_rows")};
  facts.are_bytes = found.at("bytes");
  if (found.contains("standardised")) {
    facts.mean = constants_of(found.at("standardised").at("mean"));
    facts.sd = constants_of(found.at("standardised").at("sd"));
  }
  facts.class_names = found.value("class_names", std::vector<std::string>());
  facts.fingerprint = found.value("fingerprint", std::string());
  facts.factor_names = found.value("factor_names", std::vector<std::string>());
  return facts;
}

std::string changed_data(const DataFacts& trained_on, const DataFacts& now) {
  if (trained_on.fingerprint.empty() || now.fingerprint.empty() || trained_on.fingerprint == now.fingerprint)
    return "";
  std::string sizes;
  if (trained_on.rows != now.rows)
    sizes = ", " + std::to_string(trained_on.rows) + " rows for training then, " + std::to_string(now.rows) +
            " now";
  return "the data set \"" + now.name +
         "\" is not what the run was trained on: the files hold other values (fingerprint " +
         trained_on.fingerprint.substr(0, 8) + " then, " + now.fingerprint.substr(0, 8) + " now" + sizes +
         ").";
}

json data_files_json(const data::Splits& splits) {
  json files = json::array();
  for (const fs::path& path : splits.paths) {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    files.push_back({{"path", fs::absolute(path).lexically_normal().string()},
                     {"bytes", fs::file_size(path, error)},
                     {"modified", fs::last_write_time(path, error).time_since_epoch().count()},
                     {"fingerprint", data::fingerprint_of_file(path)}});
  }
  return files;
}

std::string changed_data_files(const fs::path& run) {
  std::ifstream file(run / "environment.json");
  const json environment = json::parse(file, nullptr, /*allow_exceptions=*/false);
  const auto files = environment.is_object() ? environment.find("data_files") : environment.end();
  if (!environment.is_object() || files == environment.end() || !files->is_array()) return "";
  for (const json& entry : *files) {
    if (!entry.is_object()) continue;
    const fs::path path = entry.value("path", std::string());
    std::error_code error;
    const auto modified = fs::last_write_time(path, error).time_since_epoch().count();
    if (error || modified == entry.value("modified", std::int64_t{0})) continue;
    const auto bytes = static_cast<std::int64_t>(fs::file_size(path, error));
    if (bytes != entry.value("bytes", std::int64_t{0}) ||
        data::fingerprint_of_file(path) != entry.value("fingerprint", std::string()))
      return "the data file " + path.string() + " is not what the run " + run.filename().string() +
             " was trained on: it has been changed since.";
  }
  return "";
}

Tensor stand_ins(const DataFacts& facts, std::int64_t n, const at::TensorOptions& options) {
  Shape shape{n};
  shape.insert(shape.end(), facts.shape.begin(), facts.shape.end());
  return at::full(shape, facts.domain == "unit interval" ? 0.5 : 0.0, options);
}

}  // namespace variform::train
