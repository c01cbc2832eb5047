#pragma once
// The tensor types that a checkpoint and an export can hold, in one table.

#include <ATen/core/Tensor.h>

#include <array>

namespace variform::checkpoint {

struct Dtype {
  at::ScalarType type;
  const char* name;           // as in messages, in the content checksum, and in Python
  const char* torch_storage;  // class in Python's torch module
};

constexpr std::array<Dtype, 7> kDtypes = {{{at::kFloat, "float32", "FloatStorage"},
                                           {at::kDouble, "float64", "DoubleStorage"},
                                           {at::kBFloat16, "bfloat16", "BFloat16Storage"},
                                           {at::kLong, "int64", "LongStorage"},
                                           {at::kInt, "int32", "IntStorage"},
                                           {at::kByte, "uint8", "ByteStorage"},
                                           {at::kBool, "bool", "BoolStorage"}}};

// Null for a type that is not in the table.
constexpr const Dtype* find_dtype(at::ScalarType type) {
  for (const Dtype& dtype : kDtypes) {
    if (dtype.type == type) return &dtype;
  }
  return nullptr;
}

}  // namespace variform::checkpoint
