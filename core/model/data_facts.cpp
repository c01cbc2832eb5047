// See data_facts.h.

#include "model/data_facts.h"

#include <fmt/format.h>

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

#include "base/json_file.h"
#include "config/run_environment.h"
#include "data/fingerprint.h"
#include "model/checkpoints.h"

namespace variform::model {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// Returns { shape, values }. float32 and float64 are read back exactly from their decimal digits.
json constants_json(const Tensor& tensor) {
  const Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous();
  return {{"shape", flat.sizes().vec()},
          {"values",
           std::vector<double>(flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel())}};
}

Tensor constants_of(const base::JsonValue& constants) {
  Shape shape;
  std::int64_t count = 1;
  for (const base::JsonValue& side : constants.at("shape").elements()) {
    shape.push_back(side.integer(0, 1 << 30));
    count *= shape.back();
  }
  std::vector<double> values;
  for (const base::JsonValue& value : constants.at("values").elements()) values.push_back(value.number());
  if (count != static_cast<std::int64_t>(values.size())) constants.fail("as many values as its shape says");
  return at::tensor(values, at::kDouble).reshape(shape);
}

}  // namespace

DataFacts facts_of(const data::Splits& splits, Shape shape, std::int64_t rows, const std::string& domain) {
  const data::Dataset& train = splits.train;
  DataFacts facts{splits.name, domain, std::move(shape), rows, splits.validation.size(), splits.test.size()};
  facts.mean = train.mean();
  facts.sd = train.sd();
  facts.are_bytes = train.size() > 0 && train.stored_type() == at::kByte;
  facts.class_names = train.class_names;
  facts.factor_names = train.factor_names;
  facts.condition = splits.condition;
  for (const data::Dataset* part : {&splits.train, &splits.validation, &splits.test})
    facts.has_missing = facts.has_missing || part->has_missing();
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
  if (const data::Condition& known = facts.condition; known.size > 0) {
    result["condition"] = {{"on", known.on}, {"size", known.size}};
    if (!known.mean.empty()) result["condition"].update({{"mean", known.mean}, {"sd", known.sd}});
  }
  if (facts.has_missing) result["missing"] = true;
  if (!facts.fingerprint.empty()) result["fingerprint"] = facts.fingerprint;
  if (!facts.class_names.empty()) result["class_names"] = facts.class_names;
  if (!facts.factor_names.empty()) result["factor_names"] = facts.factor_names;
  return result.dump();
}

std::optional<DataFacts> facts_in(const std::map<std::string, std::string>& attributes) {
  for (const char* name : {"data", "data_shape", "data_domain"})
    if (!attributes.contains(name)) return {};
  const base::JsonFile file(attributes.at("data"), "the checkpoint's attribute data");
  const base::JsonValue found = file.root();
  const auto texts = [&](const char* key) {
    std::vector<std::string> all;
    if (const auto list = found.find(key))
      for (const base::JsonValue& entry : list->elements()) all.push_back(entry.text());
    return all;
  };
  DataFacts facts{found.at("name").text(),
                  attributes.at("data_domain"),
                  shape_in(attributes.at("data_shape")),
                  found.at("rows").integer(0),
                  found.at("validation_rows").integer(0),
                  found.at("test_rows").integer(0)};
  facts.are_bytes = found.at("bytes").flag();
  if (const auto constants = found.find("standardised")) {
    facts.mean = constants_of(constants->at("mean"));
    facts.sd = constants_of(constants->at("sd"));
  }
  if (const auto condition = found.find("condition")) {
    const auto numbers = [&](const char* key) {
      std::vector<double> all;
      if (const auto list = condition->find(key))
        for (const base::JsonValue& entry : list->elements()) all.push_back(entry.number());
      return all;
    };
    facts.condition = {condition->at("on").text(), condition->at("size").integer(1), numbers("mean"),
                       numbers("sd")};
  }
  if (const auto missing = found.find("missing")) facts.has_missing = missing->flag();
  facts.class_names = texts("class_names");
  if (const auto fingerprint = found.find("fingerprint")) facts.fingerprint = fingerprint->text();
  facts.factor_names = texts("factor_names");
  return facts;
}

std::string changed_data(const DataFacts& trained_on, const DataFacts& now) {
  if (trained_on.fingerprint.empty() || now.fingerprint.empty() || trained_on.fingerprint == now.fingerprint)
    return "";
  std::string sizes;
  if (trained_on.rows != now.rows)
    sizes = fmt::format(", {} rows for training then, {} now", trained_on.rows, now.rows);
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
  for (const config::RunEnvironment::DataFile& entry : config::environment_of(run).data_files) {
    const fs::path path = entry.path;
    std::error_code error;
    const auto modified = fs::last_write_time(path, error).time_since_epoch().count();
    if (error || modified == entry.modified) continue;
    const auto bytes = static_cast<std::int64_t>(fs::file_size(path, error));
    if (bytes != entry.bytes || data::fingerprint_of_file(path) != entry.fingerprint)
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

}  // namespace variform::model
