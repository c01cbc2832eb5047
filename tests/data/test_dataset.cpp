// From files and options to what a model sees: exact values, fixed streams, and refusals of what does not fit.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <limits>

#include "config/load.h"
#include "data/dataset.h"
#include "data/files.h"
#include "support.h"

namespace {

using namespace variform::data;
using namespace variform::data::testing;
using variform::config::DataSpec;
using variform::config::Diagnostics;
using variform::testing::Approx;
using variform::testing::ContainsSubstring;

DataSpec spec_of(const std::string& toml) {
  Diagnostics diagnostics;
  DataSpec spec;
  spec.dataset = variform::config::parse(toml, "d.toml", diagnostics);
  REQUIRE(diagnostics.empty());
  return spec;
}

Splits load_from(const TemporaryFolder& folder, const DataSpec& spec, at::ScalarType type = at::kFloat,
                 std::uint64_t seed = 1) {
  return load(spec, {folder.path()}, {}, seed, at::kCPU, type);
}

std::string failure(const TemporaryFolder& folder, const DataSpec& spec) {
  try {
    load_from(folder, spec);
  } catch (const std::exception& error) {
    return error.what();
  }
  FAIL("expected an error, found none");
  return {};
}

/// 20 grey images of 3 x 2 whose pixels are 0, 1, 2, … modulo 251, with labels i % 3.
void write_images(const TemporaryFolder& folder) {
  write(folder / "x.npy", npy("'|u1'", "(20, 3, 2)", ramp(120)));
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 20; ++i) labels.push_back(i % 3);
  write(folder / "y.npy", npy("'<i8'", "(20,)", bytes_of(labels)));
}

at::Tensor all_rows(const Dataset& data, at::Generator* generator = nullptr) {
  return data.gather(at::arange(data.size(), at::kLong), generator);
}

}  // namespace

TEST_CASE("images are kept as bytes and given out in the unit interval") {
  const TemporaryFolder folder;
  write_images(folder);
  const Splits splits = load_from(folder, spec_of("x = \"x.npy\"\nlabels = \"y.npy\""));
  const Dataset& data = splits.train;
  CHECK(data.size() == 20);
  CHECK(data.shape() == Shape{1, 3, 2});
  CHECK(data.domain() == "unit interval");
  CHECK(data.stored().scalar_type() == at::kByte);
  const at::Tensor x = data.gather(at::tensor({3, 0, 3}, at::kLong));
  CHECK(x.sizes() == at::IntArrayRef{3, 1, 3, 2});
  CHECK(x.scalar_type() == at::kFloat);
  CHECK(x[0].flatten()[5].item<float>() == 23.0f / 255.0f);
  CHECK(x[0].equal(x[2]));
  CHECK(
      data.gather_column(data.labels(), at::tensor({4, 5}, at::kLong)).equal(at::tensor({1, 2}, at::kLong)));
  CHECK(!splits.train.factors().defined());
  CHECK(splits.notes.size() == 1);  // one split for both
  CHECK(load_from(folder, spec_of("x = \"x.npy\""), at::kDouble)
            .train.gather(at::zeros({1}, at::kLong))
            .scalar_type() == at::kDouble);
}

