// Figures of a study from arrays of its evaluations and from pictures of its runs; captions.

#include "draw/png_grid.h"
#include "study/captions.h"
#include "study/figures/figures.h"

#include <cmath>

#include "fake_study.h"

namespace variform::study {
namespace {

using nlohmann::json;
using testing::ContainsSubstring;
using Numbers = std::vector<double>;

json matrix(double add) {
  json arrays;
  arrays["m"] = {{1.0 + add, 0.1, 0.2}, {0.1, 2.0 + add, 0.3}, {0.2, 0.3, 3.0 + add}};
  arrays["spread"] = {0.5, 0.1, 0.9};
  arrays["active"] = {1, 0, 1};
  arrays["wide"] = {{1, 2, 3}, {4, 5, 6}};
  return {{"arrays", arrays}};
}

TEST_CASE("heat maps are of the first seed, their latents in the order asked for, block by block") {
  FakeStudy study;
  for (const char* family : {"diagonal", "full"})
    for (const char* beta : {"0.5", "2"})
      for (const char* seed : {"7", "8"}) {
        json evaluation = matrix(family[0] == 'f' ? 10 : beta[0] == '2' ? 20 : seed[0] == '7' ? 0 : 100);
        if (family[0] == 'f') evaluation["geometry_arrays"]["blocks"] = {0, 0, 1};
        study.add({{"model.family.type", family}, {"objective.beta", beta}, {"seed", seed}}, evaluation);
      }
  const std::string all =
      "kind = \"heat-map\"\narray = \"arrays.m\"\nsort = \"arrays.spread\"\n"
      "active = \"arrays.active\"\npanel = \"objective.beta\"\nrange = [0, 1]\n";
  const study::StudyFigure found =
      study::figure_of(study.read(), figure(all + "rows = \"model.family.type\""));
  CHECK((found.figure.kind == draw::FigureKind::kHeatMaps && found.figure.columns == 2));
  CHECK(found.figure.range == std::pair{0.0, 1.0});
  REQUIRE(found.figure.panels.size() == 4);
  const draw::Panel &first = found.figure.panels[0], &last = found.figure.panels[3];
  CHECK(
      (first.title == "beta 0.5" && first.row == "diagonal" && last.title == "beta 2" && last.row == "full"));
  CHECK(first.map->names == std::vector<std::size_t>{2, 0, 1});  // spread 0.9, 0.5, 0.1
  CHECK(first.map->values ==
        std::vector<Numbers>{{3, 0.2, 0.3}, {0.2, 1, 0.1}, {0.3, 0.1, 2}});  // not seed 8's
  CHECK(first.map->active == std::vector<bool>{true, true, false});
  CHECK(first.map->bounds.empty());
  CHECK(last.map->names == std::vector<std::size_t>{0, 1, 2});  // blocks {0, 1} and {2}
  CHECK(last.map->bounds == std::vector<std::size_t>{2});
  CHECK(found.note == "Of the first seed (7).");
  CHECK(found.cells == std::vector<std::size_t>{0, 2, 4, 6});

  CHECK_THROWS_WITH(
      study::figure_of(study.read(), figure(all)),
      "the figure f: a heat map is of one run, and here are runs with model.family.type = diagonal and "
      "full: name that axis, or choose by `where`.");
  CHECK_THROWS_WITH(study::figure_of(study.read(), figure("kind = \"heat-map\"\narray = \"arrays.none\"")),
                    "the figure f: nothing to show: no evaluation has arrays.none.");
  CHECK_THROWS_WITH(study::figure_of(study.read(), figure("kind = \"heat-map\"\narray = \"arrays.wide\"")),
                    ContainsSubstring("is not a square matrix"));
  CHECK_THROWS_WITH(
      study::figure_of(study.read(),
                       figure("kind = \"heat-map\"\narray = \"arrays.m\"\nsort = \"arrays.wide\"")),
      ContainsSubstring("arrays.wide of "));
}

TEST_CASE("rows and columns of a grid without any heat map are left out") {
  FakeStudy study;
  for (const char* family : {"diagonal", "full", "block"})
    for (const char* beta : {"0.5", "2"})
      study.add({{"model.family.type", family}, {"objective.beta", beta}},
                family[0] == 'f' || (family[0] == 'b' && beta[0] == '2') ? json::object() : matrix(0));
  const study::StudyFigure found = study::figure_of(
      study.read(), figure("kind = \"heat-map\"\narray = \"arrays.m\"\npanel = \"objective.beta\"\n"
                           "rows = \"model.family.type\""));
  REQUIRE(found.figure.panels.size() == 4);
  CHECK((found.figure.panels[2].row == "block" && !found.figure.panels[3].map));
  CHECK(found.note.empty());
}

// Whether so many pixels of the picture have about this colour.
bool shows(const draw::Image& image, int red, int green, int blue, int least = 1) {
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3)
    least -= std::abs(image.pixels[i] - red) < 4 && std::abs(image.pixels[i + 1] - green) < 4 &&
             std::abs(image.pixels[i + 2] - blue) < 4;
  return least <= 0;
}

TEST_CASE("a heat map is drawn in its colours, latents that are not active in grey") {
  const Folder folder;
  draw::Panel panel;
  panel.title = "β 'a', \"b\"";
  panel.row = "full";
  panel.map = draw::HeatMap{{{0, 1}, {0.5, 0.25}}, {1, 0}, {}, {}};
  draw::Figure figure{draw::FigureKind::kHeatMaps, {panel}, 1, std::pair{0.0, 1.0}, "share"};
  CHECK(draw::csv_of(figure) ==
        "panel,row,x,y,value,active,name_x,name_y\n"
        "\"β 'a', \"\"b\"\"\",\"full\",1,1,0,1,2,2\n\"β 'a', \"\"b\"\"\",\"full\",2,1,1,1,1,2\n"
        "\"β 'a', \"\"b\"\"\",\"full\",1,2,0.5,1,2,1\n\"β 'a', \"\"b\"\"\",\"full\",2,2,0.25,1,1,1\n");
  const draw::Image all = draw::read_png(draw::draw(figure, folder / "all").png);
  CHECK((shows(all, 0x44, 0x01, 0x54, 1000) && shows(all, 0xfd, 0xe7, 0x25, 1000) &&
         shows(all, 0x21, 0x91, 0x8c)));
  CHECK_FALSE(shows(all, 0xd9, 0xd9, 0xd9, 1000));
  figure.panels[0].map->active = {true, false};
  const draw::Image one = draw::read_png(draw::draw(figure, folder / "one").png);
  CHECK(shows(one, 0xd9, 0xd9, 0xd9, 1000));
  const std::string svg = content(folder / "one.svg");
  for (const char* text : {"β 'a', \"b\"", "full", "share"}) CHECK_THAT(svg, ContainsSubstring(text));
}

TEST_CASE("a scatter plot has every pair of numbers, and the medians of each run's latents") {
  FakeStudy study;
  for (const char* seed : {"1", "2"}) {
    const double k = seed[0] == '1' ? 1 : 10;
    study.add({{"seed", seed}},
              {{"a", {{"x", {{1 * k, 5}, {2 * k, 6}, {4 * k, 0}}}, {"y", {{1, 2}, {3, 4}, {7, 9}}}}}});
  }
  const std::string paths =
      "kind = \"scatter\"\nx_array = \"a.x\"\ny_array = \"a.y\"\nidentity = true\nlog_x = true\nlog_y = "
      "true\n";
  const study::StudyFigure found = study::figure_of(study.read(), figure(paths + "medians = true"));
  REQUIRE(found.figure.panels.size() == 1);
  const draw::Panel& panel = found.figure.panels[0];
  CHECK((panel.identity && panel.log_x && panel.x_label == "x"));
  REQUIRE(panel.series.size() == 2);
  CHECK(panel.series[0].x == Numbers{1, 5, 2, 6, 4, 10, 5, 20, 6, 40});  // 0 has no logarithm
  CHECK(panel.series[0].y == Numbers{1, 2, 3, 4, 7, 1, 2, 3, 4, 7});
  CHECK(panel.series[1].style == draw::Series::Style::kCentres);
  CHECK(panel.series[1].x == Numbers{2, 5.5, 20, 5.5});
  CHECK(panel.series[1].y == Numbers{3, 3, 3, 3});
  CHECK((found.note == "Large marks: medians." && found.cells.size() == 2));
  CHECK(study::figure_of(study.read(), figure(paths + "series = \"seed\"")).figure.panels[0].series.size() ==
        2);
  CHECK_THROWS_WITH(
      study::figure_of(study.read(), figure("kind = \"scatter\"\nx_array = \"a.x\"\ny_array = \"a.z\"")),
      "the figure f: nothing to show: no evaluation has both a.x and a.z.");
  const Folder folder;
  const draw::Image image = draw::read_png(draw::draw(found.figure, folder / "f").png);
  CHECK((shows(image, 0x00, 0x72, 0xB2) && shows(image, 0x22, 0x22, 0x22)));
  CHECK_THAT(draw::script_of(found.figure, "f"),
             ContainsSubstring("nohead front lw 1.5 lc rgb '#222222' dt 2"));  // y = x
}

TEST_CASE("of many points two thousand are shown, evenly chosen") {
  FakeStudy study;
  json numbers;
  for (int i = 0; i < 5000; ++i) numbers.push_back(i);
  study.add({{"seed", "1"}}, {{"n", numbers}});
  const study::StudyFigure found =
      study::figure_of(study.read(), figure("kind = \"scatter\"\nx_array = \"n\"\ny_array = \"n\""));
  const Numbers& x = found.figure.panels[0].series[0].x;
  REQUIRE(x.size() == 2000);
  for (std::size_t i = 1; i < x.size(); ++i) CHECK((x[i] - x[i - 1] >= 2 && x[i] - x[i - 1] <= 3));
  CHECK(found.note == "Shown: 2000 points per panel, chosen evenly from up to 5000.");
}

TEST_CASE("histograms count metrics of runs, or numbers of arrays, each pair of runs once") {
  FakeStudy study;
  for (const char* seed : {"1", "2", "3"})
    study.add({{"seed", seed}}, {{"values", values_of({{"kl", std::stod(seed)}})}});
  study.add_comparison({}, {{"agreement_arrays",
                             {{"angle", {{nullptr, 10, 20}, {10, nullptr, 30}, {20, 30, nullptr}}},
                              {"angle_truth", {10, nullptr, 44}}}}});
  const study::StudyResults results = study.read();
  const auto steps = [&](const std::string& toml) {
    return study::figure_of(results, figure("kind = \"histogram\"\n" + toml))
        .figure.panels.at(0)
        .series.at(0);
  };
  const draw::Series metrics = steps("metrics = [\"kl\"]\nbins = 2");
  CHECK((metrics.x == Numbers{1, 1, 2, 3} && metrics.y == Numbers{0, 1, 2, 0}));
  const std::string angle = "array = \"agreement_arrays.angle\"\nbins = 3\nrange = [0, 45]";
  CHECK(steps(angle).y == Numbers{0, 1, 1, 1, 0});
  const study::StudyFigure truth = study::figure_of(
      results,
      figure("kind = \"histogram\"\narray = \"agreement_arrays.angle_truth\"\nrange = [0, 40]\nbins = 4"));
  CHECK(truth.figure.panels[0].series[0].y == Numbers{0, 0, 1, 0, 0, 0});
  CHECK(truth.figure.panels[0].series[1].x == Numbers{27});  // the median of 10 and 44
  CHECK(truth.figure.panels[0].x_label == "angle truth");
  CHECK(truth.note == "Dashed: medians. Beyond the axis: 1 value.");
  CHECK(truth.cells.size() == 3);
  const Folder folder;
  CHECK(shows(draw::read_png(draw::draw(truth.figure, folder / "f").png), 0x00, 0x72, 0xB2));
  CHECK_THROWS_WITH(steps("array = \"agreement_arrays.none\""),
                    "the figure f: nothing to show: no evaluation or comparison has numbers in "
                    "agreement_arrays.none.");
}

TEST_CASE("series of arrays may be combinations of axes, as those of metrics") {
  FakeStudy study;
  for (const std::string family : {"a", "b"})
    for (const std::string beta : {"1", "2"})
      study.add({{"model.family.type", family}, {"objective.beta", beta}}, {{"numbers", {std::stod(beta)}}});
  const study::StudyFigure found =
      study::figure_of(study.read(), figure("kind = \"histogram\"\narray = \"numbers\"\n"
                                            "series = [\"model.family.type\", \"objective.beta\"]"));
  std::vector<std::string> labels;
  for (const draw::Series& series : found.figure.panels.at(0).series)
    if (series.style == draw::Series::Style::kSteps) labels.push_back(series.label);
  CHECK(labels == std::vector<std::string>{"a, 1", "a, 2", "b, 1", "b, 2"});
}

draw::Image plain(int width, int height, int red, int green, int blue) {
  draw::Image image{width, height, 3, {}};
  for (int i = 0; i < width * height; ++i)
    for (const int value : {red, green, blue}) image.pixels.push_back(static_cast<std::uint8_t>(value));
  return image;
}

TEST_CASE("pictures of runs stand side by side, pixel by pixel, with copies beside the figure") {
  FakeStudy study;
  int red = 0;
  for (const char* beta : {"0.5", "2"})
    for (const char* seed : {"1", "2"}) {
      json& cell = study.add_cell("main", {{"objective.beta", beta}, {"seed", seed}});
      cell["pictures"] = {{{"name", "samples"}, {"file", "a.png"}}};
      draw::write_png(study.folder() / ("runs/" + cell["run"].get<std::string>() + "/a.png"),
                      plain(40, 20, red += 50, 7, 9));
    }
  const study::StudyFigure found = study::figure_of(
      study.read(), figure("kind = \"images\"\npicture = \"samples\"\ncolumns = \"objective.beta\""));
  REQUIRE(found.figure.panels.size() == 2);
  CHECK((found.figure.panels[1].title == "beta 2" && found.figure.panels[1].picture->width == 40));
  CHECK((found.note == "Of the first seed (1)." && found.cells == std::vector<std::size_t>{0, 2}));
  const Folder folder;
  const draw::Drawn drawn = draw::draw(found.figure, folder / "f");
  CHECK(content(drawn.csv) == "panel,row,file\n\"beta 0.5\",\"\",\"f-1.png\"\n\"beta 2\",\"\",\"f-2.png\"\n");
  CHECK(draw::read_png(folder / "f-2.png").pixels == plain(40, 20, 150, 7, 9).pixels);
  // Each pixel four times in the SVG, eight times in the PNG.
  const draw::Image image = draw::read_png(drawn.png);
  int own = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    own += image.pixels[i] == 150 && image.pixels[i + 1] == 7 && image.pixels[i + 2] == 9;
  CHECK((own > 0.98 * 40 * 20 * 64 && own <= 40 * 20 * 64));  // its rim is blended with the page

  CHECK_THROWS_WITH(
      study::figure_of(study.read(), figure("kind = \"images\"\npicture = \"samples\"")),
      ContainsSubstring("a picture is of one run, and here are runs with objective.beta = 0.5 and 2"));
  CHECK_THROWS_WITH(study::figure_of(study.read(), figure("kind = \"images\"\npicture = \"traversals\"")),
                    "the figure f: nothing to show: no run of the study has a picture traversals.");

  const auto picture = study.folder() / "runs/run-1/a.png";
  std::filesystem::rename(picture, study.folder() / "secret.png");
  std::filesystem::create_symlink(study.folder() / "secret.png", picture);
  CHECK_THROWS_WITH(
      study::figure_of(study.read(),
                       figure("kind = \"images\"\npicture = \"samples\"\ncolumns = \"objective.beta\"")),
      ContainsSubstring("the figure f: ") && ContainsSubstring("runs/run-1/a.png leads out of "));
}

TEST_CASE("under a figure stands what its runs have in common") {
  FakeStudy study;
  for (const char* beta : {"0.5", "2"})
    for (const char* seed : {"1", "2"})
      study.add({{"objective.beta", beta}, {"seed", seed}}, json::object(),
                std::string("name = \"x\"\n[data]\ndataset = { name = \"blobs\" }\n[model]\nlatent = 4\n"
                            "encoder = { type = \"mlp\", hidden = [8] }\nfamily = { type = \"") +
                    (seed[0] == '1' ? "full" : "diagonal") +
                    "\" }\n[objective]\ntype = \"beta-vae\"\nbeta = " + beta +
                    "\n[train]\nsteps = 20\nbatch = 10\noptimizer = { type = \"adam\", lr = 1e-3 }\n");
  const study::StudyResults results = study.read();
  study::SharedSettings settings(results);
  CHECK(settings.of({0, 1, 2, 3}) ==
        "Data set blobs; 4 latents; encoder mlp; objective beta-vae; 20 steps; batches of 10; adam; learning "
        "rate 0.001; 2 seeds; 4 runs.");
  CHECK_THAT(settings.of({0, 2}), ContainsSubstring("family full; objective beta-vae; 20 steps"));
  CHECK_THAT(settings.of({0}), ContainsSubstring("β = 0.5; 20 steps"));
  CHECK_THAT(settings.of({0}), ContainsSubstring("; 1 seed; 1 run."));
  CHECK(settings.of({}).empty());
  std::filesystem::remove(results.cells[1].run / "config.resolved.toml");
  study::SharedSettings without(results);
  CHECK(without.of({0, 1}) == "2 seeds; 2 runs.");
}

TEST_CASE("all that is wrong with figures of arrays is said at once, and where") {
  const std::string said = errors_of(R"toml(
[[study.figures]]
name = "a"
kind = "heat-map"
range = [1, 0]
series = "seed"
[[study.figures]]
name = "b"
kind = "histogram"
metrics = ["kl"]
array = "a"
bins = 0
[[study.figures]]
name = "c"
kind = "images"
panel = "seed"
evaluation = "final"
[[study.figures]]
name = "d"
kind = "pie"
[[study.figures]]
name = "e"
kind = "scatter"
panel = "metric"
identity = true
log_y = true
)toml",
                                     "figures", read_figures);
  for (
      const char* line :
      {"study.toml:2:1: error: study.figures.array is missing.\n",
       "study.toml:5:9: error: study.figures.range must be two numbers, the smaller first.\n",
       "study.toml:6:10: error: study.figures.series is not a key of a figure of kind \"heat-map\", which "
       "would ignore it.\n",
       "study.toml:10:11: error: A histogram is of either study.figures.metrics or an array.\n",
       "study.toml:12:8: error: study.figures.bins must be between 1 and 1000, found 0.\n",
       "study.toml:13:1: error: study.figures.picture is missing.\n",
       "study.toml:16:9: error: study.figures.panel is not a key of a figure of kind \"images\", which would "
       "ignore it.\n",
       "study.toml:17:14: error: study.figures.evaluation cannot choose pictures: they belong to runs.\n",
       "study.toml:20:8: error: ", "study.toml:21:1: error: study.figures.x_array is missing.\n",
       "study.toml:25:12: error: study.figures.identity needs two axes of one kind: log_x and log_y, or "
       "neither.\n",
       "study.toml:24:9: error: study.figures.panel names \"metric\", which is not an axis of this study.\n"})
    CHECK_THAT(said, ContainsSubstring(line));
}

}  // namespace
}  // namespace variform::study
