#pragma once
// A second model of the same components that computes with the same parameters and buffers, for another thread:
// components are called by one thread at a time.

#include <memory>
#include <string>
#include <vector>

#include "model/assembly.h"

namespace variform::train {

/// A model that follows another one. It has components, schedules and a generator of its own.
class Replica {
 public:
  /// Builds it. Throws variform::Error when it does not give the bits of the original on `rows`.
  Replica(model::Assembly& original, const Batch& rows);

  model::Assembly& assembly() { return *own_; }
  /// Takes the original's memory again where that has moved. Cheap.
  void follow();

 private:
  struct Pair {
    Tensor theirs, own;
  };
  model::Assembly& original_;
  std::unique_ptr<model::Assembly> own_;
  std::vector<Pair> state_;
};

/// Says which buffer of a model was written to since it was made.
class WatchedBuffers {
 public:
  explicit WatchedBuffers(const model::Assembly& assembly);
  /// Forgets what was written until now.
  void begin();
  /// Throws variform::Error naming component and buffer when one has been written to since begin().
  void require_unwritten() const;

 private:
  struct Buffer {
    std::string name;  // "decoder mlp (org.variform.decoders 1.0.0) changes its buffer 'u'"
    Tensor tensor;
    int64_t version = 0;
  };
  std::vector<Buffer> buffers_;
};

}  // namespace variform::train
