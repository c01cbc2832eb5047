#pragma once
// A data set in memory: compact storage (bytes stay bytes) on the device where it is used, and the transforms that turn
// stored values into the x that a model sees: scaling, dequantisation, binarisation, standardisation.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "config/experiment.h"

namespace variform::data {

using Shape = std::vector<std::int64_t>;
class OtherReaders;

/// The data of a split as tensors; all but x may be undefined.
struct Columns {
  at::Tensor x;               ///< [N, data…]: uint8, bool, int32, int64, float32 or float64
  at::Tensor labels;          ///< int64 [N]
  at::Tensor factors;         ///< [N, F]: the known generative factors
  at::Tensor latents;         ///< [N, d]: the true latents of data drawn from a model
  at::Tensor condition = {};  ///< [N, c]: what a model is conditioned on; or classes, int64 [N]
  at::Tensor mask = {};       ///< [N, data…] bool: which values were observed; undefined: all
  bool in_place = false;  ///< x is memory of a mapped file (base/mapped.h), larger perhaps than the memory
  at::Tensor rows = {};  ///< of x in place: which of its rows these are, int64 [N] on the CPU; undefined: all

  /// Calls visit(column, its name) for all of them but `rows`, defined or not.
  template <class Visit>
  void for_each(const Visit& visit) {
    visit(x, "x");
    visit(labels, "labels");
    visit(factors, "factors");
    visit(latents, "latents");
    visit(condition, "condition");
    visit(mask, "mask");
  }
};

/// Copies the tensor to the device by way of pinned memory; the host does not wait for a GPU to have it.
at::Tensor sent(const at::Tensor& tensor, at::Device device);

/// The changes that gather() makes to stored values, in this order.
struct Transform {
  bool divide_by_255 = false;  ///< bytes to [0, 1]
  bool dequantise = false;     ///< (x + u)/256, u uniform in [0, 1): instead of dividing
  bool draw_binary = false;    ///< 1 with probability x, drawn again each time
  at::Tensor mean, sd;         ///< (x − mean)/sd, [C, 1, 1] or [P]; undefined: not standardised
};

/// Immutable; copies share their tensors. x may lie in a mapped file: then it is never copied as a whole, and the memory
/// behind rows that were read is let go of.
class Dataset {
 public:
  Dataset() = default;  ///< empty: size() is 0
  /// Results have this device and floating-point type, and values in `domain`. Throws std::invalid_argument when the
  /// columns differ in their number of rows.
  Dataset(Columns columns, Transform transform, std::string domain, at::Device device, at::ScalarType type);
  /// Wraps data in memory without a transform. Labels, factors and latents are kept on x's device.
  static Dataset from_tensors(Columns columns, std::string domain, at::ScalarType type);

  std::int64_t size() const {
    const at::Tensor& rows = columns_.rows.defined() ? columns_.rows : columns_.x;
    return rows.defined() ? rows.size(0) : 0;
  }
  /// The shape of one example: [channels, height, width] or [P].
  Shape shape() const;
  /// The domain of gather()'s values: "real", "unit interval", "binary", "count" or "categorical".
  const std::string& domain() const { return domain_; }

  /// Returns the rows `index` (int64 [B], on any device) as [B, data…], 0 where a value is missing.
  /// Dequantised and dynamically binarised data draw from the generator, which must be on the data set's device; it may
  /// be null where needs_generator() is false.
  at::Tensor gather(const at::Tensor& index, at::Generator* generator = nullptr) const;
  bool needs_generator() const { return transform_.dequantise || transform_.draw_binary; }
  /// Returns the same rows of a column (labels(), …), on the device of the results; undefined for an undefined column.
  at::Tensor gather_column(const at::Tensor& column, const at::Tensor& index) const;

  /// Returns what a model is conditioned on in the same rows, [B, c] in the results' dtype; undefined without a condition.
  at::Tensor gather_condition(const at::Tensor& index) const;
  /// c, or 0 without a condition.
  std::int64_t condition_size() const;
  /// Whether values may be missing.
  bool has_missing() const { return columns_.mask.defined(); }
  /// Returns which values of the same rows were observed, [B, data…] bool; undefined where all were.
  at::Tensor gather_mask(const at::Tensor& index) const { return gather_column(columns_.mask, index); }