TEST_CASE("rows are cut, shuffled, limited and held out") {
  const TemporaryFolder folder;
  write_images(folder);
  DataSpec spec = spec_of(R"(
[splits]
train = { x = "x.npy", labels = "y.npy", rows = [0, 15] }
test = { x = "x.npy", rows = [15, 20], count = 5 }
)");
  spec.validation = 4;
  spec.limit = 10;
  const Splits splits = load_from(folder, spec);
  CHECK(splits.train.size() == 10);
  CHECK(splits.validation.size() == 4);
  CHECK(splits.test.size() == 5);
  CHECK(splits.validation.stored()[0].flatten()[0].item<int>() == 11 * 6);
  CHECK(splits.validation.labels()[0].item<int>() == 11 % 3);
  CHECK(splits.test.stored()[0].flatten()[0].item<int>() == 15 * 6);
  CHECK(splits.notes.empty());

  spec = spec_of(
      "[splits]\ntrain = { x = \"x.npy\", shuffle = 1, rows = [0, 15] }\ntest = { x = \"x.npy\", shuffle = "
      "1, rows = [15, 20] }");
  const Splits shuffled = load_from(folder, spec);
  at::Tensor rows =
      at::cat({shuffled.train.stored(), shuffled.test.stored()}).flatten(1).select(1, 0).to(at::kLong);
  CHECK(!rows.equal(at::arange(20, at::kLong) * 6));
  CHECK(std::get<0>(rows.sort()).equal(at::arange(20, at::kLong) * 6));

  spec.limit = 16;
  CHECK_THAT(failure(folder, spec),
             ContainsSubstring("data.limit = 16 asks for more than the 15 training data there are."));
  spec.limit = 0;
  spec.validation = 15;
  CHECK_THAT(failure(folder, spec),
             ContainsSubstring("data.validation = 15 leaves nothing to train on, since the split "
                               "\"train\" has 15 data."));
  spec.train_split = "trian";
  CHECK_THAT(
      failure(folder, spec),
      ContainsSubstring("has no split \"trian\": expected one of train, test; did you mean \"train\"?"));
}

TEST_CASE("data that contradict their description are refused") {
  const TemporaryFolder folder;
  write_images(folder);
  write(folder / "short.npy", npy("'<i8'", "(19,)", Bytes(19 * 8)));
  write(folder / "half.npy", npy("'<f4'", "(20,)", bytes_of(std::vector<float>(20, .5f))));
  write(folder / "nan.npy", npy("'<f4'", "(2, 1)", bytes_of(std::vector<float>{0, std::nanf("")})));
  write(folder / "last.npy", npy("'|u1'", "(2, 8, 8, 3)", ramp(384)));
  const auto message = [&](const std::string& toml) {
    return failure(folder, spec_of("name = \"d\"\n" + toml));
  };
  CHECK_THAT(message("x = \"x.npy\"\ncount = 21"),
             ContainsSubstring("data set \"d\", split \"all\": expected 21 data, found 20."));
  CHECK_THAT(message("x = \"x.npy\"\nrows = [0, 21]"),
             ContainsSubstring("expected at least 21 rows, found 20 in the files."));
  CHECK_THAT(message("x = \"x.npy\"\nshape = [1, 2, 3]"),
             ContainsSubstring("expected data of shape 1 x 2 x 3, found 3 x 2 in the files."));
  CHECK_THAT(message("x = \"x.npy\"\nlabels = \"short.npy\""),
             ContainsSubstring("expected 20 labels, one per row of x, found 19 in short.npy."));
  CHECK_THAT(message("x = \"x.npy\"\nlabels = \"half.npy\""),
             ContainsSubstring("expected labels to be integers, found fractions."));
  CHECK_THAT(message("x = \"x.npy\"\nlabels = \"y.npy\"\nclass_names = [\"a\", \"b\"]"),
             ContainsSubstring("expected labels from 0 to 1, found 2."));
  CHECK_THAT(message("x = \"x.npy\"\ndomain = \"binary\""),
             ContainsSubstring("expected zeros and ones (domain \"binary\"), found 119"));
  CHECK_THAT(
      message("x = \"nan.npy\""),
      ContainsSubstring(
          "expected finite numbers, found a NaN or an infinity in row 1 (from 0) and in 0 other rows"));
  CHECK_THAT(message("x = \"x.npy\"\nfiles.\"x.npy\".bytes = 1"),
             ContainsSubstring("x.npy: expected 1 bytes, found 248"));
  CHECK_THAT(message("x = \"x.npy\"\nfactors = \"y.npy\"\nfactor_names = [\"a\"]\nfactor_sizes = [2]"),
             ContainsSubstring("expected factor \"a\" from 0 to 1, found values outside."));
  CHECK_THAT(message("x = \"z.npy\""), ContainsSubstring("expected the file z.npy"));
  CHECK(load_from(folder, spec_of("x = \"last.npy\"\nchannels_last = true")).train.shape() == Shape{3, 8, 8});
  CHECK(load_from(folder, spec_of("x = \"last.npy\"\nchannels_last = false")).train.shape() ==
        Shape{8, 8, 3});
}

