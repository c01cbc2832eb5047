// Figures, codes and exports of small models, read back.

#include "measure/models.h"

#include <sys/wait.h>

#include <cmath>

#include "checkpoint/snapshot.h"
#include "export/codes.h"
#include "export/pickle.h"
#include "export/pictures.h"
#include "export/pytorch.h"
#include "model/latent_order.h"
#include "model/rows.h"

namespace variform::exports {
namespace test = measure::test;
namespace {

using test::Folder;
using test::Setup;
using testing::ContainsSubstring;

int at_pixel(const draw::Image& image, int x, int y) {
  return image.pixels[static_cast<size_t>(y * image.width + x)];
}

TEST_CASE("a figure of reconstructions has the data's own pixels above those of their means") {
  auto session = test::open(Setup{.shape = "[1, 8, 8]"});
  const draw::Image image = exports::reconstructions(*session, "test", 20);
  const int cell = 8 * 8 + 2;  // enlarged 8 times, and a gap
  REQUIRE(image.width == 10 * cell + 2);
  REQUIRE(image.height == 4 * cell + 2);
  model::Rows rows(*session, "test");
  const at::NoGradGuard no_grad;
  const Batch batch = rows.at(at::arange(0, 100, 5));
  Model& model = session->assembly->model();
  const at::Tensor made = model.data_mean(model.decode(model.posterior(batch.x, {})->location(), {}));
  for (int i : {0, 3, 9, 10, 19})
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) {
        const auto value = [&](const at::Tensor& from) {
          return static_cast<int>(
              std::nearbyint(255 * std::clamp(from[i][0][y][x].item<double>(), 0.0, 1.0)));
        };
        const int left = 2 + i % 10 * cell + 8 * x + 3, top = 2 + i / 10 * 2 * cell + 8 * y + 3;
        REQUIRE(at_pixel(image, left, top) == value(batch.x));
        REQUIRE(at_pixel(image, left, top + cell) == value(made));
      }
}

TEST_CASE("all figures are written, the same every time, and training mode survives") {
  const Folder folder;
  auto session = test::open(Setup{.shape = "[1, 8, 8]", .precision = "float32"});
  session->assembly->set_training(true);
  CHECK(exports::write_figures(*session, folder / "figures").empty());
  CHECK(session->assembly->model().decoder().is_training());
  for (const char* name : {"reconstructions.png", "samples.png", "traversals.png"})
    CHECK(draw::read_png(folder / "figures" / name).channels == 1);
  CHECK(draw::read_png(folder / "figures" / "samples.png").pixels == exports::samples(*session).pixels);
  CHECK(exports::samples(*session, 4).pixels != exports::samples(*session, 4, /*noise=*/true).pixels);
  const draw::Image lines = exports::interpolations(*session, "", 2, 5);
  CHECK(lines.width == 5 * 66 + 2);
  CHECK(lines.height == 2 * 66 + 2);
}

TEST_CASE("data that are no images are refused with a sentence") {
  const Folder folder;
  auto session = test::open(Setup{});
  CHECK_THAT(exports::write_figures(*session, folder / "figures"),
             ContainsSubstring("[1 or 3, height, width], found [7]"));
  CHECK_FALSE(std::filesystem::exists(folder / "figures"));
  CHECK_THROWS_WITH(exports::samples(*session), ContainsSubstring("cannot be shown"));
}

TEST_CASE("latents are ordered by their KL, and traversed from −3 to 3 about an example") {
  auto session = test::open(Setup{.shape = "[1, 8, 8]"});
  // log σ² = 0, −2, −4 and μ = 0: the KL is ½(e^v − 1 − v).
  test::state(*session, "model/encoder/parameters/network.1.weight").zero_();
  test::state(*session, "model/encoder/parameters/network.1.bias")
      .copy_(at::tensor({0., 0., 0., 0., -2., -4.}, at::kDouble));
  const model::LatentOrder order = model::order_of_latents(*session);
  CHECK(order.is_kl);
  CHECK(order.order == std::vector<std::int64_t>{2, 1, 0});
  CHECK(order.contribution[0] == testing::Approx(0).margin(1e-12));
  CHECK(order.contribution[1] == testing::Approx(0.5 * (std::exp(-2) + 1)).epsilon(1e-12));
  CHECK(order.contribution[2] == testing::Approx(0.5 * (std::exp(-4) + 3)).epsilon(1e-12));

  // z_i shows as the value 0.5 + z_i/8 of pixel i.
  test::state(*session, "model/decoder/parameters/network.0.bias").fill_(0.5);
  at::Tensor weight = test::state(*session, "model/decoder/parameters/network.0.weight");
  weight.zero_();
  for (int i = 0; i < 3; ++i) weight[i][i].fill_(0.125);
  const draw::Image image = exports::traversals(*session, "test", 0, 2, 7);
  REQUIRE(image.width == 7 * 66 + 2);
  REQUIRE(image.height == 2 * 66 + 2);  // two latents at most
  for (int column = 0; column < 7; ++column) {
    const auto pixel = [&](int row, int i) {
      return at_pixel(image, 2 + 66 * column + 8 * i + 3, 2 + 66 * row + 3);
    };
    const int moved = static_cast<int>(std::nearbyint(255 * (0.5 + (column - 3) / 8.0))), still = 128;
    CHECK(pixel(0, 2) == moved);
    CHECK(pixel(0, 1) == still);
    CHECK(pixel(1, 1) == moved);
    CHECK(pixel(1, 2) == still);
  }
  CHECK_FALSE(model::order_of_latents(
                  *test::open(Setup{.family = "type = \"point\"", .objective = "type = \"grae\""}))
                  .is_kl);
}

TEST_CASE("codes, covariances and Jacobians are what the model says") {
  const Folder folder;
  auto session = test::open(Setup{.family = "type = \"full\""});
  exports::EncodeOptions options{.split = "train", .limit = 50, .jacobians = 33, .batch = 20};
  CHECK(exports::encode(*session, folder / "codes.h5", options).empty());
  const auto tensors = checkpoint::read(folder / "codes.h5").tensors;
  const at::NoGradGuard no_grad;
  const Batch batch = model::Rows(*session, "train").range(0, 50);
  const auto posterior = session->assembly->model().posterior(batch.x, {});
  CHECK(at::equal(tensors.at("h"), posterior->location()));
  CHECK(at::allclose(tensors.at("covariance"), posterior->covariance()->dense(), 1e-12, 1e-14));
  CHECK(at::allclose(tensors.at("variances"), posterior->covariance()->variances(), 1e-12, 1e-14));
  CHECK(at::equal(tensors.at("index"), at::arange(50)));
  CHECK(tensors.at("latents").sizes() == at::IntArrayRef{50, 3});  // the true ones of drawn data
  CHECK_FALSE(tensors.contains("labels"));
  const at::Tensor w = test::state(*session, "model/decoder/parameters/network.0.weight");
  CHECK(at::allclose(tensors.at("jacobians"), w.unsqueeze(0).expand({33, 7, 3}), 1e-12, 1e-14));

  const auto notes = exports::encode(
      *test::open(Setup{.family = "type = \"point\"", .objective = "type = \"grae\""}), folder / "point.h5");
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], ContainsSubstring("has no covariance"));
  CHECK_FALSE(checkpoint::read(folder / "point.h5").tensors.contains("covariance"));
}

