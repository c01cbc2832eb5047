// The whole state of a run as data: named texts and named tensors, written to and read from one file.
// Knows nothing of models. The file is described in docs/checkpoint_format.md.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"

namespace variform::checkpoint {

constexpr int kFormatVersion = 1;

struct Snapshot {
  // UTF-8 of any length, without zero bytes: resolved config, plugins, ... Names: see Snapshot::tensors,
  // without '/'.
  std::map<std::string, std::string> attributes;
  // By path, such as "model/encoder/parameters/net.0.weight": no control characters, no empty or "." part, no
  // path that is a folder of another. float32, float64, bfloat16, int64, int32, uint8, bool; any shape; any
  // device and strides (read gives contiguous CPU tensors).
  std::map<std::string, at::Tensor> tensors;
};

// A checkpoint file as pieces of memory, one after the other; most of them are the tensors' own.
struct Composed {
  std::vector<std::span<const std::byte>> pieces;
  std::shared_ptr<const void> owner;  // of what the pieces point to
};

// The two halves of write(): the first needs the tensors, the second, commit() of file.h, only the disk. The same snapshot
// gives the same bytes. Throws Error for a snapshot that the format cannot hold. While the result lives, contiguous CPU
// tensors of the snapshot must stay as they are.
Composed compose(const Snapshot& snapshot);
// The pieces joined.
std::vector<std::byte> compose_bytes(const Snapshot& snapshot);

// compose(), then commit().
void write(const Snapshot& snapshot, const std::filesystem::path& path);

// The other way round. Throw Error, naming the file, if it is missing, damaged, foreign, or of a newer
// format; an older format is brought up to date. `name` stands for the file in messages.
Snapshot parse(std::span<const std::byte> file, const std::string& name);
Snapshot read(const std::filesystem::path& path);

// What brings a snapshot of format n (the key) to format n + 1.
using Upgrades = std::map<int, std::function<void(Snapshot&)>>;

// Those of this program; parse() applies them. Empty while there is one format only.
Upgrades upgrades();

// Applies the steps from, from + 1, ..., to - 1. Throws Error, naming the file, if one is not in `steps`.
void upgrade(Snapshot& snapshot, int from, int to, const Upgrades& steps, const std::string& name);

struct Expected {
  std::vector<std::int64_t> shape;
  at::ScalarType dtype;
};

// Holds the tensors whose path begins with `prefix` against `expected` (keys without the prefix). Empty if
// they are the same; else one message with everything missing, unexpected, or of another shape or type.
std::string compare(const std::map<std::string, Expected>& expected, const Snapshot& snapshot,
                    std::string_view prefix);

}  // namespace variform::checkpoint
