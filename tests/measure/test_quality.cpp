// The classifier in whose features sample quality is measured: trained once, named by its weights, refused where there can
// be none. Against scipy and scikit-learn the numbers are held in tests/reference/test_quality.py.

#include "models.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "checkpoint/snapshot.h"
#include "measure/evaluate.h"
#include "model/rows.h"
#include "train/features.h"
#include "train/trainer.h"

namespace variform::measure {
namespace {

using nlohmann::json;
using test::Folder;
using testing::ContainsSubstring;
namespace fs = std::filesystem;

at::Tensor random(at::IntArrayRef shape, uint64_t seed) {
  at::Generator rng = model::make_generator(at::kCPU, seed);
  return at::randn(shape, rng, at::kDouble);
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
  std::unique_ptr<model::Session> model(const std::string& scale = "unit",
                                        const std::string& validation = "0") const {
    return test::open(
        "name = \"tiny\"\nseed = 3\nobjective = { type = \"beta-vae\" }\n[data]\nscale = \"" + scale +
        "\"\nvalidation = " + validation + "\n" + data() +
        "[model]\nlatent = 2\nencoder = { type = \"linear\" }\ndecoder = { type = \"linear\" }\n"
        "family = { type = \"diagonal\" }\nprior = { type = \"gaussian\" }\n"
        "likelihood = { type = \"gaussian\" }\n[train]\nsteps = 1\ndevice = \"cpu\"\n");
  }
  json quality(model::Session& session, Messages& messages, const std::string& images = "10000",
               const std::string& split = "test") const {
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
    config::Diagnostics diagnostics;
    EvaluateOptions options{.split = split, .registry = &test::registry()};
    options.metrics = {config::parse_component("{ type = \"quality\", images = " + images + " }", "test",
                                               Kind::kMetric, test::registry(), diagnostics)
                           .component};
    options.network = [&] { return train::feature_network(session, source); };
    return evaluate_metrics(session, options).at("quality");
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
  CHECK_THAT(what, ContainsSubstring("Fréchet distance of draws of the prior"));
  CHECK_THAT(what, ContainsSubstring("n = 200, images of split 'test'"));
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
  CHECK_THAT(reason(labelled.quality(*labelled.model("unit", "50"), messages, "10000", "validation")),
             ContainsSubstring("'test' or 'train'"));
  CHECK_THAT(reason(labelled.quality(*session, messages, "5")), ContainsSubstring("at least 20 images"));
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
