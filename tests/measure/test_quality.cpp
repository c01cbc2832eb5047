// Sample quality: distances with a closed form, neighbourhoods counted by hand, and the classifier whose features they are
// taken in: trained once, named by its weights, refused where there can be none. Against scipy and scikit-learn it is held
// in tests/reference/test_quality.py.

#include "models.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "checkpoint/snapshot.h"
#include "measure/quality.h"
#include "model/rows.h"
#include "train/features.h"
#include "train/trainer.h"

namespace variform::measure {
namespace {

using nlohmann::json;
using test::Folder;
using testing::Approx;
using testing::ContainsSubstring;
namespace fs = std::filesystem;

at::Tensor random(at::IntArrayRef shape, uint64_t seed) {
  at::Generator rng = model::make_generator(at::kCPU, seed);
  return at::randn(shape, rng, at::kDouble);
}

// RᵀDR for a random orthogonal R.
at::Tensor rotated(const at::Tensor& variances, uint64_t seed) {
  const at::Tensor r = std::get<0>(at::linalg_qr(random({variances.size(0), variances.size(0)}, seed)));
  return r.t().mm(variances.diag()).mm(r);
}

TEST_CASE("the Fréchet distance of Gaussians has the closed forms of equal, shifted and commuting ones") {
  const at::Tensor mean = random({6}, 1), shift = random({6}, 2);
  const at::Tensor a = random({6}, 3).square() + 0.1, b = random({6}, 4).square() + 0.1;
  const at::Tensor first = rotated(a, 5), second = rotated(b, 5), other = rotated(b, 6);
  CHECK(measure::frechet_distance(mean, first, mean, first) < 1e-13);
  CHECK(measure::frechet_distance(mean, first, mean + shift, first) ==
        Approx(shift.square().sum().item<double>()).epsilon(1e-12));
  const double commuting = (a.sqrt() - b.sqrt()).square().sum().item<double>();
  CHECK(measure::frechet_distance(mean, first, mean, second) == Approx(commuting).epsilon(1e-12));
  CHECK(measure::frechet_distance(mean, first, mean, other) ==
        Approx(measure::frechet_distance(mean, other, mean, first)).epsilon(1e-12));
  // Between those of the same eigenvectors, in the same order of eigenvalues and in the opposite one.
  const at::Tensor rising = std::get<0>(a.sort()).sqrt(), matched = std::get<0>(b.sort()).sqrt();
  CHECK(measure::frechet_distance(mean, first, mean, other) >
        (rising - matched).square().sum().item<double>());
  CHECK(measure::frechet_distance(mean, first, mean, other) <
        (rising - matched.flip(0)).square().sum().item<double>());
}

TEST_CASE("the Fréchet distance of degenerate Gaussians is finite") {
  const at::Tensor zero = at::zeros({5}, at::kDouble), none = at::zeros({5, 5}, at::kDouble);
  const at::Tensor line = at::outer(zero + 2, zero + 2);  // rank 1, trace 20
  CHECK(measure::frechet_distance(zero, none, zero, none) == 0);
  CHECK(measure::frechet_distance(zero, none, zero, line) == Approx(20));
  CHECK(measure::frechet_distance(zero, line, zero, 4 * line) == Approx(20));  // (2 − 1)² of the trace
}

TEST_CASE("precision and recall count rows within neighbourhoods") {
  const auto rows = [](std::vector<double> x) { return at::tensor(x, at::kDouble).unsqueeze(1); };
  // Radii with k = 1: 1 for 0 and 1, 2 for 3, 7 for 10.
  const at::Tensor real = rows({0, 1, 3, 10});
  // Radii with k = 1: 0.5, 0.5, 2.5, 2.5.
  const measure::PrecisionRecall one = measure::precision_recall(real, rows({-0.75, -1.25, 11, 13.5}), 1);
  CHECK(one.precision == Approx(3.0 / 4));  // −1.25 is more than 1 from 0
  CHECK(one.recall == Approx(1.0 / 4));     // only 10 is within 2.5 of 11
  const measure::PrecisionRecall same = measure::precision_recall(real, real, 1);
  CHECK(same.precision == 1);
  CHECK(same.recall == 1);
  // A collapsed model: within the data, but covering nothing.
  const measure::PrecisionRecall collapsed =
      measure::precision_recall(random({50, 2}, 1), at::zeros({50, 2}, at::kDouble), 3);
  CHECK(collapsed.precision == 1);
  CHECK(collapsed.recall == 0);
  CHECK_THROWS_WITH(measure::precision_recall(real, rows({1, 2, 3}), 3),
                    ContainsSubstring("more than 3 rows"));
}

TEST_CASE("precision and recall are the same in chunks") {
  const at::Tensor real = random({3000, 3}, 7), made = 0.8 * random({3000, 3}, 8);  // 1398 rows at once
  const at::Tensor all = at::cdist(made, real), own = at::cdist(real, real);
  const at::Tensor radius = std::get<0>(own.sort(1)).select(1, 3);  // the row itself comes first
  const double expected = (all <= radius).any(1).to(at::kDouble).mean().item<double>();
  CHECK(expected < 0.999);
  CHECK(measure::precision_recall(real, made, 3).precision == Approx(expected).epsilon(1e-12));
}

class Messages final : public train::Observer, public base::Log {
 public:
  void write(base::Level, std::string_view, const std::string& text) override { said += text + "\n"; }
  void stepped(int64_t, int64_t, const std::map<std::string, double>&) override { ++steps; }
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}
  std::string said;
  int steps = 0;
};

// 600 rows of 6 numbers in three classes, with a model for them, a classifier and its cache.
struct Labelled {
  Folder folder;
  std::string classes = "3", seed = "1";