TEST_CASE("several files follow each other, and labels come with folders and CIFAR-10") {
  const TemporaryFolder folder;
  write(folder / "1.bin", cifar10({1, 2}));
  write(folder / "2.bin", cifar10({3}));
  const Dataset cifar = load_from(folder, spec_of("x = [\"1.bin\", \"2.bin\"]\nformat = \"cifar10\"")).train;
  CHECK(cifar.shape() == Shape{3, 32, 32});
  CHECK(cifar.labels().equal(at::tensor({1, 2, 3}, at::kLong)));
  write_png(folder / "faces/ann/a.png", 3, 2, 1, ramp(6));
  write_png(folder / "faces/bob/a.png", 3, 2, 1, ramp(6));
  const Dataset faces = load_from(folder, spec_of("x = \"faces\"")).train;
  CHECK(faces.class_names == std::vector<std::string>{"ann", "bob"});
  CHECK(faces.labels().equal(at::tensor({0, 1}, at::kLong)));
  write(folder / "t.csv", "a,kind,b\n1,0,2\n3,1,4\n");
  const Dataset table = load_from(folder, spec_of("x = \"t.csv\"\nlabels = \"t.csv:kind\"")).train;
  CHECK(table.shape() == Shape{2});
  CHECK(table.domain() == "real");
  CHECK(all_rows(table).equal(at::tensor({1.f, 2.f, 3.f, 4.f}).reshape({2, 2})));
  CHECK(table.labels().equal(at::tensor({0, 1}, at::kLong)));
}

TEST_CASE("dequantised data spread each level over its interval") {
  const TemporaryFolder folder;
  write(folder / "x.npy", npy("'|u1'", "(1000, 1)", Bytes(1000, 100)));
  DataSpec spec = spec_of("x = \"x.npy\"");
  spec.dequantise = true;
  const Dataset data = load_from(folder, spec).train;
  auto generator = at::detail::createCPUGenerator(3);
  const at::Tensor x = all_rows(data, &generator);
  CHECK(x.min().item<float>() >= 100.0f / 256);
  CHECK(x.max().item<float>() <= 101.0f / 256);
  CHECK(x.mean().item<float>() == Approx(100.5 / 256).epsilon(1e-3));
  CHECK(data.domain() == "unit interval");
  auto again = at::detail::createCPUGenerator(3);
  CHECK(all_rows(data, &again).equal(x));
  CHECK(!all_rows(data, &again).equal(x));
  CHECK_THROWS_WITH(all_rows(data), ContainsSubstring("need a generator."));
}

TEST_CASE("static binarisation is fixed by seed and row in the file") {
  const TemporaryFolder folder;
  write(folder / "x.npy", npy("'|u1'", "(50, 20, 20)", Bytes(20000, 64)));
  DataSpec spec = spec_of("[splits]\ntrain = \"x.npy\"\ntest = { x = \"x.npy\", rows = [10, 20] }");
  spec.binarise = "static";
  const Splits splits = load_from(folder, spec);
  const at::Tensor x = all_rows(splits.train);
  CHECK(splits.train.domain() == "binary");
  CHECK(at::logical_or(x == 0, x == 1).all().item<bool>());
  CHECK(x.mean().item<float>() == Approx(64.0 / 255).margin(0.012));  // four standard deviations
  CHECK(!splits.train.needs_generator());
  CHECK(all_rows(load_from(folder, spec).train).equal(x));
  CHECK(!all_rows(load_from(folder, spec, at::kFloat, 2).train).equal(x));
  CHECK(!x[0].equal(x[1]));
  DataSpec part = spec_of("[splits]\ntrain = { x = \"x.npy\", rows = [10, 20] }\ntest = \"x.npy\"");
  part.binarise = "static";
  CHECK(all_rows(load_from(folder, part).train).equal(x.narrow(0, 10, 10)));  // whatever rows are beside them
  spec.train_split = "test";
  spec.test_split = "train";
  CHECK(all_rows(load_from(folder, spec).test).equal(x));
  write(folder / "x.npy", npy("'|u1'", "(2, 2)", Bytes{0, 255, 255, 0}));
  spec = spec_of("x = \"x.npy\"");
  spec.binarise = "static";
  CHECK(all_rows(load_from(folder, spec).train).equal(at::tensor({0.f, 1.f, 1.f, 0.f}).reshape({2, 2})));
}

