#pragma once
// Reads the sections of an experiment, one function each; internal to core/config. Each reads the value under `key` of
// the given reader and puts it, with its defaults, into that reader's resolved table.

#include <optional>
#include <string>
#include <string_view>

#include "config/experiment.h"
#include "config/reader.h"

namespace variform::config {

OptimizerSpec read_optimizer(Reader& parent, std::string_view key);

/// `fresh`: the data have no end, hence no epochs.
TrainSpec read_train(Reader& root, bool fresh);

DataSpec read_data(Reader& root, const Catalog& catalog, const CheckDataset& check_dataset);

/// Decides which of a slot's own keys are allowed besides `type`, `plugin` and `from`.
enum class Place { kSlot, kData, kParameter };

/// Reads the component under `key`; returns nothing (an error if `required`) if it is absent.
std::optional<ComponentSpec> read_component(Reader& parent, std::string_view key, Kind kind, Place place,
                                            const Catalog& catalog, bool required);

}  // namespace variform::config
