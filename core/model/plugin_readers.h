#pragma once
// Readers that plugins bring (kind "reader"), for whoever opens data sets.

#include <memory>

#include "data/other_readers.h"

namespace variform::plugins {
class Registry;
}

namespace variform::model {

/// The readers of a registry, which must outlive them. Loads plugins that have readers when a file is of no format of
/// the program's own, or a description names one of theirs. Not thread-safe.
std::unique_ptr<data::OtherReaders> plugin_readers(const plugins::Registry& registry);

}  // namespace variform::model
