#pragma once
// What a checkpoint keeps of a run's data besides the model: enough to build the model again, and to show what it
// makes, where the data are not.

#include <variform/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace variform::model {

struct DataFacts {
  std::string name;    ///< of the data set; empty: drawn afresh from a model
  std::string domain;  ///< "real", "unit interval", "binary", "count" or "categorical"
  Shape shape;         ///< of a datum
  /// Rows that are trained on, or of a nominal epoch: the length of a training follows.
  std::int64_t rows = 0;
  std::int64_t validation_rows = 0, test_rows = 0;
  Tensor mean = {}, sd = {};                                     ///< of standardised data; else undefined
  bool are_bytes = false;                                        ///< stored from 0 to 255
  std::vector<std::string> class_names = {}, factor_names = {};  ///< may be empty
  std::string fingerprint =
      {};  ///< of all that was read (data/fingerprint.h); empty: not from files, or not known
};

/// Of a session's splits; `rows`, `shape` and `domain` are those of its batches.
DataFacts facts_of(const data::Splits& splits, Shape shape, std::int64_t rows, const std::string& domain);

/// A sentence when both know what was read, and it is not the same; else empty.
std::string changed_data(const DataFacts& trained_on, const DataFacts& now);

/// For environment.json: the files that were read, with what tells whether they are still the same.
nlohmann::json data_files_json(const data::Splits& splits);
/// A sentence when a file that a run's environment.json lists has other bytes now; else empty. A file that is gone, and
/// what is in a folder, is not looked at.
std::string changed_data_files(const std::filesystem::path& run);

/// For the attribute "data" of a checkpoint: all but shape and domain, which have attributes of their own.
std::string to_json(const DataFacts& facts);
/// What a checkpoint's attributes say; nothing if they are of a program that did not keep facts yet.
std::optional<DataFacts> facts_in(const std::map<std::string, std::string>& attributes);

/// Stand-ins for n training data, for components that ask for examples before their values are loaded.
Tensor stand_ins(const DataFacts& facts, std::int64_t n, const at::TensorOptions& options);

}  // namespace variform::model
