#pragma once
// What grey a colour becomes, for data that are loaded and for images that are imported.

namespace variform::data {

/// Returns the luma of Rec. 601, in the unit of its arguments: numbers, or tensors of equal shapes.
template <class T>
auto luma(const T& red, const T& green, const T& blue) {
  return red * 0.299 + green * 0.587 + blue * 0.114;
}

}  // namespace variform::data