  Labelled() {
    std::ofstream file(folder / "data.csv");
    file << "a,b,c,d,e,f,y\n";
    const at::Tensor noise = random({600, 6}, 11);
    for (int64_t i = 0; i < 600; ++i) {
      for (int64_t j = 0; j < 6; ++j)
        file << noise[i][j].item<double>() + (j % 3 == i % 3 ? 4.0 : 0.0) << ",";
      file << i % 3 << "\n";
    }
  }
  std::string data() const {
    return "[data.dataset]\nname = \"three\"\nfolder = \"" + folder.path().string() +
           "\"\nsplits.train = { x = \"data.csv\", labels = \"data.csv:y\", rows = [0, 400] }\n"
           "splits.test = { x = \"data.csv\", labels = \"data.csv:y\", rows = [400, 600] }\n";
  }
  std::unique_ptr<model::Session> model(const std::string& scale = "unit") const {
    return test::open(
        "name = \"tiny\"\nseed = 3\nobjective = { type = \"beta-vae\" }\n[data]\nscale = \"" + scale +
        "\"\n" + data() +
        "[model]\nlatent = 2\nencoder = { type = \"linear\" }\ndecoder = { type = \"linear\" }\n"
        "family = { type = \"diagonal\" }\nprior = { type = \"gaussian\" }\n"
        "likelihood = { type = \"gaussian\" }\n[train]\nsteps = 1\ndevice = \"cpu\"\n");
  }
  json quality(model::Session& session, Messages& messages,
               const measure::QualityOptions& options = {}) const {
    std::ofstream(folder / "net.toml")
        << "name = \"net\"\nseed = " + seed + "\nobjective = { type = \"classifier\", classes = " + classes +
               " }\n[data]\ndataset = \"other\"\n[model]\nlatent = 4\nencoder = { type = \"mlp\", hidden = "
               "[8] }\n"
               "decoder = { type = \"linear\" }\nfamily = { type = \"point\" }\nprior = { type = "
               "\"gaussian\" }\n"
               "likelihood = { type = \"gaussian\" }\n[train]\nsteps = 60\nbatch = 50\nthreads = 1\n"
               "optimizer = { lr = 2e-2 }\n";
    const model::Places nowhere;
    const train::FeatureSource source{
        folder / "net.toml", folder / "cache", test::registry(), nowhere, messages, messages};
    return measure::quality(
        session, [&] { return train::feature_network(session, source); }, options);
  }
};

std::string find(const json& section, const std::string& start) {
  for (const auto& [name, entry] : section.items())
    if (name.starts_with(start)) return name;
  FAIL("no " << start << " in " << section.dump());
  return {};
}

TEST_CASE("the classifier is trained once, and its name is in the metric's") {
  Labelled labelled;
  const auto session = labelled.model();
  Messages first, second, scaled;
  const json result = labelled.quality(*session, first);
  INFO(result.dump(2));
  CHECK(first.steps == 60);
  CHECK_THAT(first.said,
             ContainsSubstring("training the feature network 'net' on three, once: it is kept in"));
  const std::string name = find(result, "frechet_samples");
  CHECK(name.starts_with("frechet_samples[three-net-"));
  CHECK(name.size() == std::string("frechet_samples[three-net-12345678]").size());
  CHECK(result.size() == 7);
  const std::string what = result[name]["what"];
  CHECK_THAT(what, ContainsSubstring("classifier net of three, test accuracy "));
  CHECK_THAT(what, ContainsSubstring("Fréchet distance of 200 draws of the prior"));
  CHECK_THAT(what, ContainsSubstring("as many images of split 'test'"));
  CHECK(result[name]["se"].get<double>() > 0);
  CHECK(result[find(result, "frechet_real")]["value"].get<double>() <
        0.1 * result[name]["value"].get<double>());
  CHECK(result[find(result, "precision_real")]["value"].get<double>() > 0.5);

  CHECK(labelled.quality(*session, second) == result);
  CHECK(second.steps == 0);
  CHECK(second.said.empty());

  // A model of standardised data is measured in the same features of the same real images.
  const auto standardised = labelled.model("standardise");
  const json other = labelled.quality(*standardised, scaled);
  CHECK(scaled.steps == 0);
  CHECK(other[find(result, "frechet_real")] == result[find(result, "frechet_real")]);
  CHECK(other[name] != result[name]);
  const at::Tensor own = model::Rows(*standardised, "test").range(0, 5).x,
                   plain = model::Rows(*session, "test").range(0, 5).x;
  CHECK_FALSE(at::allclose(own, plain, 1e-2));
  CHECK(at::allclose(model::unscaled(*standardised, own), plain, 1e-5, 1e-5));

  // Other weights are other features, and have another name.
  labelled.seed = "2";
  const json renamed = labelled.quality(*session, scaled);
  CHECK(scaled.steps == 60);
  CHECK(find(renamed, "frechet_samples") != name);
}

TEST_CASE("a feature network that is damaged or unfinished is trained again, to the same weights") {
  const Labelled labelled;
  const auto session = labelled.model();
  Messages first, second, third;
  const json result = labelled.quality(*session, first);
  fs::path run;
  for (const auto& entry : fs::directory_iterator(labelled.folder / "cache"))
    if (entry.is_directory()) run = entry.path();
  REQUIRE(fs::exists(run / "checkpoints" / "last.h5"));

  std::fstream file(run / "checkpoints" / "last.h5", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(run / "checkpoints" / "last.h5") / 2));
  file << "damage";
  file.close();
  CHECK(labelled.quality(*session, second) == result);
  CHECK(second.steps == 60);
  CHECK_THAT(second.said, ContainsSubstring("is trained again, since it cannot be used: "));