TEST_CASE("dynamic binarisation draws afresh with the right probability") {
  const TemporaryFolder folder;
  write(folder / "x.npy", npy("'|u1'", "(50, 20, 20)", Bytes(20000, 64)));
  DataSpec spec = spec_of("x = \"x.npy\"");
  spec.binarise = "dynamic";
  const Dataset data = load_from(folder, spec).train;
  auto generator = at::detail::createCPUGenerator(3);
  const at::Tensor x = all_rows(data, &generator);
  CHECK(x.scalar_type() == at::kFloat);
  CHECK(x.mean().item<float>() == Approx(64.0 / 255).margin(0.012));
  CHECK(!all_rows(data, &generator).equal(x));
  CHECK(data.domain() == "binary");
  DataSpec binary = spec_of("x = \"b.npy\"\ndomain = \"binary\"");
  write(folder / "b.npy", npy("'|u1'", "(2, 2)", Bytes{0, 1, 1, 1}));
  binary.binarise = "dynamic";  // nothing to draw
  CHECK(all_rows(load_from(folder, binary).train).equal(at::tensor({0.f, 1.f, 1.f, 1.f}).reshape({2, 2})));
  write(folder / "f.npy", npy("'<f4'", "(2, 1)", bytes_of(std::vector<float>{-1, 5})));
  spec = spec_of("name = \"f\"\nx = \"f.npy\"");
  spec.binarise = "static";
  CHECK_THAT(failure(folder, spec),
             ContainsSubstring("data.binarise needs values from 0 to 1, found domain \"real\"."));
  spec.binarise = "none";
  spec.dequantise = true;
  CHECK_THAT(failure(folder, spec),
             ContainsSubstring("data.dequantise needs pixels of 0 to 255, found Float values"));
}

TEST_CASE("grey from colour and colour from grey") {
  const TemporaryFolder folder;
  Bytes pixels(2 * 3 * 4, 0);
  for (std::size_t i = 0; i < 4; ++i) pixels[i] = 200;   // first image: red 200, green 0, blue 0
  for (std::size_t i = 12; i < 24; ++i) pixels[i] = 90;  // second: grey 90
  write(folder / "c.npy", npy("'|u1'", "(2, 3, 2, 2)", pixels));
  DataSpec spec = spec_of("x = \"c.npy\"");
  spec.channels = "grey";
  const Dataset grey = load_from(folder, spec).train;
  CHECK(grey.shape() == Shape{1, 2, 2});
  CHECK(grey.stored()[0].flatten()[0].item<int>() == 60);  // 0.299 · 200 = 59.8
  CHECK(grey.stored()[1].flatten()[3].item<int>() == 90);
  write_images(folder);
  spec = spec_of("x = \"x.npy\"");
  spec.channels = "colour";
  const Dataset colour = load_from(folder, spec).train;
  CHECK(colour.shape() == Shape{3, 3, 2});
  const at::Tensor x = colour.gather(at::tensor({7}, at::kLong));
  CHECK(x.select(1, 0).equal(x.select(1, 2)));
  CHECK(x.flatten()[0].item<float>() == 42.0f / 255);
  write(folder / "flat.npy", npy("'|u1'", "(2, 4)", ramp(8)));
  spec = spec_of("x = \"flat.npy\"");
  spec.channels = "grey";
  CHECK_THAT(failure(folder, spec),
             ContainsSubstring("data.channels = \"grey\" needs images of one or three channels, found 4."));
}

