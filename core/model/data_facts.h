#pragma once
// The facts about a run's data that its checkpoints keep: enough to build the model again, and to show its outputs,
// where the data are missing.

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
  Shape shape;         ///< of an example
  /// Training rows, or those of a nominal epoch. The length of a training follows from them.
  std::int64_t rows = 0;
  std::int64_t validation_rows = 0, test_rows = 0;
  Tensor mean = {}, sd = {};                                     ///< of standardised data; else undefined
  bool are_bytes = false;                                        ///< stored from 0 to 255
  std::vector<std::string> class_names = {}, factor_names = {};  ///< may be empty
  data::Condition condition = {};                                ///< what the model is conditioned on
  bool has_missing = false;                                      ///< values are missing in a split
  std::string fingerprint =
      {};  ///< of all bytes that were read (data/fingerprint.h); empty: not from files, or not known
};

/// Returns the facts of a session's splits; `rows`, `shape` and `domain` are those of its batches.
DataFacts facts_of(const data::Splits& splits, Shape shape, std::int64_t rows, const std::string& domain);

/// Returns a sentence when both fingerprints are known and differ; else nothing.
std::string changed_data(const DataFacts& trained_on, const DataFacts& now);

/// Returns the files that were read and how to recognise them again, for environment.json.
nlohmann::json data_files_json(const data::Splits& splits);
/// Returns a sentence when a file that a run's environment.json lists has changed; else nothing. Ignores files that
/// are gone, and folders.
std::string changed_data_files(const std::filesystem::path& run);

/// Returns the text of a checkpoint's attribute "data": all but shape and domain, which have separate attributes.
std::string to_json(const DataFacts& facts);
/// Reads the facts from a checkpoint's attributes; nothing if they are of a program that did not keep facts yet.
std::optional<DataFacts> facts_in(const std::map<std::string, std::string>& attributes);

/// Returns stand-ins for n training rows, for components that ask for examples before their values are loaded.
Tensor stand_ins(const DataFacts& facts, std::int64_t n, const at::TensorOptions& options);

}  // namespace variform::model
