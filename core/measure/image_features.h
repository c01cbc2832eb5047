#pragma once
// Images in the features of a trained classifier (model/feature_network.h), as metrics see them.

#include <variform/metric.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "model/feature_network.h"
#include "model/rows.h"

namespace variform::measure {

class ImageFeatures final : public Features {
 public:
  /// `session` is the measured model's, whose split is `split`; it must outlive this.
  ImageFeatures(const model::Session& session, model::FeatureNetwork network, std::string split);
  ~ImageFeatures() override;

  std::string name() const override { return network_.name(); }
  std::string description() const override { return network_.description(); }
  std::int64_t size(std::string_view split) const override;
  Tensor of_rows(std::string_view split, const Tensor& index) override;
  Tensor of(const Tensor& x) override;

 private:
  const model::Session& session_;
  const model::FeatureNetwork network_;
  const std::string split_;
  std::map<std::string, std::unique_ptr<model::Rows>, std::less<>> rows_;
};

}  // namespace variform::measure
