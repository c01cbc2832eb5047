// See missing_values.h.

#include "data/missing_values.h"

#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include <ATen/ATen.h>

#include "config/text.h"
#include "data/files.h"

namespace variform::data {
namespace {

/// Returns the split's own mask as bool, of x's shape.
at::Tensor checked_mask(at::Tensor mask, const at::Tensor& x, const Context& context) {
  std::vector<std::string> no_notes;
  mask = shaped(std::move(mask), context, no_notes);
  if (mask.sizes() != x.sizes())
    throw ReadError(context.where + ": expected a mask of x's shape " + shape_text(x.sizes().slice(1)) +
                    ", found " + shape_text(mask.sizes().slice(1)) + ".");
  const at::Tensor is_right = at::logical_or(mask == 0, mask == 1).flatten(1).all(1);
  if (!is_right.all().item<bool>())
    throw ReadError(fmt::format(
        "{}: expected a mask of zeros (missing) and ones (observed), found other numbers in row {} (from 0).",
        context.where, is_right.logical_not().nonzero()[0].item<std::int64_t>()));
  return mask == 1;
}

}  // namespace

void keep_missing(Descriptor& descriptor, const config::DataSpec& spec) {
  if (spec.missing.empty()) return;
  if (descriptor.table.drop_missing)
    throw std::invalid_argument(
        "data set \"" + descriptor.name +
        "\": drop_missing = true of its description leaves rows that lack a value out, and "
        "data.missing = \"mask\" keeps them; give one of them.");
  descriptor.table.keep_missing = true;
}

at::Tensor take_missing(at::Tensor& x, at::Tensor mask, const Context& context) {
  if (context.spec.missing.empty()) {
    if (mask.defined())
      throw std::invalid_argument(
          context.where +
          ": its description has a mask of observed values, which the config does not use; "
          "write missing = \"mask\" in [data], or take the mask out of the description.");
    return {};
  }
  if (mask.defined()) mask = checked_mask(std::move(mask), x, context);
  if (at::isFloatingType(x.scalar_type())) {
    const at::Tensor numbers = x.isnan().logical_not();
    mask = mask.defined() ? mask.logical_and_(numbers) : numbers;
  }
  if (!mask.defined() || mask.all().item<bool>()) return {};
  if (context.spec.channels != "as-stored")
    throw std::invalid_argument(context.where + ": data.channels = \"" + context.spec.channels +
                                "\" and missing values exclude each other; convert the images before.");
  x = x.masked_fill(mask.logical_not(), 0);
  return mask;
}

void note_missing(Splits& splits) {
  bool any = false;
  for (const auto& [part, what] :
       {std::pair(&splits.train, "training"), std::pair(&splits.validation, "validation"),
        std::pair(&splits.test, "test")}) {
    if (part->size() == 0 || !part->has_missing()) continue;
    any = true;
    const at::Tensor observed = part->mask().flatten(1);
    const auto count = [](const at::Tensor& which) { return which.sum().item<std::int64_t>(); };
    const std::int64_t missing = observed.numel() - count(observed),
                       empty = count(observed.any(1).logical_not()),
                       never = count(observed.any(0).logical_not());
    splits.notes.push_back(fmt::format(
        "The data set \"{}\" lacks {} of the {} values of its {} data ({} %), which do not count "
        "(data.missing).{}{}",
        splits.name, missing, observed.numel(), what,
        config::format_plain(
            std::round(1000.0 * static_cast<double>(missing) / static_cast<double>(observed.numel())) / 10),
        empty > 0 ? fmt::format(" {} of its rows have no value at all.", empty) : std::string(),
        never > 0 ? fmt::format(" {} of its columns were never observed.", never) : std::string()));
  }
  if (!any)
    splits.notes.push_back("data.missing = \"mask\" is set, and the data set \"" + splits.name +
                           "\" lacks no values.");
}

}  // namespace variform::data
