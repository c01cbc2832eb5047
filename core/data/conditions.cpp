// See conditions.h.

#include "data/conditions.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include <ATen/ATen.h>

#include "data/files.h"

namespace variform::data {
namespace {

[[noreturn]] void refuse_condition(const Splits& splits, const std::string& expected,
                                   const std::string& found) {
  throw std::invalid_argument("data set \"" + splits.name + "\": the model was trained with " + expected +
                              " as its condition, found " + found + ".");
}

/// Factors with mean 0 and standard deviation 1 over the training rows; one that does not vary there becomes 0.
void condition_on_factors(Splits& splits, at::ScalarType type, const Condition* trained) {
  for (const Dataset* part : parts_of(splits))
    if (!part->factors().defined())
      throw std::invalid_argument("data set \"" + splits.name +
                                  "\": data.condition = \"factors\" needs known factors, found none.");
  const at::Tensor own = splits.train.factors().to(at::kDouble).flatten(1);
  if (trained && trained->size != own.size(1))
    refuse_condition(splits, std::to_string(trained->size) + " factors", std::to_string(own.size(1)));
  const at::Tensor spread = own.std(0, /*unbiased=*/false);
  const auto constants = [&](const std::vector<double>& values) { return at::tensor(values, own.options()); };
  const at::Tensor mean = trained ? constants(trained->mean) : own.mean(0);
  const at::Tensor sd =
      trained ? constants(trained->sd) : at::where(spread > 0, spread, at::ones_like(spread));
  for (Dataset* part : parts_of(splits))
    *part = part->conditioned(((part->factors().to(at::kDouble).flatten(1) - mean) / sd).to(type));
  splits.condition.size = own.size(1);
  const auto numbers = [](const at::Tensor& values) {
    const at::Tensor here = values.to(at::kCPU).contiguous();
    return std::vector<double>(here.const_data_ptr<double>(), here.const_data_ptr<double>() + here.numel());
  };
  splits.condition.mean = numbers(mean);
  splits.condition.sd = numbers(sd);
}

}  // namespace

const Condition* same_kind(const Condition* trained, const config::DataSpec& spec) {
  return trained && trained->size > 0 && trained->on == spec.condition ? trained : nullptr;
}

at::Tensor checked_condition(at::Tensor condition, const Context& context, at::ScalarType type) {
  if (!condition.defined())
    throw std::invalid_argument(
        context.where +
        ": data.condition = \"array\" needs the split's condition = \"FILE\" in the data "
        "set's description, found none.");
  if (condition.dim() == 1) condition = condition.unsqueeze(1);
  if (condition.dim() != 2)
    throw ReadError(context.where + ": expected a condition of one or more numbers per row, found " +
                    shape_text(condition.sizes().slice(1)) + ".");
  const at::Tensor numbers = condition.to(type);
  const at::Tensor finite = numbers.isfinite().all(1);
  if (!finite.all().item<bool>())
    throw ReadError(
        fmt::format("{}: expected finite numbers in the condition, found others in row {} (from 0).",
                    context.where, finite.logical_not().nonzero()[0].item<std::int64_t>()));
  return numbers;
}

void condition_on_labels(Splits& splits, const Condition* trained) {
  auto classes = static_cast<std::int64_t>(splits.train.class_names.size());
  for (const Dataset* part : parts_of(splits)) {
    if (!part->labels().defined())
      throw std::invalid_argument("data set \"" + splits.name +
                                  "\": data.condition = \"labels\" needs labels, found none" +
                                  (part == &splits.test ? " in the test data." : "."));
    classes = std::max(classes, part->labels().max().item<std::int64_t>() + 1);
  }
  if (trained && classes > trained->size)
    refuse_condition(splits, "classes 0 to " + std::to_string(trained->size - 1),
                     "classes 0 to " + std::to_string(classes - 1));
  if (trained) classes = trained->size;  // these data may lack the last ones
  for (Dataset* part : parts_of(splits)) *part = part->conditioned(part->labels(), classes);
  splits.condition.size = classes;
}

void set_condition(Splits& splits, const config::DataSpec& spec, at::ScalarType type,
                   const Condition* trained) {
  splits.condition.on = spec.condition;
  if (spec.condition == "factors") condition_on_factors(splits, type, trained);
  if (spec.condition != "array") return;
  splits.condition.size = splits.train.condition_size();
  if (trained && trained->size != splits.condition.size)
    refuse_condition(splits, std::to_string(trained->size) + " numbers per row",
                     std::to_string(splits.condition.size));
  for (const Dataset* part : parts_of(splits))
    if (part->condition_size() != splits.condition.size)
      throw ReadError(
          fmt::format("data set \"{}\": expected test data with a condition of {} numbers per row as the "
                      "training data, found {}.",
                      splits.name, splits.condition.size, part->condition_size()));
}

}  // namespace variform::data
