#pragma once
// Context: what is known of a batch's rows beside x.

#include <variform/types.h>

#include <memory>

namespace variform {
inline namespace v2 {

/// What is known of the rows of a batch beside x. All tensors lie on the model's device; what the data do not have is
/// undefined. A component that uses none of it leaves the argument without a name.
struct Context {
  Tensor labels{};  ///< [B] int64, the classes; undefined where the data have none
  Tensor
      condition{};  ///< [B, c] in the model's dtype: what the model is conditioned on; undefined where it is not
  Tensor
      mask{};  ///< [B, data…] bool, true where a value was observed; x is 0 elsewhere; undefined where all were observed
  Tensor index{};  ///< [B] int64, row numbers in the data set; undefined for rows that come from no data set
  /// Room for what a later release knows of rows, so that this class keeps its size. Empty today, and not for plugins.
  std::shared_ptr<const void> more{};

  /// Every row K times, [K·B, …] with the K copies of the batch one after another: the rows of z [K, B, d] as [K·B, d].
  VARIFORM_API Context repeated(int64_t K) const;
  /// Rows first to first + count − 1.
  VARIFORM_API Context rows(int64_t first, int64_t count) const;
};

}  // namespace v2
}  // namespace variform