  fs::remove(run / "DONE");
  CHECK(labelled.quality(*session, third) == result);
  CHECK(third.steps == 60);
}

TEST_CASE("where there can be no feature network, the section says why") {
  const auto reason = [](const json& section) {
    return section.at("frechet_samples").at("undefined").get<std::string>();
  };
  Messages messages;
  Labelled labelled;
  const auto drawn = test::open(test::Setup{});
  CHECK_THAT(reason(labelled.quality(*drawn, messages)), ContainsSubstring("the data have no labels"));
  const auto session = labelled.model();
  CHECK_THAT(reason(labelled.quality(*session, messages, {.split = "validation"})),
             ContainsSubstring("'test' or 'train'"));
  CHECK_THAT(reason(labelled.quality(*session, messages, {.images = 5})),
             ContainsSubstring("at least 20 images"));
  labelled.classes = "2";
  CHECK_THAT(reason(labelled.quality(*session, messages)),
             ContainsSubstring("expected labels from 0 to 1 (parameter 'classes')"));
}

TEST_CASE("a classifier of data without labels does not compose") {
  test::Setup setup;
  setup.objective = "type = \"classifier\"";
  const auto session = test::open(setup);
  CHECK_THROWS_WITH(session->preflight(test::registry()),
                    ContainsSubstring("needs labels, but the data have none"));
}

}  // namespace
}  // namespace variform::measure