  /// The rows as stored, [B, data…], a copy on the device.
  at::Tensor stored_rows(const at::Tensor& index) const;
  at::ScalarType stored_type() const { return columns_.x.scalar_type(); }
  /// All of them, [N, data…]. Not of data in place.
  const at::Tensor& stored() const;
  bool is_in_place() const { return columns_.in_place; }
  /// Has the system begin to read these rows if they are in place, without waiting.
  void foresee(const at::Tensor& index) const;
  /// Whether both are the same rows of the same memory.
  bool is_same_as(const Dataset& other) const;
  const at::Tensor& labels() const { return columns_.labels; }
  const at::Tensor& factors() const { return columns_.factors; }
  const at::Tensor& latents() const { return columns_.latents; }
  const at::Tensor& mask() const { return columns_.mask; }  ///< [N, data…], or undefined
  /// x = value · sd + mean for standardised data; undefined otherwise.
  const at::Tensor& mean() const { return transform_.mean; }
  const at::Tensor& sd() const { return transform_.sd; }
  at::Device device() const { return device_; }
  /// False when the device's memory was too small, so that rows are moved on demand.
  bool is_on_device() const { return !columns_.x.defined() || columns_.x.device() == device_; }

  std::vector<std::string> class_names, factor_names;  ///< may be empty
  Shape factor_sizes;                                  ///< number of values of each factor; may be empty

  /// Returns rows [first, first + count), sharing memory.
  Dataset slice(std::int64_t first, std::int64_t count) const;
  /// Returns a copy of these rows. `index`: int64 [n], on the host.
  Dataset select(const at::Tensor& index) const;
  /// Returns the same data with a condition: [N, c] numbers, or int64 [N] of one of `classes` classes, which become
  /// one-hot numbers.
  Dataset conditioned(at::Tensor condition, std::int64_t classes = 0) const;
  /// Returns the same data standardised with the given constants.
  Dataset standardised(at::Tensor mean, at::Tensor sd) const;

 private:
  at::Tensor places_of(const at::Tensor& index) const;  // in x in place, on the CPU

  Columns columns_;
  std::int64_t classes_ = 0;  // of the condition; 0: it is not one of classes
  Transform transform_;
  std::string domain_ = "real";
  at::Device device_ = at::kCPU;
  at::ScalarType type_ = at::kFloat;
};

/// Whether rows [first, first + count) are all of one class although the data set has several: then its rows are
/// sorted, and these rows represent few of them. False without labels.
bool are_of_one_class(const Dataset& data, std::int64_t first, std::int64_t count);

/// What models are conditioned on, and how a user's own values become that.
struct Condition {
  std::string on;                ///< "labels", "factors", "array"; empty: nothing
  std::int64_t size = 0;         ///< c, numbers per row
  std::vector<double> mean, sd;  ///< of factors: what was subtracted, and what they were then divided by
};

struct Splits {
  Dataset train, validation, test;  ///< validation is empty unless rows were held out
  std::string name;                 ///< of the data set
  std::string fingerprint;  ///< of everything read from files, 32 hexadecimal digits; see fingerprint.h
  std::vector<std::filesystem::path> paths;  ///< files and folders read
  std::vector<std::string> notes;  ///< sentences for the log, such as that one split serves for both
  Condition condition;             ///< what the data's condition is
};

/// Reads the data of `spec` (not those drawn from a model). `data_folders`: see data_folders() in files.h;
/// `descriptor_folders` hold NAME.toml. `seed` decides static binarisation, which depends on the split's name and a
/// row's place in its file, and on nothing else. Throws config::Error for a wrong description, MissingData and
/// ReadError for files, and std::invalid_argument for options that do not fit the data. `trained`: the condition of a model
/// that was trained before, whose classes and constants are used for these data, whatever they are themselves; may be null.
/// `readers`: those of other formats; may be null.
Splits load(const config::DataSpec& spec, const std::vector<std::filesystem::path>& data_folders,
            const std::vector<std::filesystem::path>& descriptor_folders, std::uint64_t seed,
            at::Device device, at::ScalarType type, const Condition* trained = nullptr,
            const OtherReaders* readers = nullptr);

}  // namespace variform::data
