#pragma once
// The whole state of a run as data: named texts and named tensors, written to and read from one file. Knows nothing
// about models. docs/checkpoint_format.md describes the file.

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

#include "base/error.h"
#include "base/whole_file.h"

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

// A checkpoint file being made, whose checksums are computed while the caller does other work. The same snapshot gives
// the same bytes.
class Composition {
 public:
  // Throws Error for a snapshot that the format cannot hold. While this lives, contiguous CPU tensors of the snapshot
  // must not change: they are not copied.
  explicit Composition(const Snapshot& snapshot);
  ~Composition();  // waits for the checksums
  Composition(const Composition&) = delete;
  Composition& operator=(const Composition&) = delete;

  std::uint64_t size() const;                        // of the file
  const std::vector<base::Placed>& tensors() const;  // large tensors' own memory, with its place in the file
  std::vector<base::Placed> rest();                  // everything else; waits for the checksums

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Returns the file's bytes.
std::vector<std::byte> compose_bytes(const Snapshot& snapshot);

// Writes the file by base::commit().
void write(Composition& composition, const std::filesystem::path& path);
void write(const Snapshot& snapshot, const std::filesystem::path& path);

// Reads a snapshot. Throws Error, naming the file, if it is missing, damaged, foreign, or of a newer format; an older
// format is upgraded. `name` stands for the file in messages.
Snapshot parse(std::span<const std::byte> file, const std::string& name);
Snapshot read(const std::filesystem::path& path);

// The step from format n (the key) to format n + 1.
using Upgrades = std::map<int, std::function<void(Snapshot&)>>;

// The steps of this program, which parse() applies. Empty while there is only one format.
Upgrades upgrades();

// Applies the steps from, from + 1, ..., to - 1. Throws Error, naming the file, if one is not in `steps`.
void upgrade(Snapshot& snapshot, int from, int to, const Upgrades& steps, const std::string& name);

struct Expected {
  std::vector<std::int64_t> shape;
  at::ScalarType dtype;
};

// Compares the tensors whose path begins with `prefix` with `expected` (keys without the prefix). Returns empty text if
// they match, else one message with everything missing, unexpected, or of another shape or type.
std::string compare(const std::map<std::string, Expected>& expected, const Snapshot& snapshot,
                    std::string_view prefix);

}  // namespace variform::checkpoint