int python(const std::vector<std::string>& arguments) {
  const std::string chosen = testing::environment("VARIFORM_PYTHON");
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<std::string> words = {chosen.empty() ? "python3" : chosen, "-B"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(98);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("an export runs in PyTorch with the same outputs") {
  const Folder folder;
  const at::NoGradGuard no_grad;
  std::vector<std::string> arguments{variform::testing::environment("VARIFORM_SOURCE") +
                                     "/tests/export/check_export.py"};
  for (const char* precision : {"float32", "float64"})
    for (const char* network : {"mlp", "conv"}) {
      auto session = test::open(
          Setup{.shape = "[1, 9, 8]", .encoder = network, .decoder = network, .precision = precision});
      const std::string name = std::string(network) + "_" + precision;
      const exports::Exported exported = exports::export_weights(*session, folder / name);
      CHECK(exported.notes.empty());
      REQUIRE(exported.files ==
              std::vector<std::filesystem::path>{folder / (name + ".pt"), folder / (name + ".py")});
      Model& model = session->assembly->model();
      const at::Tensor x = model::Rows(*session, "test").range(0, 5).x, z = model.sample_prior(5, {});
      checkpoint::write({{},
                         {{"x", x},
                          {"encoded", model.encoder().encode(x, {})},
                          {"z", z},
                          {"decoded", model.decoder().decode(z, {})}}},
                        folder / (name + ".h5"));
      arguments.push_back((folder / name).string());
    }
  const int code = python(arguments);
  if (code == 77) VARIFORM_SKIP("this Python has no torch with h5py; set VARIFORM_PYTHON to one that has");
  CHECK(code == 0);
}

}  // namespace
}  // namespace variform::exports
