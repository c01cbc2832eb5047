// See image_features.h.

#include "measure/image_features.h"

#include <ATen/ATen.h>

#include <utility>

#include "model/session.h"

namespace variform::measure {

ImageFeatures::ImageFeatures(const model::Session& session, model::FeatureNetwork network, std::string split)
    : session_(session), network_(std::move(network)), split_(std::move(split)) {}
ImageFeatures::~ImageFeatures() = default;

std::int64_t ImageFeatures::size(std::string_view split) const {
  const data::Splits& splits = network_.session().splits;
  const bool same = split != split_ && splits.test.is_same_as(splits.train);
  return same ? 0 : (split == "test" ? splits.test : splits.train).size();
}

Tensor ImageFeatures::of_rows(std::string_view split, const Tensor& index) {
  std::unique_ptr<model::Rows>& rows = rows_[std::string(split)];
  if (!rows) rows = std::make_unique<model::Rows>(network_.session(), std::string(split));
  return network_.features(rows->at(index).x);
}

Tensor ImageFeatures::of(const Tensor& x) {
  const Tensor images = model::unscaled(session_, x);
  return network_.features(network_.session().domain == "unit interval" ? images.clamp(0, 1) : images);
}

}  // namespace variform::measure
