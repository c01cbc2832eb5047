// The stock encoders and decoders, from their built plugins: shapes for every image, tangents, messages, and
// the generated PyTorch source against PyTorch itself.

#include "catch.h"
#include "pushforwards.h"
#include "support/fake_build.h"
#include "support/load_plugin.h"

#include <variform/decoder.h>
#include <variform/encoder.h>
#include <variform/nn/network.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>

#include <unistd.h>

namespace stock_test {
namespace {

using variform::ComponentInfo;
using variform::Decoder;
using variform::Encoder;
using variform::Kind;
using variform::Shape;
using variform::Tensor;
using variform::test::difference;
using variform::test::fake_build;
using variform::test::list;
using variform::test::num;
using variform::test::Sizes;
using variform::test::txt;
using variform::test::Values;
using variform::testing::ContainsSubstring;

const ComponentInfo& encoder_info(const std::string& id) {
  static const variform::PluginInfo& plugin = variform::test::load_plugin("variform-encoders.so");
  return variform::test::find_component(plugin, Kind::kEncoder, id);
}
const ComponentInfo& decoder_info(const std::string& id) {
  static const variform::PluginInfo& plugin = variform::test::load_plugin("variform-decoders.so");
  return variform::test::find_component(plugin, Kind::kDecoder, id);
}
std::shared_ptr<Encoder> encoder(const std::string& id, const Values& values, const Sizes& sizes) {
  return variform::test::make<Encoder>(encoder_info(id), values, sizes);
}
std::shared_ptr<Decoder> decoder(const std::string& id, const Values& values, const Sizes& sizes) {
  return variform::test::make<Decoder>(decoder_info(id), values, sizes);
}

Tensor normal(const Shape& shape, std::uint64_t seed = 3) {
  return at::randn(shape, variform::test::generator(seed), at::TensorOptions().dtype(at::kDouble));
}
Shape batch_of(int64_t n, Shape shape) {
  shape.insert(shape.begin(), n);
  return shape;
}

const Shape kImages[] = {{1, 8, 8}, {1, 28, 28}, {3, 28, 20}, {3, 33, 17}, {3, 64, 64}, {2, 9, 15}};
const Values kSmallConv{{"channels", list({4, 3})}, {"hidden", list({5})}};

}  // namespace

TEST_CASE("encoders and decoders have the promised shapes for every image") {
  for (const Shape& data : kImages)
    for (const std::string id : {"mlp", "linear", "conv"}) {
      INFO(id << " on " << variform::to_text(data));
      Values values;
      if (id == "mlp") values = {{"hidden", list({7, 5})}};
      if (id == "conv") values = kSmallConv;
      const Sizes to_code{.data = data, .latent = 3, .outputs = 6};
      CHECK(encoder(id, values, to_code)->encode(normal(batch_of(2, data)), {}).sizes() ==
            at::IntArrayRef({2, 6}));
      for (int64_t outputs : {1, 2}) {
        const Sizes to_data{.data = data, .latent = 3, .outputs = outputs};
        Shape expected = batch_of(2, data);
        expected[1] *= outputs;
        const auto component = decoder(id, values, to_data);
        CHECK(component->decode(normal({2, 3}), {}).sizes() == at::IntArrayRef(expected));
        CHECK(component->pushforward(normal({2, 3}), normal({1, 2, 3}), {}).jv[0].sizes() ==
              at::IntArrayRef(expected));
      }
    }
}

TEST_CASE("mlp and linear take data of one dimension") {
  for (const std::string id : {"mlp", "linear"}) {
    CHECK(encoder(id, {}, {.data = {9}, .outputs = 4})->encode(normal({2, 9}), {}).sizes() ==
          at::IntArrayRef({2, 4}));
    CHECK(decoder(id, {}, {.data = {9}, .outputs = 2})->decode(normal({2, 3}), {}).sizes() ==
          at::IntArrayRef({2, 18}));
  }
}

TEST_CASE("an mlp decoder may start with orthonormal weights, the same ones in either precision") {
  const Values hidden{{"hidden", list({5, 3, 3})}};
  Values orthogonal = hidden;
  orthogonal["start"] = txt("orthogonal");
  const auto made = decoder("mlp", orthogonal, {.data = {4}}), plain = decoder("mlp", hidden, {.data = {4}}),
             coarse = decoder("mlp", orthogonal, {.data = {4}, .dtype = at::kFloat});
  int matrices = 0;
  const auto usual = plain->named_parameters(), rounded = coarse->named_parameters();
  for (const auto& item : made->named_parameters()) {
    INFO(item.key());
    const Tensor one = item.value().detach();
    CHECK(one.to(at::kFloat).equal(rounded[item.key()]));
    CHECK(one.equal(usual[item.key()]) == (one.dim() == 1));  // constants start as everywhere
    if (one.dim() != 2) continue;
    ++matrices;
    const Tensor tall = one.size(0) < one.size(1) ? one.t() : one;
    CHECK(difference(tall.t().mm(tall), at::eye(tall.size(1), tall.options())) < 1e-12);
    CHECK(tall.min().item<double>() < 0);
  }
  CHECK(matrices == 4);
}

TEST_CASE("stock decoders push tangents as automatic differentiation and finite differences do") {
  struct Case {
    std::string id;
    Values values;
    Sizes sizes;
    bool piecewise_linear;
  };
  const Sizes flat{.data = {6}, .outputs = 2}, image{.data = {1, 9, 8}};
  const Case cases[] = {
      {"mlp", {{"hidden", list({7, 6})}}, flat, true},
      {"mlp", {{"hidden", list({7})}, {"activation", txt("leaky-relu")}}, image, true},
      {"mlp",
       {{"hidden", list({8})}, {"activation", txt("tanh")}, {"normalisation", txt("layer")}},
       flat,
       false},
      {"mlp", {{"hidden", list({6})}, {"normalisation", txt("group")}, {"groups", num(3)}}, flat, false},
      {"mlp", {{"hidden", list({6})}, {"output", txt("sigmoid")}}, image, false},
      {"mlp", {{"hidden", list({6})}, {"activation", txt("identity")}}, flat, true},
      {"mlp", {{"hidden", list({6})}, {"normalisation", txt("spectral")}}, flat, true},
      {"mlp",
       {{"hidden", list({6})}, {"activation", txt("tanh")}, {"normalisation", txt("spectral")}},
       flat,
       false},
      {"mlp",
       {{"hidden", list({6})}, {"normalisation", txt("spectral")}, {"output", txt("sigmoid")}},
       image,
       false},
      {"linear", {}, flat, true},
      {"linear", {{"bias", num(false)}, {"output", txt("sigmoid")}}, image, false},
      {"conv", {{"channels", list({3, 2})}, {"hidden", list({4})}}, image, true},
      {"conv",
       {{"channels", list({2})},
        {"hidden", list({})},
        {"activation", txt("gelu")},
        {"normalisation", txt("group")},
        {"groups", num(2)}},
       {.data = {2, 4, 5}, .outputs = 2},
       false},
      {"conv",
       {{"channels", list({2, 3})},
        {"hidden", list({4})},
        {"activation", txt("silu")},
        {"normalisation", txt("layer")}},
       image,
       false},
  };
  for (const Case& one : cases) {
    const auto component = decoder(one.id, one.values, one.sizes);
    INFO(network_of(*component)->python());
    CHECK(component->pushforward_tier() == variform::PushforwardTier::kLayers);
    CHECK(component->rows_independent());
    CHECK(component->piecewise_linear() == one.piecewise_linear);
    variform::test::check_pushforward(*component, normal({2, one.sizes.latent}), 2);
  }
}

TEST_CASE("an unchanged default: ReLU, two hidden layers of 512, halvings to 32 and 64 channels") {
  CHECK(
      network_of(*encoder("mlp", {}, {.data = {1, 28, 28}, .outputs = 32}))->python() ==
      "torch.nn.Sequential(\n    torch.nn.Flatten(),\n    torch.nn.Linear(784, 512),\n    torch.nn.ReLU(),\n"
      "    torch.nn.Linear(512, 512),\n    torch.nn.ReLU(),\n    torch.nn.Linear(512, 32),\n)");
  const Sizes frey{.data = {1, 28, 20}, .latent = 16};
  CHECK(network_of(*decoder("conv", {}, frey))->python() ==
        "torch.nn.Sequential(\n    torch.nn.Linear(16, 256),\n    torch.nn.ReLU(),\n    torch.nn.Linear(256, "
        "2240),\n"
        "    torch.nn.Unflatten(1, (64, 7, 5)),\n    torch.nn.ReLU(),\n"
        "    torch.nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),\n    torch.nn.ReLU(),\n"
        "    torch.nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),\n)");
  CHECK_THAT(network_of(*encoder("conv", {}, frey))->python(),
             ContainsSubstring("torch.nn.Conv2d(1, 32, 4, stride=2, padding=1)"));
  // The names that checkpoints and PyTorch share.
  CHECK(decoder("mlp", {}, frey)->named_parameters().contains("network.0.weight"));
}

TEST_CASE("the linear decoder can start at the data's mean") {
  const auto source = [](const Values& values) {
    auto parameters = std::make_shared<variform::test::FakeParameters>(decoder_info("linear"), values);
    parameters->example_rows = normal({50, 1, 2, 3}) + 5;
    return parameters;
  };
  const Sizes sizes{.data = {1, 2, 3}, .outputs = 2};
  const auto parameters = source({{"init_bias", txt("data-mean")}});
  const auto component = decoder_info("linear").create(fake_build(parameters, sizes));
  const Tensor bias = component->named_parameters()["network.0.bias"];
  CHECK(difference(bias.slice(0, 0, 6), parameters->example_rows.mean(0).flatten()) < 1e-14);
  CHECK(bias.slice(0, 6).abs().max().item<double>() < 1);  // the second output of each value starts as usual
  CHECK(bias.requires_grad());
  CHECK_THROWS_WITH(decoder_info("linear").create(
                        fake_build(source({{"init_bias", txt("data-mean")}, {"bias", num(false)}}), sizes)),
                    "init_bias = \"data-mean\" expects bias = true; found bias = false");
}

TEST_CASE("stock networks refuse what they cannot do with a sentence") {
  CHECK_THROWS_WITH(
      encoder("conv", {}, {.data = {64}}),
      "conv expects images [channels, height, width]; found data of shape [64]: use mlp for such data");
  CHECK_THROWS_WITH(decoder("conv", {}, {.data = {64}}), ContainsSubstring("use mlp for such data"));
  CHECK_THROWS_WITH(
      encoder("conv", {{"channels", list({8, 8, 8, 8})}}, {.data = {1, 8, 9}}),
      "conv halves the image once for each of its 4 channel counts, which images of 8×9 do not allow; "
      "give it fewer channels");
  CHECK_THROWS_WITH(decoder("conv", {{"channels", list({})}}, {.data = {1, 8, 9}}),
                    "conv expects channels for at least one layer; found an empty list");
  CHECK_THROWS_WITH(
      decoder("mlp", {{"output", txt("sigmoid")}}, {.outputs = 2}),
      ContainsSubstring("output = \"sigmoid\" expects a likelihood with one output for each data value"));
  CHECK_THROWS_WITH(encoder("mlp", {{"normalisation", txt("group")}, {"groups", num(7)}}, {}),
                    ContainsSubstring("7 groups for 512 channels"));
  const variform::Build build = fake_build(Sizes{.data = {6}, .latent = 3});
  CHECK_THROWS_WITH(variform::nn::NetworkDecoder(build, std::make_shared<variform::nn::Linear>(build, 3, 5)),
                    "the decoder's network must take [3] to [6]; it takes it to [5]");
}

TEST_CASE("building, encoding, decoding and pushing leave the global generator alone") {
  const Tensor before = variform::test::global_generator_state();
  const Sizes sizes{.data = {1, 8, 8}};
  for (const std::string id : {"mlp", "linear", "conv"}) {
    encoder(id, {}, sizes)->encode(normal({2, 1, 8, 8}), {});
    decoder(id, {}, sizes)->pushforward(normal({2, 3}), normal({2, 2, 3}), {});
  }
  CHECK(at::equal(before, variform::test::global_generator_state()));
}

namespace {

void write(std::ostream& out, const std::string& name, const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(at::kDouble).contiguous().reshape({-1});
  out << name << ' ' << tensor.dim();
  for (int64_t side : tensor.sizes()) out << ' ' << side;
  for (int64_t i = 0; i < flat.numel(); ++i)
    out << ' ' << std::setprecision(17) << flat.data_ptr<double>()[i];
  out << '\n';
}

constexpr const char* kCompare = R"(
import importlib.util, sys, torch
folder = sys.argv[1]
for line in open(folder + "/cases.txt"):
    name = line.strip()
    spec = importlib.util.spec_from_file_location(name, folder + "/" + name + ".py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tensors = {}
    for row in open(folder + "/" + name + ".txt"):
        fields = row.split()
        dim = int(fields[1])
        values = torch.tensor([float(f) for f in fields[2 + dim:]], dtype=torch.float64)
        tensors[fields[0]] = values.reshape([int(f) for f in fields[2:2 + dim]])
    x, y = tensors.pop("x"), tensors.pop("y")
    network = module.Network().double().eval()
    network.load_state_dict(tensors)
    error = ((network(x) - y).abs().max() / y.abs().max()).item()
    print(name, error)
    if not error < 1e-10:
        sys.exit(name + ": PyTorch differs by " + str(error))
)";

}  // namespace

TEST_CASE("generated PyTorch modules load the same state and give the same numbers") {
  const std::string python = variform::testing::environment("VARIFORM_PYTHON");
  if (python.empty()) VARIFORM_SKIP("VARIFORM_PYTHON names no Python with torch; ctest sets it");
  namespace nn = variform::nn;
  const variform::Build build = fake_build(Sizes{.data = {6}, .latent = 3});
  const auto residual = [&](int64_t width) {
    return std::make_shared<nn::Residual>(std::make_shared<nn::Sequential>(
        std::vector<nn::LayerPtr>{std::make_shared<nn::Linear>(build, width, width), nn::activation("elu")}));
  };
  const auto mixed = std::make_shared<nn::Sequential>(std::vector<nn::LayerPtr>{
      std::make_shared<nn::Linear>(build, 3, 8), residual(8), nn::activation("softplus"),
      std::make_shared<nn::Unflatten>(Shape{2, 2, 2}), std::make_shared<nn::LayerNorm>(build, Shape{2, 2, 2}),
      std::make_shared<nn::Upsample>(3, 5, nn::Upsample::Mode::kBilinear), nn::activation("leaky-relu"),
      std::make_shared<nn::Upsample>(6, 6), std::make_shared<nn::Flatten>(),
      std::make_shared<nn::Linear>(build, 72, 6)});
  const Sizes image{.data = {2, 9, 11}};
  struct Case {
    std::string name;
    std::shared_ptr<variform::Component> component;
    Shape in;
  };
  const Case cases[] = {
      {"mixed", std::make_shared<nn::NetworkDecoder>(build, mixed), {3}},
      {"conv_decoder",
       decoder("conv", {{"activation", txt("gelu")}, {"normalisation", txt("group")}}, image),
       {3}},
      {"conv_encoder", encoder("conv", {{"activation", txt("silu")}, {"normalisation", txt("layer")}}, image),
       image.data},
      {"mlp_decoder",
       decoder("mlp", {{"output", txt("sigmoid")}, {"normalisation", txt("layer")}}, image),
       {3}},
      {"spectral_decoder", decoder("conv", {{"normalisation", txt("spectral")}}, image), {3}},
      {"spectral_encoder", encoder("resnet", {{"normalisation", txt("spectral")}}, image), image.data}};

  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("variform-nn-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "compare.py") << kCompare;
  std::ofstream names(folder / "cases.txt");
  const at::NoGradGuard no_grad;
  for (const Case& one : cases) {
    names << one.name << '\n';
    std::ofstream(folder / (one.name + ".py"))
        << nn::python_module(*variform::network_of(*one.component), "Network");
    std::ofstream state(folder / (one.name + ".txt"));
    for (const auto& parameter : one.component->named_parameters()) {
      parameter.value().mul_(1.5).add_(0.01);
      write(state, parameter.key(), parameter.value());
    }
    for (const auto& buffer : one.component->named_buffers()) write(state, buffer.key(), buffer.value());
    const Tensor x = normal(batch_of(3, one.in));
    write(state, "x", x);
    write(state, "y", variform::network_of(*one.component)->forward(x));
  }
  names.close();
  const std::string command =
      "\"" + python + "\" \"" + (folder / "compare.py").string() + "\" \"" + folder.string() + "\"";
  CHECK(std::system(command.c_str()) == 0);
  std::filesystem::remove_all(folder);
}

TEST_CASE(
    "a conditioned encoder takes the condition beside the data: planes for convolutions, numbers else") {
  const Shape data{2, 8, 8};
  const int64_t rows = 3;
  Sizes sizes{.data = data, .latent = 3, .outputs = 4};
  sizes.condition = 2;
  const Tensor x = normal(batch_of(rows, data)), u = normal({rows, 2}, 4);
  const variform::Context context{.condition = u};
  {
    Values values = kSmallConv;
    values["condition"] = num(1);
    const auto conditioned = encoder("conv", values, sizes);
    // The same weights on images that have the planes already.
    Sizes wide = sizes;
    wide.data = {4, 8, 8};
    wide.condition = 0;
    const auto plain = encoder("conv", kSmallConv, wide);
    const at::NoGradGuard no_grad;
    const auto from = conditioned->parameters(), to = plain->parameters();
    REQUIRE(from.size() == to.size());
    for (std::size_t i = 0; i < to.size(); ++i) Tensor(to[i]).copy_(from[i]);
    const Tensor planes = u.unsqueeze(-1).unsqueeze(-1).expand({rows, 2, 8, 8});
    CHECK(difference(conditioned->encode(x, context), plain->encode(at::cat({x, planes}, 1), {})) < 1e-14);
  }
  for (const std::string input : {"", "log1p"}) {
    const Values values{{"hidden", list({5})}, {"condition", num(1)}, {"input", txt(input)}};
    const auto conditioned = encoder("mlp", values, sizes);
    Sizes wide = sizes;
    wide.data = {2 * 64 + 2};
    wide.condition = 0;
    const auto plain = encoder("mlp", {{"hidden", list({5})}}, wide);
    const at::NoGradGuard no_grad;
    const auto from = conditioned->parameters(), to = plain->parameters();
    for (std::size_t i = 0; i < to.size(); ++i) Tensor(to[i]).copy_(from[i]);
    const Tensor flat = x.flatten(1), own = input.empty() ? flat : flat.sign() * flat.abs().log1p();
    CHECK(difference(conditioned->encode(x, context), plain->encode(at::cat({own, u}, 1), {})) < 1e-14);
  }
}

}  // namespace stock_test
