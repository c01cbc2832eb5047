// See preparation.h.

#include "data/preparation.h"

#include <algorithm>
#include <optional>

#include <ATen/ATen.h>

#include "base/interrupt.h"
#include "base/mapped.h"
#include "data/files.h"

namespace variform::data {
namespace {

/// Whether x is [N, height, width, channels], where the description does not say.
bool looks_channels_last(const at::Tensor& x, const Shape& wanted) {
  if (x.dim() != 4) return false;
  const Shape turned{x.size(3), x.size(1), x.size(2)};
  if (!wanted.empty()) return wanted == turned && x.sizes().slice(1).vec() != wanted;
  return x.size(1) > 4 && x.size(3) <= 4;
}

}  // namespace

std::string shape_text(at::IntArrayRef shape) { return describe_shape({shape.data(), shape.size()}); }

at::Tensor shaped(at::Tensor x, const Context& context, std::vector<std::string>& notes) {
  const std::optional<bool> last = context.descriptor.channels_last;
  if (!last && looks_channels_last(x, context.descriptor.shape))
    notes.push_back(
        context.where + ": the files' " + shape_text(x.sizes().slice(1)) +
        " was taken for height x width x channels; write channels_last = false in the description if it is "
        "not.");
  if (last ? *last && x.dim() == 4 : looks_channels_last(x, context.descriptor.shape)) {
    if (context.spec.stream)
      throw ReadError(
          context.where +
          ": data.stream = true leaves the values in their file, and height x width x channels would be "
          "turned into channels x height x width in memory; store the channels first.");
    x = x.permute({0, 3, 1, 2}).contiguous();
  }
  const Shape& wanted = context.descriptor.shape;
  const auto row = x.sizes().slice(1);
  Shape shape = row.vec();
  if (row.empty()) shape = {1};
  if (row.size() == 2) shape = {1, row[0], row[1]};
  if (shape.size() != 1 && shape.size() != 3)
    throw ReadError(
        context.where +
        ": expected data of shape [values], [height, width] or [channels, height, width], found " +
        shape_text(row) + ".");
  if (!wanted.empty() && shape != wanted) {
    // Flat rows may be images. Anything else with the same number of values would be scrambled.
    const bool is_flat = shape.size() == 1 && shape[0] == c10::multiply_integers(wanted);
    if (!is_flat)
      throw ReadError(context.where + ": expected data of shape " + shape_text(wanted) + ", found " +
                      shape_text(row) + " in the files.");
    shape = wanted;
  }
  shape.insert(shape.begin(), x.size(0));
  return x.reshape(shape);
}

void visit_rows(const at::Tensor& x, bool in_place,
                const std::function<void(const at::Tensor& rows, std::int64_t first)>& visit) {
  if (!in_place) return visit(x, 0);
  constexpr std::int64_t kBytes = std::int64_t{1} << 26;
  const std::int64_t row = x.stride(0) * static_cast<std::int64_t>(x.element_size()),
                     step = std::max<std::int64_t>(kBytes / std::max<std::int64_t>(row, 1), 1);
  for (std::int64_t first = 0; first < x.size(0); first += step) {
    base::stop_if_interrupted();
    const at::Tensor rows = x.narrow(0, first, std::min(step, x.size(0) - first));
    const auto size = static_cast<std::size_t>(rows.size(0) * row);
    base::foresee(rows.const_data_ptr(), size);
    visit(rows, first);
    base::forget(rows.const_data_ptr(), size);
  }
}

std::vector<Dataset*> parts_of(Splits& splits) {
  std::vector<Dataset*> parts;
  for (Dataset* part : {&splits.train, &splits.validation, &splits.test})
    if (part->size() > 0) parts.push_back(part);
  return parts;
}

}  // namespace variform::data