TEST_CASE("standardised data have the training set's mean 0 and deviation 1") {
  const TemporaryFolder folder;
  std::vector<double> values;
  for (int i = 0; i < 30; ++i) values.insert(values.end(), {3.0 * i, -5, i % 2 ? 1e4 : 2e4});
  write(folder / "x.npy", npy("'<f8'", "(30, 3)", bytes_of(values)));
  DataSpec spec = spec_of(
      "[splits]\ntrain = { x = \"x.npy\", rows = [0, 20] }\ntest = { x = \"x.npy\", rows = [20, 30] }");
  spec.scale = "standardise";
  const Splits splits = load_from(folder, spec, at::kDouble);
  const at::Tensor x = all_rows(splits.train);
  CHECK(x.mean(0).abs().max().item<double>() < 1e-12);
  CHECK(x.select(1, 0).square().mean().item<double>() == Approx(1));
  CHECK(x.select(1, 1).abs().max().item<double>() == 0);  // constant: centred, not divided by zero
  CHECK(splits.train.domain() == "real");
  CHECK(splits.train.mean()[0].item<double>() == Approx(28.5));
  const at::Tensor test = all_rows(splits.test) * splits.test.sd() + splits.test.mean();
  CHECK(test.select(1, 0)[0].item<double>() == Approx(60));
  write_images(folder);
  spec = spec_of("x = \"x.npy\"");
  spec.scale = "standardise";
  const Dataset images = load_from(folder, spec, at::kDouble).train;
  CHECK(images.mean().sizes() == at::IntArrayRef{1, 1, 1});  // one constant a channel
  CHECK(all_rows(images).std(0, false).numel() == 6);
  CHECK(all_rows(images).mean().abs().item<double>() < 1e-12);
}

TEST_CASE("unscaled and integer data") {
  const TemporaryFolder folder;
  write_images(folder);
  DataSpec spec = spec_of("x = \"x.npy\"");
  spec.scale = "none";
  const Dataset counts = load_from(folder, spec).train;
  CHECK(counts.domain() == "count");
  CHECK(counts.gather(at::tensor({1}, at::kLong)).flatten()[0].item<float>() == 6);
  write(folder / "i.npy", npy("'<i4'", "(3,)", bytes_of(std::vector<std::int32_t>{1, 2, 70000})));
  const Dataset integers = load_from(folder, spec_of("x = \"i.npy\"")).train;
  CHECK(integers.domain() == "count");
  CHECK(integers.shape() == Shape{1});
  CHECK(all_rows(integers).flatten()[2].item<float>() == 70000);
}

TEST_CASE("data sets of tensors in memory keep labels and true latents") {
  const at::Tensor x = at::arange(12, at::kDouble).reshape({4, 3});
  const Dataset data = Dataset::from_tensors({x, {}, {}, x.narrow(1, 0, 2)}, "real", at::kDouble);
  CHECK(all_rows(data).equal(x));
  CHECK(data.slice(1, 2).latents().equal(x.narrow(0, 1, 2).narrow(1, 0, 2)));
  CHECK(data.slice(1, 2).size() == 2);
  CHECK(Dataset().size() == 0);
  CHECK_THROWS_WITH(Dataset::from_tensors({x, at::zeros({3}, at::kLong), {}, {}}, "real", at::kDouble),
                    ContainsSubstring("a data set of 4 data needs as many rows of labels, found 3."));
}

