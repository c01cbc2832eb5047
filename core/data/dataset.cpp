// See dataset.h.

#include "data/dataset.h"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include "base/mapped.h"

namespace variform::data {
namespace {

void check_rows(const at::Tensor& column, std::int64_t rows, const char* what) {
  if (column.defined() && (column.dim() < 1 || column.size(0) != rows))
    throw std::invalid_argument(fmt::format("a data set of {} data needs as many rows of {}, found {}.", rows,
                                            what, column.dim() < 1 ? 0 : column.size(0)));
}

/// Returns the tensor on the device, or unchanged when the device's memory is too small for it.
at::Tensor moved(const at::Tensor& tensor, at::Device device) {
  if (!tensor.defined()) return tensor;
  try {
    return tensor.to(device);
  } catch (const c10::OutOfMemoryError&) {
    return tensor;
  }
}

/// Returns rows of a column on the device: selected there, or on the host where the device's memory is too small.
at::Tensor selected(const at::Tensor& column, const at::Tensor& index, at::Device device) {
  return sent(column.index_select(0, sent(index, column.device())), device);
}

}  // namespace

at::Tensor sent(const at::Tensor& tensor, at::Device device) {
  if (!tensor.is_cpu() || device.is_cpu()) return tensor.to(device);
  return tensor.pin_memory().to(device, /*non_blocking=*/true);
}

Dataset::Dataset(Columns columns, Transform transform, std::string domain, at::Device device,
                 at::ScalarType type)
    : columns_(std::move(columns)),
      transform_(std::move(transform)),
      domain_(std::move(domain)),
      device_(device),
      type_(type) {
  if (!columns_.x.defined() || columns_.x.dim() < 2)
    throw std::invalid_argument("a data set needs x of shape [N, data...].");
  columns_.for_each([&](at::Tensor& column, const char* what) {
    const bool is_x = &column == &columns_.x;
    if (!is_x) check_rows(column, size(), what);
    if (!is_x || !columns_.in_place) column = moved(column, device_);
  });
  for (at::Tensor* constant : {&transform_.mean, &transform_.sd})
    if (constant->defined()) *constant = constant->to(device_, type_);
}

Dataset Dataset::from_tensors(Columns columns, std::string domain, at::ScalarType type) {
  const at::Device device = columns.x.device();
  return Dataset(std::move(columns), {}, std::move(domain), device, type);
}

Shape Dataset::shape() const {
  if (!columns_.x.defined()) return {};
  return columns_.x.sizes().slice(1).vec();
}

at::Tensor Dataset::gather(const at::Tensor& index, at::Generator* generator) const {
  if (needs_generator() && generator == nullptr)
    throw std::invalid_argument("dequantised or dynamically binarised data need a generator.");
  at::Tensor rows = stored_rows(index).to(type_);  // [B, data…], a copy
  const auto uniform = [&] { return at::rand(rows.sizes(), *generator, rows.options()); };
  if (transform_.dequantise) rows.add_(uniform()).div_(256);
  else if (transform_.divide_by_255) rows.div_(255);
  if (transform_.draw_binary) rows = uniform().lt_(rows);
  if (transform_.mean.defined()) rows.sub_(transform_.mean).div_(transform_.sd);
  if (has_missing()) rows.masked_fill_(gather_mask(index).logical_not(), 0);
  return rows;
}

at::Tensor Dataset::stored_rows(const at::Tensor& index) const {
  if (!columns_.in_place) return selected(columns_.x, index, device_);
  const at::Tensor places = places_of(index);
  const bool are_neighbours = places.size(0) > 1 && (places.diff() == 1).all().item<bool>();
  if (are_neighbours) foresee(index);  // as when all rows are read; for drawn ones that is done a step before
  const at::Tensor values = columns_.x.index_select(0, places);
  base::forget(columns_.x.storage().data(), columns_.x.storage().nbytes());
  return sent(values, device_);
}

at::Tensor Dataset::places_of(const at::Tensor& index) const {
  const at::Tensor here = index.to(at::kCPU);
  return columns_.rows.defined() ? columns_.rows.index_select(0, here) : here;
}

void Dataset::foresee(const at::Tensor& index) const {
  if (!columns_.in_place) return;
  const at::Tensor places = places_of(index).contiguous();
  const auto* x = static_cast<const std::byte*>(columns_.x.const_data_ptr());
  const std::size_t stride = static_cast<std::size_t>(columns_.x.stride(0)) * columns_.x.element_size();
  const std::int64_t *place = places.const_data_ptr<std::int64_t>(), *const end = place + places.size(0);
  while (place != end) {
    const std::int64_t* last = place + 1;  // of a run of neighbours
    while (last != end && *last == last[-1] + 1) ++last;
    base::foresee(x + static_cast<std::size_t>(*place) * stride,
                  static_cast<std::size_t>(last - place) * stride);
    place = last;
  }
}

const at::Tensor& Dataset::stored() const {
  if (columns_.in_place)
    throw std::logic_error("values that are left in their file were asked for as a whole");
  return columns_.x;
}

bool Dataset::is_same_as(const Dataset& other) const {
  return columns_.x.defined() && other.columns_.x.defined() &&
         columns_.x.const_data_ptr() == other.columns_.x.const_data_ptr() && size() == other.size() &&
         columns_.rows.is_same(other.columns_.rows);
}

at::Tensor Dataset::gather_column(const at::Tensor& column, const at::Tensor& index) const {
  if (!column.defined()) return {};
  return selected(column, index, device_);
}

at::Tensor Dataset::gather_condition(const at::Tensor& index) const {
  if (!columns_.condition.defined()) return {};
  const at::Tensor rows = selected(columns_.condition, index, device_);
  return (classes_ > 0 ? at::one_hot(rows, classes_) : rows).to(type_);
}

std::int64_t Dataset::condition_size() const {
  if (!columns_.condition.defined()) return 0;
  return classes_ > 0 ? classes_ : columns_.condition.size(1);
}

Dataset Dataset::conditioned(at::Tensor condition, std::int64_t classes) const {
  check_rows(condition, size(), "the condition");
  Dataset result = *this;
  result.columns_.condition = moved(condition, device_);
  result.classes_ = classes;
  return result;
}

Dataset Dataset::slice(std::int64_t first, std::int64_t count) const {
  Dataset part = *this;
  const bool are_listed = columns_.rows.defined();
  if (are_listed) part.columns_.rows = columns_.rows.narrow(0, first, count);
  part.columns_.for_each([&](at::Tensor& column, const char*) {
    if (column.defined() && !(are_listed && &column == &part.columns_.x))
      column = column.narrow(0, first, count);
  });
  return part;
}

Dataset Dataset::select(const at::Tensor& index) const {
  Dataset part = *this;
  if (columns_.in_place) part.columns_.rows = places_of(index);
  part.columns_.for_each([&](at::Tensor& column, const char*) {
    if (column.defined() && !(columns_.in_place && &column == &part.columns_.x))
      column = column.index_select(0, sent(index, column.device()));
  });
  return part;
}

bool are_of_one_class(const Dataset& data, std::int64_t first, std::int64_t count) {
  const at::Tensor& labels = data.labels();
  if (!labels.defined() || count < 2 || first + count > data.size()) return false;
  return labels.narrow(0, first, count).eq(labels[first]).all().item<bool>() &&
         !labels.eq(labels[first]).all().item<bool>();
}

Dataset Dataset::standardised(at::Tensor mean, at::Tensor sd) const {
  Dataset result = *this;
  result.transform_.mean = mean.to(device_, type_);
  result.transform_.sd = sd.to(device_, type_);
  result.domain_ = "real";
  return result;
}

}  // namespace variform::data
