// The descriptions in datasets/ against the real files, and facts about these that are known from elsewhere.

#include <ATen/ATen.h>

#include "config/load.h"
#include "data/dataset.h"
#include "data/descriptor.h"
#include "data/files.h"
#include "support.h"

namespace {

using namespace variform::data;
using namespace variform::data::testing;
using variform::config::DataSpec;
using variform::config::Node;
using variform::testing::Approx;
using variform::testing::environment;
namespace fs = std::filesystem;

fs::path source(const std::string& path) {
  // Without ctest the working folder is taken for the project's.
  return fs::path(environment("VARIFORM_SOURCE")) / path;
}

struct Loaded {
  Splits splits;
  std::string missing;
};

Loaded load_real(const std::string& dataset, const std::string& train, const std::string& test) {
  DataSpec spec;
  spec.dataset = Node(dataset);
  spec.train_split = train;
  spec.test_split = test;
  try {
    return {load(spec, data_folders({}), {source("datasets")}, 1, at::kCPU, at::kFloat), {}};
  } catch (const MissingData& error) {
    return {{}, error.what()};
  }
}

double mean_of(const Dataset& data) {
  double sum = 0;
  for (std::int64_t i = 0; i < data.size(); i += 5000)
    sum += data.gather(at::arange(i, std::min(data.size(), i + 5000), at::kLong))
               .sum(at::kDouble)
               .item<double>();
  return sum / static_cast<double>(data.stored().numel());
}

std::vector<std::int64_t> first_labels(const Dataset& data, std::int64_t n) {
  const at::Tensor labels = data.labels().narrow(0, 0, n).contiguous();
  return {labels.data_ptr<std::int64_t>(), labels.data_ptr<std::int64_t>() + n};
}

}  // namespace

TEST_CASE("every description in datasets/ is free of mistakes") {
  const auto names = descriptor_names({source("datasets")});
  CHECK(names == std::vector<std::string>{"celeba-64", "cifar10", "dsprites-subset", "fashion-mnist",
                                          "frey-faces", "mnist"});
  for (const auto& name : names) {
    variform::config::Diagnostics diagnostics;
    const Descriptor d = resolve_descriptor(Node(name), {source("datasets")}, {}, diagnostics);
    INFO(diagnostics.render());
    CHECK(diagnostics.empty());
    CHECK(d.name == name);
    CHECK(!d.title.empty());
    CHECK(!d.licence.empty());
    CHECK(!d.obtain.empty());
    CHECK(d.find("train") != nullptr);
    CHECK(d.find("test") != nullptr);
    CHECK(d.shape.size() == 3);
  }
}

TEST_CASE("mnist") {
  const auto [splits, missing] = load_real("mnist", "train", "test");
  if (!missing.empty()) VARIFORM_SKIP(missing);
  CHECK(splits.train.size() == 60000);
  CHECK(splits.test.size() == 10000);
  CHECK(splits.train.shape() == Shape{1, 28, 28});
  CHECK(first_labels(splits.train, 6) == std::vector<std::int64_t>{5, 0, 4, 1, 9, 2});
  CHECK(first_labels(splits.test, 4) == std::vector<std::int64_t>{7, 2, 1, 0});
  CHECK(mean_of(splits.train) == Approx(0.1306604762738429));
}

TEST_CASE("fashion-mnist") {
  const auto [splits, missing] = load_real("fashion-mnist", "train", "test");
  if (!missing.empty()) VARIFORM_SKIP(missing);
  CHECK(splits.train.size() == 60000);
  CHECK(splits.test.size() == 10000);
  CHECK(splits.train.class_names[static_cast<std::size_t>(splits.train.labels()[0].item<int>())] ==
        "ankle boot");
  CHECK(mean_of(splits.train) == Approx(0.2860405969887955));
}

TEST_CASE("dsprites-subset") {
  const auto [splits, missing] = load_real("dsprites-subset", "train", "test");
  if (!missing.empty()) VARIFORM_SKIP(missing);
  CHECK(splits.train.size() == 41472);
  CHECK(splits.test.size() == 4608);
  CHECK(splits.train.shape() == Shape{1, 64, 64});
  CHECK(splits.train.domain() == "binary");
  CHECK(splits.train.gather(at::zeros({1}, at::kLong)).max().item<float>() == 1);
  CHECK(splits.train.factor_sizes == Shape{3, 6, 10, 16, 16});
  const at::Tensor factors =
      at::cat({splits.train.factors(), splits.test.factors()});  // the whole grid, each point once
  at::Tensor number = at::zeros({factors.size(0)}, at::kLong);
  for (std::int64_t i = 0; i < 5; ++i)
    number = number * splits.train.factor_sizes[static_cast<std::size_t>(i)] + factors.select(1, i);
  CHECK(std::get<0>(number.sort()).equal(at::arange(46080, at::kLong)));
  // A shape moved right has its centre of mass further right: images and factors belong together.
  const at::Tensor x = splits.test.gather(at::arange(2000, at::kLong)).squeeze(1);
  const at::Tensor centre = (x.sum(1) * at::arange(64)).sum(1) / x.sum({1, 2});
  const at::Tensor posx = splits.test.factors().narrow(0, 0, 2000).select(1, 3).to(at::kFloat);
  const at::Tensor a = centre - centre.mean(), b = posx - posx.mean();
  CHECK(((a * b).sum() / (a.norm() * b.norm())).item<float>() > 0.99);
}

TEST_CASE("frey-faces") {
  const auto [splits, missing] = load_real("frey-faces", "train", "test");
  if (!missing.empty()) VARIFORM_SKIP(missing);
  CHECK(splits.train.size() == 1600);
  CHECK(splits.test.size() == 365);
  CHECK(splits.train.shape() == Shape{1, 28, 20});
  CHECK(!splits.train.labels().defined());
  CHECK(mean_of(splits.train) > 0.4);
}

TEST_CASE("cifar10's test batch") {
  const auto [splits, missing] =
      load_real(source("tests/data/cifar10_test_batch.toml").string(), "train", "test");
  if (!missing.empty()) VARIFORM_SKIP(missing);
  CHECK(splits.train.size() == 8000);
  CHECK(splits.test.size() == 2000);
  CHECK(splits.train.shape() == Shape{3, 32, 32});
  CHECK(first_labels(splits.train, 4) == std::vector<std::int64_t>{3, 8, 8, 0});  // cat, ship, ship, airplane
  const at::Tensor labels = at::cat({splits.train.labels(), splits.test.labels()});
  CHECK(labels.bincount().equal(at::full({10}, 1000, at::kLong)));
}