TEST_CASE("a condition: classes as one-hot numbers, standardised factors, or the split's own numbers") {
  const TemporaryFolder folder;
  write_images(folder);
  const std::string x = "x = \"x.npy\"\n";
  DataSpec spec = spec_of(x + "labels = \"y.npy\"");
  spec.condition = "labels";
  spec.limit = 2;  // rows of classes 0 and 1: there are three all the same
  const Splits labels = load_from(folder, spec);
  CHECK(labels.condition.size == 3);
  CHECK(labels.train.gather_condition(at::tensor({1, 0}, at::kLong))
            .equal(at::tensor({0.f, 1.f, 0.f, 1.f, 0.f, 0.f}).view({2, 3})));
  CHECK(labels.test.gather_condition(at::tensor({2}, at::kLong))
            .equal(at::tensor({0.f, 0.f, 1.f}).view({1, 3})));
  CHECK(labels.test.slice(2, 3).gather_condition(at::tensor({0}, at::kLong))[0][2].item<float>() == 1);

  std::vector<double> factors;
  for (int i = 0; i < 20; ++i) factors.insert(factors.end(), {double(i), 7.0});
  write(folder / "f.npy", npy("'<f8'", "(20, 2)", bytes_of(factors)));
  spec = spec_of(x + "factors = \"f.npy\"");
  spec.condition = "factors";
  const Splits known = load_from(folder, spec, at::kDouble);
  const at::Tensor standard = known.train.gather_condition(at::arange(20, at::kLong));
  CHECK(standard.mean(0).abs().max().item<double>() < 1e-14);
  CHECK(standard.select(1, 0).std(false).item<double>() == Approx(1));
  CHECK(standard.select(1, 1).abs().max().item<double>() == 0);  // it never varies
  CHECK(known.condition.mean == std::vector<double>{9.5, 7});
  // Data that a trained model is shown: its classes and constants count, not theirs.
  const auto shown = [&](const DataSpec& of, const Condition& trained) {
    return load(of, {folder.path()}, {}, 1, at::kCPU, at::kDouble, &trained);
  };
  const Splits others = shown(spec, {"factors", 2, {1, 7}, {2, 1}});
  CHECK(others.train.gather_condition(at::tensor({5}, at::kLong))
            .equal(at::tensor({2.0, 0.0}, at::kDouble).view({1, 2})));
  CHECK(others.condition.mean == std::vector<double>{1, 7});
  CHECK_THROWS_WITH(shown(spec, {"factors", 3, {}, {}}),
                    ContainsSubstring("3 factors as its condition, found 2"));
  DataSpec classes = spec_of(x + "labels = \"y.npy\"");
  classes.condition = "labels";
  CHECK(shown(classes, {"labels", 5, {}, {}}).train.condition_size() == 5);
  CHECK_THROWS_WITH(shown(classes, {"labels", 2, {}, {}}),
                    ContainsSubstring("classes 0 to 1 as its condition, found classes 0 to 2"));

  spec = spec_of(x + "condition = \"f.npy\"");
  spec.condition = "array";
  CHECK(load_from(folder, spec, at::kDouble)
            .test.gather_condition(at::tensor({3}, at::kLong))
            .equal(at::tensor({3.0, 7.0}, at::kDouble).view({1, 2})));
  CHECK(load_from(folder, spec_of(x + "condition = \"f.npy\"")).train.condition_size() ==
        0);  // not asked for

  spec = spec_of(x);
  for (const std::string on : {"labels", "factors", "array"}) {
    spec.condition = on;
    CHECK_THAT(failure(folder, spec), ContainsSubstring("data.condition = \"" + on + "\" needs ") &&
                                          ContainsSubstring("found none"));
  }
  factors[5] = std::nan("");
  write(folder / "f.npy", npy("'<f8'", "(20, 2)", bytes_of(factors)));
  spec = spec_of(x + "condition = \"f.npy\"");
  spec.condition = "array";
  CHECK_THAT(failure(folder, spec), ContainsSubstring("row 2 (from 0)"));
}

