// Turns files into data sets: shapes, rows, labels, channels, binarisation and scaling, each compared with the
// description.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include <ATen/ATen.h>

#include <variform/random.h>

#include "config/text.h"
#include "data/conditions.h"
#include "data/dataset.h"
#include "data/descriptor.h"
#include "data/files.h"
#include "data/luma.h"
#include "data/missing_values.h"
#include "data/preparation.h"
#include <variform/shuffle.h>

namespace variform::data {
namespace {

at::ScalarType scalar_type(Element element) {
  switch (element) {
    case Element::kUint8: return at::kByte;
    case Element::kBool: return at::kBool;
    case Element::kInt32: return at::kInt;
    case Element::kInt64: return at::kLong;
    case Element::kFloat32: return at::kFloat;
    case Element::kFloat64: return at::kDouble;
  }
  return at::kByte;
}

/// Returns a tensor that shares the array's memory and keeps it alive.
at::Tensor to_tensor(const std::shared_ptr<const Array>& array) {
  if (!array) return {};
  // from_blob takes no pointer to const; nothing here writes into loaded arrays.
  auto* bytes = const_cast<std::uint8_t*>(array->bytes.data());
  return at::from_blob(
      bytes, array->shape, [array](void*) {}, scalar_type(array->element));
}

// ---- Rows

/// Returns the split's rows as row numbers in the files; undefined when they are all rows in order.
at::Tensor row_numbers(std::int64_t rows, const Context& context) {
  const Split& split = context.split;
  const std::int64_t last = split.last == 0 ? rows : split.last;
  if (last > rows)
    throw ReadError(
        fmt::format("{}: expected at least {} rows, found {} in the files.", context.where, last, rows));
  if (split.count != 0 && split.count != last - split.first)
    throw ReadError(
        fmt::format("{}: expected {} data, found {}.", context.where, split.count, last - split.first));
  if (!split.shuffle && split.first == 0 && last == rows) return {};
  if (!split.shuffle) return at::arange(split.first, last, at::kLong);
  const auto order = permutation(rows, hash(*split.shuffle, "split"));
  return at::tensor(at::ArrayRef<std::int64_t>(order).slice(static_cast<std::size_t>(split.first),
                                                            static_cast<std::size_t>(last - split.first)),
                    at::kLong);
}

at::Tensor pick(const at::Tensor& column, const at::Tensor& rows) {
  return column.defined() && rows.defined() ? column.index_select(0, rows) : column;
}

// ---- Labels and factors

/// Refuses a row without a value: only values of x may be missing.
void require_numbers(const at::Tensor& values, const Context& context, const std::string& what) {
  if (!at::isFloatingType(values.scalar_type())) return;
  const at::Tensor rows = values.isnan().reshape({values.size(0), -1}).any(1).nonzero();
  if (rows.numel() > 0)
    throw ReadError(
        fmt::format("{}: expected a {} in every row, found none (NaN) in row {} (from 0) and in {} other "
                    "rows; leave these rows out, or give them a value.",
                    context.where, what, rows[0].item<std::int64_t>(), rows.size(0) - 1));
}

at::Tensor integral(const at::Tensor& values, const Context& context, const char* what) {
  if (!values.defined() || !at::isFloatingType(values.scalar_type()))
    return values.defined() ? values.to(at::kLong) : values;
  const at::Tensor rounded = values.to(at::kLong);
  if (!rounded.to(values.scalar_type()).equal(values))
    throw ReadError(context.where + ": expected " + what + " to be integers, found fractions.");
  return rounded;
}

/// Returns one label per row from one column per class, of which one is 1 and the others are 0.
at::Tensor from_one_hot(const at::Tensor& labels, const Context& context) {
  const at::Tensor is_right =
      at::logical_and(at::logical_or(labels == 0, labels == 1).all(1), (labels == 1).sum(1) == 1);
  if (is_right.all().item<bool>()) return labels.argmax(1);
  throw ReadError(
      fmt::format("{}: expected one label per row, or {} columns of which one is 1 and the others are "
                  "0; found row {} (from 0) to be neither.",
                  context.where, labels.size(1), is_right.logical_not().nonzero()[0].item<std::int64_t>()));
}

at::Tensor checked_labels(at::Tensor labels, std::size_t classes, const Context& context) {
  if (!labels.defined()) return labels;
  if (labels.dim() == 2 && labels.size(1) == 1) labels = labels.squeeze(1);
  if (labels.dim() == 2) labels = from_one_hot(labels, context);
  if (labels.dim() != 1)
    throw ReadError(context.where + ": expected one label per row, found " +
                    shape_text(labels.sizes().slice(1)) + ".");
  require_numbers(labels, context, "label");
  labels = integral(labels, context, "labels");
  const auto low = labels.min().item<std::int64_t>(), high = labels.max().item<std::int64_t>();
  if (low < 0 || (classes > 0 && high >= static_cast<std::int64_t>(classes)))
    throw ReadError(fmt::format("{}: expected labels from 0{}, found {}.", context.where,
                                classes > 0 ? " to " + std::to_string(classes - 1) : std::string(),
                                low < 0 ? low : high));
  return labels;
}

at::Tensor checked_factors(at::Tensor factors, const Context& context) {
  if (!factors.defined()) return factors;
  if (factors.dim() == 1) factors = factors.unsqueeze(1);
  require_numbers(factors, context, "factor");
  const Descriptor& d = context.descriptor;
  if (factors.dim() != 2 ||
      (!d.factor_names.empty() && factors.size(1) != static_cast<std::int64_t>(d.factor_names.size())))
    throw ReadError(fmt::format("{}: expected {} factors per row, found {}.", context.where,
                                d.factor_names.size(), shape_text(factors.sizes().slice(1))));
  for (std::size_t i = 0; i < d.factor_sizes.size(); ++i) {
    const at::Tensor values = factors.select(1, static_cast<std::int64_t>(i));
    if (values.min().item<double>() < 0 ||
        values.max().item<double>() >= static_cast<double>(d.factor_sizes[i]))
      throw ReadError(fmt::format("{}: expected factor \"{}\" from 0 to {}, found values outside.",
                                  context.where, d.factor_names[i], d.factor_sizes[i] - 1));
  }
  return factors;
}

// ---- Values

/// Returns the digits that distinguish a number from its neighbours of the same type, and no more.
template <class Float>
std::string shortest(Float value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

/// Guesses the domain of data without a description: bits; images with values from 0 to 1. Empty: by their type.
std::string domain_by_values(const at::Tensor& x, bool in_place) {
  if (x.scalar_type() == at::kBool || x.numel() == 0) return "";
  const bool is_real = at::isFloatingType(x.scalar_type());
  if (is_real && x.dim() != 4) return "";
  bool are_finite = true, are_bits = true;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  visit_rows(x, in_place, [&](const at::Tensor& rows, std::int64_t) {
    are_finite = are_finite && (!is_real || at::isfinite(rows).all().item<bool>());
    if (!are_finite) return;
    low = std::min(low, rows.min().item<double>()), high = std::max(high, rows.max().item<double>());
    are_bits = are_bits && high <= 1 && (!is_real || at::logical_or(rows == 0, rows == 1).all().item<bool>());
  });
  if (!are_finite) return "";
  if (low < 0) return "real";
  if (high == 1 && are_bits) return "binary";
  return is_real && high <= 1 ? "unit interval" : "";
}

std::string domain_of(const at::Tensor& x, const Context& context, bool in_place) {
  if (!context.descriptor.domain.empty()) return context.descriptor.domain;
  if (context.descriptor.is_guessed)
    if (const std::string domain = domain_by_values(x, in_place); !domain.empty()) return domain;
  switch (x.scalar_type()) {
    case at::kByte: return "unit interval";
    case at::kBool: return "binary";
    case at::kInt:
    case at::kLong: return "count";
    default: return "real";
  }
}

/// Checks rows of which `first` is the first; `are_all`: there are no others.
void check_domain(const at::Tensor& x, std::int64_t first, bool are_all, const std::string& domain,
                  const Context& context) {
  const auto and_others = [&](std::int64_t others) {
    return are_all ? fmt::format("in {} other rows", others) : std::string("perhaps in rows behind it");
  };
  const bool is_byte = x.scalar_type() == at::kByte;
  const auto fail = [&](const std::string& expected, double found) {
    throw ReadError(context.where + ": expected " + expected + " (domain \"" + domain + "\"), found " +
                    shortest(found) + ".");
  };
  if (at::isFloatingType(x.scalar_type()) && !at::isfinite(x).all().item<bool>()) {
    const at::Tensor rows = at::isfinite(x).flatten(1).all(1).logical_not().nonzero();
    throw ReadError(
        fmt::format("{}: expected finite numbers, found a NaN or an infinity in row {} (from 0) and {}; "
                    "drop these rows, replace them by numbers, or write missing = \"mask\" in "
                    "[data] to model the values that are there (NaN alone, no infinities).",
                    context.where, first + rows[0].item<std::int64_t>(), and_others(rows.size(0) - 1)));
  }
  if (domain == "unit interval" && is_byte) return;
  const double low = x.min().item<double>(), high = x.max().item<double>();
  if (domain == "binary") {
    if (low < 0 || high > 1) fail("zeros and ones", high > 1 ? high : low);
    if (at::isFloatingType(x.scalar_type()) && !at::logical_or(x == 0, x == 1).all().item<bool>())
      throw ReadError(context.where + ": expected zeros and ones (domain \"binary\"), found fractions.");
  }
  if (domain == "unit interval" && (low < 0 || high > 1)) fail("values from 0 to 1", high > 1 ? high : low);
  if (domain != "count" && domain != "categorical") return;
  if (low < 0) fail("no negative values", low);
  if (!at::isFloatingType(x.scalar_type())) return;
  const at::Tensor fractions = (x != x.round()).flatten(1).any(1).nonzero();
  if (fractions.numel() == 0) return;
  const auto row = fractions[0].item<std::int64_t>();
  const at::Tensor values = x[row].flatten();
  const at::Tensor at = (values != values.round()).nonzero()[0];
  throw ReadError(
      fmt::format("{}: expected whole numbers (domain \"{}\"), found {} in row {} (from 0) and {}; "
                  "write domain = \"real\" in the description, or correct the data.",
                  context.where, domain, shortest(values[at.item<std::int64_t>()].item<double>()),
                  first + row, and_others(fractions.size(0) - 1)));
}

/// Returns Rec. 601 luma for grey; colour from grey is a view that takes no memory.
at::Tensor with_channels(const at::Tensor& x, const Context& context) {
  const std::string& channels = context.spec.channels;
  if (channels == "as-stored") return x;
  if (x.dim() != 4 || (x.size(1) != 1 && x.size(1) != 3))
    throw std::invalid_argument(context.where + ": data.channels = \"" + channels +
                                "\" needs images of one or three channels, found " +
                                shape_text(x.sizes().slice(1)) + ".");
  if (channels == "colour") return x.expand({x.size(0), 3, x.size(2), x.size(3)});
  if (x.size(1) == 1) return x;
  const auto type = at::isFloatingType(x.scalar_type()) ? x.scalar_type() : at::kFloat;
  at::Tensor grey = at::empty({x.size(0), 1, x.size(2), x.size(3)}, x.options());
  constexpr std::int64_t kAtOnce = 4096;  // rows, to bound the memory of the floating-point copy
  for (std::int64_t first = 0; first < x.size(0); first += kAtOnce) {
    const std::int64_t n = std::min(kAtOnce, x.size(0) - first);
    const at::Tensor rows = x.narrow(0, first, n).to(type);
    at::Tensor values = luma(rows.select(1, 0), rows.select(1, 1), rows.select(1, 2));
    if (!at::isFloatingType(x.scalar_type())) values.round_();
    grey.narrow(0, first, n).copy_(values.unsqueeze(1));
  }
  return grey;
}

/// Draws each value once. A row's number in the files decides its random stream: the same bits whatever other rows are
/// used, in any order.
at::Tensor static_bits(const at::Tensor& x, const at::Tensor& rows, std::uint64_t seed) {
  const at::Tensor values = x.contiguous();
  at::Tensor bits = at::empty(values.sizes(), at::kByte);
  const std::int64_t per_row = values.numel() / values.size(0);
  auto* out = bits.mutable_data_ptr<std::uint8_t>();
  const auto draw = [&](const auto* in, const auto& is_one) {
    for (std::int64_t i = 0; i < values.size(0); ++i) {
      SplitMix stream(hash(seed, "binarise", rows.defined() ? rows.data_ptr<std::int64_t>()[i] : i));
      for (std::int64_t j = 0; j < per_row; ++j) *out++ = is_one(stream.next() >> 40, *in++);
    }
  };
  constexpr std::uint64_t kOne = 1u << 24;  // draws are uniform in [0, kOne)
  if (values.scalar_type() == at::kByte)
    draw(values.data_ptr<std::uint8_t>(), [](std::uint64_t u, std::uint8_t v) { return u * 255 < v * kOne; });
  else
    draw(values.to(at::kDouble).data_ptr<double>(),
         [](std::uint64_t u, double v) { return static_cast<double>(u) < v * static_cast<double>(kOne); });
  return bits;
}

struct Values {
  at::Tensor x;
  Transform transform;
  std::string domain;
};

Values transformed(at::Tensor x, const at::Tensor& rows, const Context& context, std::uint64_t seed,
                   bool in_place) {
  const config::DataSpec& spec = context.spec;
  Values values{x, {}, domain_of(x, context, in_place)};
  visit_rows(x, in_place, [&](const at::Tensor& part, std::int64_t first) {
    check_domain(part, first, !in_place, values.domain, context);
  });
  const bool is_pixels = values.domain == "unit interval" && x.scalar_type() == at::kByte;
  values.x = with_channels(x, context);
  if (values.domain == "binary" && at::isFloatingType(x.scalar_type()) && values.x.size(1) != x.size(1))
    values.domain = "unit interval";  // grey from coloured bits that are not kept as integers
  if (spec.dequantise && !is_pixels)
    throw std::invalid_argument(context.where + ": data.dequantise needs pixels of 0 to 255, found " +
                                std::string(c10::toString(x.scalar_type())) + " values of domain \"" +
                                values.domain + "\".");
  if (spec.binarise != "none" && values.domain != "unit interval" && values.domain != "binary")
    throw std::invalid_argument(context.where + ": data.binarise needs values from 0 to 1, found domain \"" +
                                values.domain + "\".");
  values.transform.dequantise = spec.dequantise;
  values.transform.divide_by_255 =
      is_pixels && !spec.dequantise && (spec.scale != "none" || spec.binarise != "none");
  if (is_pixels && spec.scale == "none" && spec.binarise == "none")
    values.domain = spec.dequantise ? "unit interval" : "count";
  if (spec.binarise == "none" || values.domain == "binary") return values;
  if (spec.binarise == "static") {
    values.x = static_bits(values.x, rows, seed);
    values.transform = {};
  } else {
    values.transform.draw_binary = true;
  }
  values.domain = "binary";
  return values;
}

// ---- A split, and all of them

Dataset prepare(SplitReader& reader, const Context& context, std::uint64_t seed, at::Device device,
                at::ScalarType type, std::vector<std::string>& notes) {
  SplitArrays arrays = reader.read(context.split);
  const auto& names =
      context.descriptor.class_names.empty() ? arrays.class_names : context.descriptor.class_names;
  const bool in_place = arrays.x->in_place;
  const at::Tensor x = shaped(to_tensor(arrays.x), context, notes);
  const at::Tensor rows = row_numbers(x.size(0), context);
  const bool is_range = rows.defined() && !context.split.shuffle;
  at::Tensor picked = !in_place  ? pick(x, rows)
                      : is_range ? x.narrow(0, context.split.first, rows.size(0))
                                 : x;
  const at::Tensor mask = take_missing(picked, pick(to_tensor(arrays.mask), rows), context);
  Values values = transformed(picked, rows, context, hash(seed, context.split.name), in_place);
  if (at::isFloatingType(values.x.scalar_type()) && !in_place) values.x = values.x.to(type);
  Columns columns;
  columns.x = values.x;
  columns.labels = checked_labels(pick(to_tensor(arrays.labels), rows), names.size(), context);
  columns.factors = checked_factors(pick(to_tensor(arrays.factors), rows), context);
  columns.latents = pick(to_tensor(arrays.latents), rows);
  columns.mask = mask;
  columns.in_place = in_place;
  if (in_place && !is_range) columns.rows = rows;
  if (context.spec.condition == "array")
    columns.condition = checked_condition(pick(to_tensor(arrays.condition), rows), context, type);
  Dataset dataset(std::move(columns), std::move(values.transform), values.domain, device, type);
  dataset.class_names = names;
  dataset.factor_names = context.descriptor.factor_names;
  dataset.factor_sizes = context.descriptor.factor_sizes;
  return dataset;
}

struct Moments {
  at::Tensor mean, sd;
  at::Tensor constant;  ///< bool, flat
};

/// Computes moments per channel of images, per value of 1-D data, in float64 over what gather() returns without noise.
/// A constant channel has sd 1: a deviation below a number's last digit is rounding. Missing values do not count.
Moments moments(const Dataset& data) {
  constexpr std::int64_t kAtOnce = 4096;
  const bool is_image = data.shape().size() == 3;
  const std::int64_t per_row = is_image ? data.shape()[1] * data.shape()[2] : 1;
  const std::vector<std::int64_t> over =
      is_image ? std::vector<std::int64_t>{0, 2, 3} : std::vector<std::int64_t>{0};
  at::Tensor count =
      at::full({}, static_cast<double>(data.size()) * static_cast<double>(per_row), at::kDouble);
  if (data.has_missing()) count = data.mask().to(at::kDouble).sum(over, true).squeeze(0).clamp_min(1);
  const auto total = [&](const auto& of) {
    at::Tensor sum;
    for (std::int64_t first = 0; first < data.size(); first += kAtOnce) {
      const auto index = at::arange(first, std::min(data.size(), first + kAtOnce), at::kLong);
      at::Tensor values = of(data.gather(index).to(at::kDouble));
      if (data.has_missing()) values = values.masked_fill(data.gather_mask(index).logical_not(), 0);
      const at::Tensor part = values.sum(over, true).squeeze(0);  // [C, 1, 1] or [P]
      sum = sum.defined() ? sum + part : part;
    }
    return sum / count.to(sum.device());
  };
  const at::Tensor mean = total([](const at::Tensor& x) { return x; });
  const at::Tensor variance = total([&](const at::Tensor& x) { return (x - mean).square(); });
  const at::Tensor sd = variance.sqrt();
  const double rounding =
      data.gather(at::zeros({1}, at::kLong)).scalar_type() == at::kDouble ? 1e-12 : 1.2e-7;
  const at::Tensor varies = sd > rounding * mean.abs();
  return {mean, at::where(varies, sd, at::ones_like(sd)), varies.logical_not().flatten()};
}

/// Returns a note about what is constant in the training data.
std::string constants_text(const Moments& moments, const std::string& name) {
  const at::Tensor which = moments.constant.nonzero().flatten();
  const at::Tensor means = moments.mean.flatten();
  std::string text;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(which.numel(), 5); ++i) {
    const auto at = which[i].item<std::int64_t>();
    text += fmt::format("{}{} ({})", i ? ", " : "", at + 1, shortest(means[at].item<float>()));
  }
  return fmt::format(
      "The data set \"{}\" has {} of {} values that never vary in the training data; "
      "standardised they are 0: number {}{}.",
      name, which.numel(), means.numel(), text, which.numel() > 5 ? ", …" : "");
}

void standardise(Splits& splits) {
  if (splits.train.needs_generator())
    throw std::invalid_argument("data set \"" + splits.name +
                                "\": data.scale = \"standardise\" and data.dequantise exclude each other.");
  const Moments found = moments(splits.train);
  if (found.constant.any().item<bool>()) splits.notes.push_back(constants_text(found, splits.name));
  for (Dataset* part : parts_of(splits)) *part = part->standardised(found.mean, found.sd);
}

/// Keeps for training what remains of the split without its held-out end, cut to the limit.
void hold_out(Splits& splits, const config::DataSpec& spec) {
  const std::int64_t all = splits.train.size(), left = all - spec.validation;
  const std::string where = "data set \"" + splits.name + "\": ";
  if (left < 1)
    throw std::invalid_argument(
        fmt::format("{}data.validation = {} leaves nothing to train on, since the split \"{}\" has {} "
                    "data.",
                    where, spec.validation, spec.train_split, all));
  if (spec.limit > left)
    throw std::invalid_argument(fmt::format(
        "{}data.limit = {} asks for more than the {} training data there are.", where, spec.limit, left));
  const auto note_one_class = [&](const char* which, std::int64_t first, std::int64_t count,
                                  const char* use) {
    if (are_of_one_class(splits.train, first, count))
      splits.notes.push_back(
          fmt::format("The {} {} rows of the data set \"{}\", {}, are all of class {}: the file is sorted. "
                      "Write shuffle = 1 in the description of its split.",
                      which, count, splits.name, use, splits.train.labels()[first].item<std::int64_t>()));
  };
  if (spec.limit > 0) note_one_class("first", 0, spec.limit, "to which data.limit keeps the training");
  if (spec.validation > 0) {
    splits.validation = splits.train.slice(left, spec.validation);
    note_one_class("last", left, spec.validation, "which are for validation");
  }
  if (spec.validation > 0 || spec.limit > 0)
    splits.train = splits.train.slice(0, spec.limit > 0 ? spec.limit : left);
}

/// Draws rows for testing by their number alone, so that runs of other seeds are tested on the same data.
void draw_test(Splits& splits, const config::DataSpec& spec, std::size_t described) {
  const std::int64_t all = splits.train.size();
  const std::string where =
      "data set \"" + splits.name + "\": data.test = " + config::format_plain(spec.test);
  if (described > 1)
    throw std::invalid_argument(fmt::format(
        "{} is for data of one split, but this data set has {}, one of them for testing.", where, described));
  const double exact = spec.test < 1 ? spec.test * static_cast<double>(all) : spec.test;
  const std::int64_t count = std::llround(exact);
  if (count < 1 || count >= all)
    throw std::invalid_argument(
        fmt::format("{} makes {} of {} rows test data; expected at least one row for each, testing and "
                    "training.",
                    where, count, all));
  const auto order = permutation(all, hash(1, "test"));
  const at::Tensor rows = at::tensor(at::ArrayRef<std::int64_t>(order), at::kLong);
  const Dataset whole = splits.train;
  splits.test = whole.select(std::get<0>(rows.narrow(0, all - count, count).sort()));
  splits.train = whole.select(std::get<0>(rows.narrow(0, 0, all - count).sort()));
  splits.notes.push_back(
      fmt::format("{} of the {} rows of the data set \"{}\" were drawn for testing (data.test), the "
                  "same ones whatever the seed.",
                  count, all, splits.name));
}

/// Describes how a file without a description was interpreted.
std::string guess_text(const Descriptor& descriptor, const Dataset& train) {
  std::string text = "The data set \"" + descriptor.name + "\" has no description; guessed from its file:";
  for (const Split& split : descriptor.splits) {
    if (descriptor.splits.size() > 1) text += " " + split.name + ":";
    for (const auto& [what, source] :
         {std::pair("x", &split.x), std::pair("labels", &split.labels), std::pair("factors", &split.factors),
          std::pair("latents", &split.latents)})
      if (!source->empty())
        text += std::string(source == &split.x ? " " : ", ") + what + " = " + source->files.front() +
                (source->member.empty() ? "" : ":" + source->member);
    text += ";";
  }
  return text + " values of " + describe_shape(train.shape()) + " in the domain \"" + train.domain() +
         (descriptor.not_used.empty() ? "\"." : "\"; not used: " + descriptor.not_used + ".") +
         " variform data show FILE --describe writes a description, in which all of this can be "
         "changed.";
}

const Split& find_split(const Descriptor& descriptor, const std::string& name) {
  if (const Split* split = descriptor.find(name)) return *split;
  std::vector<std::string> names;
  std::string known;
  for (const Split& split : descriptor.splits) {
    names.push_back(split.name);
    known += (known.empty() ? "" : ", ") + split.name;
  }
  const std::string near = config::did_you_mean(name, names);
  throw std::invalid_argument("data set \"" + descriptor.name + "\" has no split \"" + name +
                              "\": expected one of " + known + (near.empty() ? "." : "; " + near));
}

}  // namespace

Splits load(const config::DataSpec& spec, const std::vector<std::filesystem::path>& data_folders,
            const std::vector<std::filesystem::path>& descriptor_folders, std::uint64_t seed,
            at::Device device, at::ScalarType type, const Condition* trained, const OtherReaders* readers) {
  config::Diagnostics diagnostics;
  Descriptor descriptor =
      resolve_descriptor(spec.dataset, descriptor_folders, data_folders, diagnostics, readers);
  diagnostics.throw_if_any();
  keep_missing(descriptor, spec);
  const auto memory = static_cast<std::uint64_t>(spec.memory * 1e9);
  SplitReader reader(descriptor, data_folders,
                     {.memory = memory, .is_given = memory > 0, .in_place = spec.stream}, readers);
  Splits splits;
  const auto read = [&](const std::string& name) {
    const Split& split = find_split(descriptor, name);
    const std::string where = "data set \"" + descriptor.name + "\", split \"" + split.name + "\"";
    return prepare(reader, {descriptor, split, spec, where}, seed, device, type, splits.notes);
  };
  splits.name = descriptor.name;
  splits.train = read(spec.train_split);
  splits.test = descriptor.find(spec.test_split) == descriptor.find(spec.train_split) ? splits.train
                                                                                      : read(spec.test_split);
  splits.fingerprint = reader.fingerprint();
  splits.paths = reader.paths();
  if (splits.test.shape() != splits.train.shape())
    throw ReadError("data set \"" + splits.name + "\": expected test data of shape " +
                    describe_shape(splits.train.shape()) + " as the training data, found " +
                    describe_shape(splits.test.shape()) + ".");
  splits.notes.insert(splits.notes.begin(), reader.notes().begin(), reader.notes().end());
  if (descriptor.is_guessed) splits.notes.insert(splits.notes.begin(), guess_text(descriptor, splits.train));
  if (spec.test > 0) draw_test(splits, spec, descriptor.splits.size());
  else if (descriptor.splits.size() == 1)
    splits.notes.push_back(
        "The data set \"" + splits.name +
        "\" has one split, which serves for training and for testing; data.test = 0.1 keeps a tenth of it "
        "for testing.");
  if (spec.condition == "labels")
    condition_on_labels(splits, same_kind(trained, spec));  // of all classes, whatever rows are kept
  hold_out(splits, spec);
  if (!spec.condition.empty()) set_condition(splits, spec, type, same_kind(trained, spec));
  if (spec.scale == "standardise") standardise(splits);
  if (!spec.missing.empty()) note_missing(splits);
  if (!splits.train.is_on_device() && !splits.train.is_in_place())
    splits.notes.push_back("The data set \"" + splits.name +
                           "\" does not fit into the device's memory and stays in the host's.");
  return splits;
}

}  // namespace variform::data