TEST_CASE("missing values: NaN and a mask are 0 in x, and count nowhere") {
  const TemporaryFolder folder;
  const float none = std::numeric_limits<float>::quiet_NaN();
  write(folder / "x.npy",
        npy("'<f4'", "(4, 3)", bytes_of<float>({1, none, 5, 3, 7, 5, none, 9, 5, 8, -4, 5})));
  write(folder / "m.npy",
        npy("'|b1'", "(4, 3)", bytes_of<std::uint8_t>({1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1})));
  DataSpec spec = spec_of("x = \"x.npy\"");
  CHECK_THAT(failure(folder, spec), ContainsSubstring("missing = \"mask\" in [data]"));
  spec.missing = "mask";
  const Splits splits = load_from(folder, spec);
  const at::Tensor rows = at::arange(4, at::kLong);
  CHECK(splits.train.gather_mask(rows).logical_not().nonzero().equal(
      at::tensor({0, 1, 2, 0}, at::kLong).reshape({2, 2})));
  CHECK(all_rows(splits.train)[0][1].item<float>() == 0);
  CHECK(all_rows(splits.train)[1][1].item<float>() == 7);
  CHECK_THAT(splits.notes.back(), ContainsSubstring("lacks 2 of the 12 values of its test data (16.7 %)"));
  spec.scale = "standardise";
  const Splits standard = load_from(folder, spec);  // columns 1 3 8 · 7 9 -4 · 5 5 5 5
  CHECK(standard.train.mean().allclose(at::tensor({4.0f, 4.0f, 5.0f})));
  CHECK(standard.train.sd().square().allclose(at::tensor({26.0f / 3, 98.0f / 3, 1.0f})));
  CHECK(all_rows(standard.train)[0][1].item<float>() == 0);

  spec = spec_of("x = \"x.npy\"\nmask = \"m.npy\"");
  CHECK_THAT(failure(folder, spec), ContainsSubstring("the config does not use"));
  spec.missing = "mask";
  const Splits masked = load_from(folder, spec);
  CHECK(masked.train.gather_mask(rows).sum().item<std::int64_t>() == 8);
  CHECK(all_rows(masked.train)[3][0].item<float>() == 0);
  CHECK(masked.train.select(at::tensor({3}, at::kLong))
            .gather_mask(at::zeros({1}, at::kLong))[0][0]
            .item<bool>() == false);
  write(folder / "m.npy",
        npy("'|u1'", "(4, 3)", bytes_of<std::uint8_t>({1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 7})));
  CHECK_THAT(failure(folder, spec), ContainsSubstring("found other numbers in row 3"));
  write(folder / "m.npy", npy("'|u1'", "(4, 2)", bytes_of<std::uint8_t>({1, 1, 1, 1, 1, 1, 1, 1})));
  CHECK_THAT(failure(folder, spec), ContainsSubstring("expected a mask of x's shape"));
}

TEST_CASE("missing values of tables: cells without a number, and never a class or a factor") {
  const TemporaryFolder folder;
  write(folder / "t.csv", "a,b,c\n1,,x\n2,5,y\nNA,6,x\n");
  DataSpec spec = spec_of("x = { files = [\"t.csv\"], columns = [\"a\", \"b\"] }\nlabels = \"t.csv:c\"");
  spec.missing = "mask";
  const Splits splits = load_from(folder, spec);
  CHECK(splits.train.gather_mask(at::arange(3, at::kLong))
            .flatten()
            .to(at::kLong)
            .equal(at::tensor({1, 0, 1, 1, 0, 1}, at::kLong)));
  write(folder / "t.csv", "a,b,c\n1,,x\n2,5,\nNA,6,x\n");
  CHECK_THAT(failure(folder, spec), ContainsSubstring("stands where a text should"));
  write(folder / "t.csv", "a,b,c\n1,,\n2,5,y\nNA,6,x\n");
  CHECK_THAT(failure(folder, spec), ContainsSubstring("stands where a text should"));
  write(folder / "t.csv", "a,b,c\n1,,0\n2,5,\nNA,6,1\n");
  CHECK_THAT(failure(folder, spec), ContainsSubstring("expected a label in every row"));
  spec = spec_of("x = { files = [\"t.csv\"], columns = [\"a\", \"b\"] }\ndrop_missing = true");
  spec.missing = "mask";
  CHECK_THAT(failure(folder, spec), ContainsSubstring("give one of them"));
}
