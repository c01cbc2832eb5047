// Pictures read back pixel by pixel, and tables as texts.

#include <sys/stat.h>

#include "base/table.h"
#include "draw/figure.h"
#include "draw/png_grid.h"
#include "study/run_data.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "fake_study.h"

namespace variform::study {
namespace {

using testing::ContainsSubstring;

draw::Image ramp(int width, int height, int channels, int start) {
  draw::Image image{width, height, channels, {}};
  for (int i = 0; i < width * height * channels; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(start + 3 * i));
  return image;
}

int at(const draw::Image& image, int x, int y, int channel = 0) {
  return image.pixels[static_cast<std::size_t>((y * image.width + x) * image.channels + channel)];
}

TEST_CASE("a written picture reads back with the same pixels") {
  const Folder folder;
  for (int channels : {1, 3}) {
    const draw::Image image = ramp(7, 4, channels, 5);
    const auto path = folder / "new folder" / "a.png";  // the folder is made
    draw::write_png(path, image);
    const draw::Image read = draw::read_png(path);
    CHECK(read.width == 7);
    CHECK(read.height == 4);
    CHECK(read.channels == channels);
    CHECK(read.pixels == image.pixels);
  }
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder / "new folder"))
    ++files;
  CHECK(files == 1);  // no temporary file is left
}

TEST_CASE("a grid places images row by row, enlarged without smoothing, with light gaps") {
  const std::vector<draw::Image> images{ramp(2, 3, 1, 0), ramp(2, 3, 1, 50), ramp(2, 3, 1, 100)};
  const draw::Image all = draw::grid(images, 2, 1, 2);
  REQUIRE(all.width == 2 * (2 * 2 + 1) + 1);
  REQUIRE(all.height == 2 * (3 * 2 + 1) + 1);
  const int gap = at(all, 0, 0);
  CHECK(gap > 200);
  for (int x = 0; x < all.width; ++x) CHECK(at(all, x, 7) == gap);
  for (int y = 0; y < all.height; ++y) CHECK(at(all, 5, y) == gap);
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 4; ++x) {
      CHECK(at(all, 1 + x, 1 + y) == at(images[0], x / 2, y / 2));
      CHECK(at(all, 6 + x, 1 + y) == at(images[1], x / 2, y / 2));
      CHECK(at(all, 1 + x, 8 + y) == at(images[2], x / 2, y / 2));
      CHECK(at(all, 6 + x, 8 + y) == gap);  // left over
    }
  const draw::Image colour =
      draw::grid(std::vector<draw::Image>{ramp(2, 2, 3, 0)}, 10, 0, 1);  // no wider than its images
  CHECK(colour.pixels == ramp(2, 2, 3, 0).pixels);
}

TEST_CASE("small images are enlarged and large ones are not") {
  CHECK(draw::enlargement(28, 28) == 2);
  CHECK(draw::enlargement(20, 28) == 2);
  CHECK(draw::enlargement(8, 8) == 8);
  CHECK(draw::enlargement(64, 64) == 1);
  CHECK(draw::enlargement(500, 10) == 1);
}

TEST_CASE("pictures that cannot be made or written are refused with the reason") {
  const Folder folder;
  draw::Image image = ramp(2, 2, 1, 0);
  image.pixels.pop_back();
  CHECK_THROWS_WITH(draw::write_png(folder / "a.png", image),
                    ContainsSubstring("2×2×1 needs 4 values, found 3"));
  CHECK_THROWS_WITH(draw::write_png(folder / "a.png", draw::Image{2, 2, 2, {}}),
                    ContainsSubstring("1 or 3 channels, found 2"));
  CHECK_THROWS_WITH(draw::grid(std::vector<draw::Image>{ramp(2, 2, 1, 0), ramp(2, 3, 1, 0)}, 2, 1, 1),
                    ContainsSubstring("found 2×2×1 and 2×3×1"));
  CHECK_THROWS_WITH(draw::grid(std::vector<draw::Image>{}, 2, 1, 1), ContainsSubstring("at least one image"));
  CHECK_THROWS_WITH(draw::write_png("/proc/none/a.png", ramp(2, 2, 1, 0)),
                    ContainsSubstring("the picture /proc/none/a.png could not be written: "));
  std::ofstream(folder / "text.png") << "no picture";
  CHECK_THROWS_WITH(draw::read_png(folder / "text.png"), ContainsSubstring("could not be read"));
  draw::write_png(folder / "bomb.png", ramp(2, 3, 1, 0));
  CHECK(draw::sides_of_png(folder / "bomb.png") == std::pair{2, 3});
  std::fstream(folder / "bomb.png", std::ios::in | std::ios::out | std::ios::binary).seekp(16)
      << std::string("\0\0\xff\xff\0\0\xff\xff", 8);
  for (const auto& read : {+[](const std::filesystem::path& path) { draw::sides_of_png(path); },
                           +[](const std::filesystem::path& path) { draw::read_png(path); }})
    CHECK_THROWS_WITH(read(folder / "bomb.png"),
                      ContainsSubstring("expected 100000000 pixels at most, found 65535×65535"));
  REQUIRE(::mkfifo((folder / "fifo.png").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(draw::sides_of_png(folder / "fifo.png"),
                    ContainsSubstring("found something that is not a regular file"));
  // What was there stays when the new one cannot be put in its place.
  std::filesystem::create_directories(folder / "taken.png");
  CHECK_THROWS_AS(draw::write_png(folder / "taken.png", ramp(2, 2, 1, 0)), base::Error);
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  CHECK(files == 4);
}

TEST_CASE("a table is aligned by characters, and the same as Markdown") {
  base::Table table({{"value"}, {"nats", base::Align::kRight}});
  table.add({"β_eff", "0.5"});
  table.add({"reconstruction", "236.91"});
  table.add({"a|b"});
  CHECK(table.text() ==
        "value             nats\n"
        "──────────────  ──────\n"
        "β_eff              0.5\n"
        "reconstruction  236.91\n"
        "a|b\n");
  CHECK(table.markdown() ==
        "| value          |   nats |\n"
        "| -------------- | -----: |\n"
        "| β_eff          |    0.5 |\n"
        "| reconstruction | 236.91 |\n"
        "| a\\|b           |        |\n");
  CHECK_THROWS_AS(table.add({"1", "2", "3"}), base::Error);
}

TEST_CASE("a table that is too wide breaks headings and texts, and nothing is lost") {
  base::Table table({{"value"}, {"nats_per_example", base::Align::kRight}, {"what it is"}});
  table.add({"elbo", "236.91", "negative evidence lower bound: nll + kl"});
  table.add({"taylor", "-1.5", "second-order expansion"});
  CHECK(table.text(60) ==
        "value   nats_per_example  what it is\n"
        "──────  ────────────────  ──────────────────────────────────\n"
        "elbo              236.91  negative evidence lower bound: nll\n"
        "                          + kl\n"
        "taylor              -1.5  second-order expansion\n");
  CHECK(table.text(40) ==
        "value   nats_per_example\n"
        "──────  ────────────────\n"
        "elbo              236.91\n"
        "taylor              -1.5\n"
        "\n"
        "value   what it is\n"
        "──────  ────────────────────────────────\n"
        "elbo    negative evidence lower bound:\n"
        "        nll + kl\n"
        "taylor  second-order expansion\n");
  CHECK((table.text(0) == table.text() && table.text(500) == table.text()));
}

TEST_CASE("columns without a place stand below, and words without one are notes") {
  base::Table table({{"family.type"},
                     {"prior.type"},
                     {"mutual_information", base::Align::kRight},
                     {"mutual_information_gap", base::Align::kRight},
                     {"elbo", base::Align::kRight}});
  table.add({"diagonal", "gaussian", "1.25 ± 0.25", "0.5", "236.91"});
  table.add({"block", "mixture", "1.5 ± 0.25", "0.75", "36.91"});
  CHECK(table.text(60) ==
        "                                             mutual_\n"
        "family.                       mutual_   information_\n"
        "type        prior.type    information            gap    elbo\n"
        "──────────  ──────────  ─────────────  ─────────────  ──────\n"
        "diagonal    gaussian      1.25 ± 0.25            0.5  236.91\n"
        "block       mixture        1.5 ± 0.25           0.75   36.91\n");
  CHECK(table.text(42) ==
        "                                   mutual_\n"
        "family.type  prior.type        information\n"
        "───────────  ──────────  ─────────────────\n"
        "diagonal     gaussian          1.25 ± 0.25\n"
        "block        mixture            1.5 ± 0.25\n"
        "\n"
        "                           mutual_\n"
        "family.    prior.     information_\n"
        "type       type                gap    elbo\n"
        "─────────  ─────────  ────────────  ──────\n"
        "diagonal   gaussian            0.5  236.91\n"
        "block      mixture            0.75   36.91\n");
  base::Table runs({{"run"}, {"state"}, {"loss", base::Align::kRight}});
  runs.add({"a-name-without-any-space-that-is-longer-than-half-0123abcd-1", "done", "103.5"});
  runs.add({"quick-1", "begun", "9.5"});
  CHECK(runs.text(64) ==
        "run      state   loss\n"
        "───────  ─────  ─────\n"
        "[1]      done   103.5\n"
        "quick-1  begun    9.5\n"
        "\n"
        "[1] a-name-without-any-space-that-is-longer-than-half-0123abcd-1\n");
}

TEST_CASE("long lines are folded under their last column, or under their beginning") {
  const std::string text =
      "a:1  one two three four five six seven\nanother:one  org.variform.encoders 1.0.0  A perceptron for "
      "all data.\n"
      "short  as it is\n";
  CHECK(base::folded(text, 30) ==
        "a:1  one two three four five\n"
        "     six seven\n"
        "another:one\n"
        "    org.variform.encoders\n"
        "    1.0.0\n"
        "    A perceptron for all data.\n"
        "short  as it is\n");
  CHECK((base::folded(text, 0) == text && base::folded(text, 500) == text));
}

TEST_CASE("tables of twenty columns fit every terminal") {
  std::vector<base::Table::Column> columns{{"run"}, {"what it is"}};
  for (int c = 0; c < 20; ++c)
    columns.push_back({"disentanglement_of_group_" + std::to_string(c), base::Align::kRight});
  base::Table table(columns);
  std::vector<std::string> row{"run-1",
                               "a sentence of some length that would not fit beside all of the numbers"};
  for (int c = 0; c < 20; ++c) row.push_back(std::to_string(1000 + c) + ".5 ± 0.5");
  table.add(row);
  for (const std::size_t width : {40, 80, 100, 132, 200}) {
    const std::string text = table.text(width);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      INFO(width << ": " << line);
      CHECK(static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) {
              return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
            })) <= width);
    }
    for (int c = 0; c < 20; ++c) CHECK_THAT(text, ContainsSubstring(row[static_cast<std::size_t>(c) + 2]));
  }
}

TEST_CASE("a value is shown with the digits that its standard error vouches for") {
  CHECK(base::with_error(236.914159, 0.3456) == "236.91 ± 0.35");
  CHECK(base::with_error(-1234.5, 12) == "-1234 ± 12");
  CHECK(base::with_error(0.5, 0) == "0.5");
  CHECK(base::with_error(0.670647058164, 1e-13) == "0.670647");
  CHECK(base::with_error(-2e-16, 1e-16) == "0");
  CHECK(base::with_error(NAN, 1) == "–");
  CHECK(base::significant(0.000123456, 3) == "0.000123");
}

// Pixels of the picture that have about this colour.
int pixels_of(const draw::Image& image, int red, int green, int blue) {
  int count = 0;
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3)
    count += std::abs(image.pixels[i] - red) < 8 && std::abs(image.pixels[i + 1] - green) < 8 &&
             std::abs(image.pixels[i + 2] - blue) < 8;
  return count;
}
bool has_pixel(const draw::Image& image, int red, int green, int blue) {
  return pixels_of(image, red, green, blue) > 0;
}

const draw::Figure kTwoCurves{
    draw::FigureKind::kCurves,
    {{"loss", "step", "nats", {{"a 'quoted' one", {1, 2}, {3, 4}}, {"b_1", {1, 2}, {0.1, 9}}}},
     {"kl", "step", "nats", {{"b_1", {1, 2}, {1e-300, std::nan("")}}}}}};

TEST_CASE("a figure's CSV has every number, exactly") {
  CHECK(draw::csv_of(kTwoCurves) ==
        "panel,series,x,y,error\n\"loss\",\"a 'quoted' one\",1,3,\n\"loss\",\"a 'quoted' one\",2,4,\n"
        "\"loss\",\"b_1\",1,0.1,\n\"loss\",\"b_1\",2,9,\n\"kl\",\"b_1\",1,1e-300,\n\"kl\",\"b_1\",2,NaN,\n");
}

TEST_CASE("a figure is drawn as SVG and PNG beside its data and script, each series in its colour") {
  const Folder folder;
  const draw::Drawn drawn = draw::draw(kTwoCurves, folder / "it's a/fig");
  CHECK(content(drawn.csv) == draw::csv_of(kTwoCurves));
  const std::string svg = content(drawn.svg);
  for (const char* text : {"loss", "kl", "step", "nats", "b_1", "a 'quoted' one"})
    CHECK_THAT(svg, ContainsSubstring(text));
  const draw::Image image = draw::read_png(drawn.png);
  CHECK((image.width == 1600 && image.height == 672));  // two panels and a legend, at twice the SVG's size
  CHECK((has_pixel(image, 0x00, 0x72, 0xB2) && has_pixel(image, 0xD5, 0x5E, 0x00)));
  CHECK_FALSE(has_pixel(image, 0x00, 0x9E, 0x73));  // there is no third series
}

TEST_CASE("a point without an interval is drawn beside others that have one") {
  const Folder folder;
  const draw::Figure figure{
      draw::FigureKind::kCurves,
      {{"loss",
        "step",
        "nats",
        {{"three runs", {1, 2}, {3, 4}, {0.1, 0.2}}, {"one run", {1.5}, {3.5}, {NAN}}}}}};
  draw::Figure without = figure;
  without.panels[0].series[1].y[0] = NAN;
  const auto points = [&](const draw::Figure& which,
                          const char* name) {  // of the second colour; the legend has some, too
    return pixels_of(draw::read_png(draw::draw(which, folder / name).png), 0xD5, 0x5E, 0x00);
  };
  CHECK(points(figure, "with") > points(without, "without") + 20);
}

TEST_CASE("ticks of the horizontal axis are few and round") {
  for (const auto& [end, step] : {std::pair{2000.0, "500"}, {20000.0, "5000"}, {8.0, "2"}, {0.9, "0.2"}}) {
    const draw::Figure one{draw::FigureKind::kCurves,
                           {{"loss", "step", "nats", {{"a", {end / 10, end}, {1, 2}}}}}};
    CHECK_THAT(draw::script_of(one, "f"),
               ContainsSubstring(std::string("set xtics nomirror out ") + step + "\n"));
  }
  const draw::Figure point{draw::FigureKind::kCurves, {{"loss", "step", "nats", {{"a", {7}, {1}}}}}};
  CHECK_THAT(draw::script_of(point, "f"), ContainsSubstring("set xtics nomirror out 1\n"));
}

TEST_CASE("histograms of one panel stand side by side in their bins, and their counts are whole") {
  const auto steps = [](const char* label, double count) {
    draw::Series series{label, {0, 0, 10, 20}, {0, count, 1, 0}};
    series.style = draw::Series::Style::kSteps;
    return series;
  };
  const draw::Figure figure{
      draw::FigureKind::kCurves,
      {{"two", "x", "number", {steps("a", 3), steps("c", 2)}}, {"one", "x", "number", {steps("b", 70)}}}};
  const std::string script = draw::script_of(figure, "f");
  const std::size_t second = script.find("set title 'one'");
  const std::string two = script.substr(0, second), one = script.substr(second);
  CHECK_THAT(two, ContainsSubstring("using ($3 + 2.8000000000000003):4:(4.4) with boxes"));
  CHECK_THAT(two, ContainsSubstring("using ($3 + 7.2):4:(4.4) with boxes"));
  CHECK_THAT(two, ContainsSubstring("set ytics nomirror out 1\n"));
  CHECK_THAT(one, ContainsSubstring("with steps"));
  CHECK_THAT(one, ContainsSubstring("set ytics nomirror out 20\n"));
}

TEST_CASE("texts of ticks have lines, and leave out what has no room") {
  draw::Figure figure{draw::FigureKind::kCurves, {{"", "β", "nats", {{"a", {1, 2}, {3, 4}}}}}};
  figure.panels[0].x_ticks = {{1, "a rather long name of something that stands there"}, {2, "b \"c\""}};
  const std::string words = draw::script_of(figure, "f");
  CHECK_THAT(words,
             ContainsSubstring("name of'.\"\\n\".'something that stands there' 1, 'b \"c\"' 2) font ',11'"));
  figure.panels[0].log_x = true;
  figure.panels[0].x_ticks = {{0.1, "0.1"}, {0.4, "0.4"}, {0.98, "0.98"}, {1, "1"}};
  CHECK_THAT(draw::script_of(figure, "f"), ContainsSubstring("('0.1' 0.1, '0.4' 0.4, '' 0.98, '1' 1)"));
}

// How often a text occurs.
std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("no two series of a figure look alike") {
  draw::Figure figure;
  figure.panels = {{"", "x", "y", {}}};
  for (int s = 0; s < 20; ++s)
    figure.panels[0].series.push_back({"run " + std::to_string(s), {0, 1}, {0.5 * s, 1.0 * s}});
  const std::string script = draw::script_of(figure, "f");
  std::set<std::string> looks, colours;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("set style line ")) continue;
    const std::string look = line.substr(line.find("lw"));
    looks.insert(look);
    colours.insert(look.substr(look.find('#'), 7));
  }
  CHECK((looks.size() == 20 && colours.size() == 16));
  CHECK_THAT(script, ContainsSubstring("set style line 17 lw 2 lc rgb '#0072B2' pt 7 ps 0.8 dt 2\n"));
  // Bars and histograms have no dashes.
  figure.kind = draw::FigureKind::kBars;
  for (draw::Series& series : figure.panels[0].series) series.x.clear(), series.y.resize(1);
  CHECK_THROWS_WITH(draw::script_of(figure, "f"),
                    "20 series in one figure, of which 16 can be told apart: show fewer, or more panels.");
  figure.panels[0].series.resize(16);
  CHECK_NOTHROW(draw::script_of(figure, "f"));
}

TEST_CASE("panels that show one quantity have one scale") {
  draw::Figure figure;
  figure.panels = {{"a", "x", "kl", {{"one", {0, 10}, {0.5, 2}, {0.5, 0.5}}}},
                   {"b", "x", "kl", {{"one", {0, 20}, {4, 12.5}}}},
                   {"c", "x", "nll", {{"one", {0, 1}, {100, 200}}}}};
  CHECK(count_of(draw::script_of(figure, "f"), "set yrange [") == 0);
  for (draw::Panel& panel : figure.panels) panel.x_quantity = "x", panel.y_quantity = panel.y_label;
  const std::string script = draw::script_of(figure, "f");
  CHECK(count_of(script, "  set yrange [-0.5:13]\n") == 2);  // 0 to 12.5, and 4 % at both ends
  CHECK(count_of(script, "set yrange [") == 2);
  CHECK(count_of(script, "  set xrange [-0.6:20.6]\n") == 3);

  figure.kind = draw::FigureKind::kBars;
  figure.panels = {{"a", "", "kl", {{"one", {}, {4}}, {"two", {}, {8}}}},
                   {"b", "", "kl", {{"one", {}, {16}}, {"two", {}, {16.5}}}}};
  for (draw::Panel& panel : figure.panels) panel.y_quantity = "kl";
  // The second alone would be shown by marks; beside the first it has bars from 0 on.
  CHECK(count_of(draw::script_of(figure, "f"), "  set yrange [0:17]\n") == 2);
  CHECK(count_of(draw::script_of(figure, "f"), " with boxes ls ") == 4);
}

TEST_CASE("bars begin at zero, and marks stand for values that are nearly equal") {
  const draw::Figure bars{
      draw::FigureKind::kBars,
      {{"contrast", "", "nats", {{"a", {}, {0.5}, {0.1}}, {"b", {}, {2}, {0.2}}}},
       {"elbo", "", "nats", {{"a", {}, {731}, {0.1}}, {"b", {}, {735}, {std::nan("")}}}}}};
  const std::string script = draw::script_of(bars, "f");
  const std::size_t second = script.find("set title 'elbo'");
  REQUIRE(second != std::string::npos);
  CHECK_THAT(script.substr(0, second), ContainsSubstring("set yrange [*<0:0<*]"));
  CHECK_THAT(script.substr(0, second), ContainsSubstring("with boxerrorbars"));
  CHECK(script.find("with box", second) == std::string::npos);
  CHECK_THAT(script.substr(second), ContainsSubstring("with points"));  // the one without an error
  const Folder folder;
  const draw::Image image = draw::read_png(draw::draw(bars, folder / "bars").png);
  CHECK((image.width == 1600 && image.height == 600));  // names under the bars, no legend
  CHECK((has_pixel(image, 0x26, 0x87, 0xBD) || has_pixel(image, 0x00, 0x72, 0xB2)));
}

TEST_CASE("what cannot be drawn is an error that says what to do") {
  const Folder folder;
  CHECK_THROWS_WITH(draw::draw(draw::Figure{}, folder / "f"), "there is nothing to draw.");
  const std::string path = testing::environment("PATH");
  ::setenv("PATH", folder.path().c_str(), 1);
  CHECK_THROWS_WITH(draw::draw(kTwoCurves, folder / "f"),
                    ContainsSubstring("install the package gnuplot-nox"));
  ::setenv("PATH", path.c_str(), 1);
  CHECK(std::filesystem::exists(folder / "f.gp"));
}

// A run folder with two log lines, two evaluations of the test split and an evaluation file.
std::filesystem::path fake_run(const Folder& folder, const std::string& name, const std::string& config,
                               double loss) {
  const std::filesystem::path run = folder / name;
  std::filesystem::create_directories(run);
  std::ofstream(run / "config.resolved.toml") << config;
  const std::string value = std::to_string(loss);
  std::ofstream(run / "metrics.jsonl")
      << "{\"split\":\"train\",\"step\":5,\"loss\":9,\"lr\":0.1}\n"
      << "{\"split\":\"test\",\"step\":5,\"loss\":8,\"kl\":null,\"epoch\":0.5}\n"
      << "{\"split\":\"test\",\"step\":10,\"loss\":" << value
      << ",\"kl\":2,\"epoch\":1,\"mmd\":0.5}\n{\"split\":\"te";
  std::ofstream(run / "evaluation-test.json")
      << "{\"values\":{\"contrast\":{\"mean\":" << value
      << ",\"se\":0.5},\"grae\":{\"undefined\":\"not defined: no.\"}},\"quality\":{\"distance[net-" << name
      << "]\":{\"value\":7,\"se\":null,\"what\":\"w\"},\"recall[net-1]\":{\"value\":" << value
      << ",\"se\":0.1,\"what\":\"w\"}},\"posterior\":\"family x\"}";
  return run;
}

std::string config_of(const std::string& family, const std::string& beta, const std::string& seed = "1") {
  return "name = \"" + family + "\"\nseed = " + seed + "\n[model.family]\ntype = \"" + family +
         "\"\nplugin = \"org." + family + "\"\n" + family +
         "_scale = 2.0\n[objective]\ntype = \"o\"\nbeta = " + beta +
         "\n[train]\nthreads = " + (family == "full" ? "1" : "2") + "\n";
}

TEST_CASE("runs go by what tells them apart") {
  const Folder folder;
  const auto a = fake_run(folder, "a", config_of("diagonal", "0.1"), 1),
             b = fake_run(folder, "b", config_of("full", "0.1"), 2),
             c = fake_run(folder, "c", config_of("full", "1.0"), 3),
             same = fake_run(folder, "same", config_of("full", "1.0"), 3);
  const auto labels = [](const std::vector<std::filesystem::path>& runs) {
    std::vector<std::string> found;
    for (const study::RunSource& run : study::sources(runs)) found.push_back(run.label);
    return found;
  };
  CHECK(labels({a, b}) == std::vector<std::string>{"family diagonal", "family full"});
  CHECK(labels({a, b, c}) == std::vector<std::string>{"family diagonal, beta 0.1", "family full, beta 0.1",
                                                      "family full, beta 1.0"});
  CHECK(labels({b, c}) == std::vector<std::string>{"beta 0.1", "beta 1.0"});
  CHECK(labels({c, same}) == std::vector<std::string>{"c", "same"});
  CHECK(labels({a}) == std::vector<std::string>{"a"});
  CHECK_THROWS_WITH(study::sources({a, folder / "a/../a"}), ContainsSubstring("is given twice"));
  CHECK_THROWS_WITH(study::sources({folder.path()}), ContainsSubstring("holds no config.resolved.toml"));
}

TEST_CASE("curves and bars are what the runs' files say") {
  const Folder folder;
  const std::vector<study::RunSource> runs =
      study::sources({fake_run(folder, "a", config_of("diagonal", "0.1"), 1),
                      fake_run(folder, "b", config_of("full", "0.1"), 2)});
  const draw::Figure all = study::curves(runs, "epoch", {}, "");
  REQUIRE(all.panels.size() == 3);
  CHECK((all.panels[0].title == "loss" && all.panels[0].x_label == "epoch"));
  CHECK(all.panels[0].y_label == "nats per example (test)");
  CHECK((all.panels[1].title == "kl" && all.panels[1].y_label == "nats per example (test)"));
  CHECK((all.panels[2].title == "mmd" &&
         all.panels[2].y_label == "mmd (test)"));  // in a unit that nothing says
  CHECK(all.panels[0].series[1].x == std::vector<double>{0.5, 1});
  CHECK(all.panels[0].series[1].y == std::vector<double>{8, 2});
  CHECK(std::isnan(all.panels[1].series[0].y[0]));
  CHECK(study::curves(runs, "step", {"lr"}, "train").panels[0].y_label == "lr (train)");
  CHECK_THROWS_WITH(
      study::curves(runs, "step", {"elbo"}, ""),
      ContainsSubstring("has no 'elbo' on the split 'test'; it has: epoch, kl, loss, mmd, step."));
  CHECK_THROWS_WITH(study::curves(runs, "step", {"loss"}, "validation"),
                    ContainsSubstring("Its splits: test, train"));
  CHECK_THROWS_WITH(study::curves(runs, "hours", {"loss"}, ""), ContainsSubstring("has no 'hours'"));

  const draw::Figure bars = study::evaluations(runs, {"contrast"}, "test");
  CHECK(bars.panels[0].series[1].y == std::vector<double>{2});
  CHECK(bars.panels[0].series[1].error == std::vector<double>{0.5});
  CHECK_THROWS_WITH(study::evaluations(runs, {"nll"}, "test"),
                    ContainsSubstring("it has: contrast, distance[net-a], recall[net-1]."));
  const draw::Figure section = study::evaluations(runs, {"recall[net-1]"}, "test");
  CHECK(section.panels[0].series[1].y == std::vector<double>{2});
  CHECK(section.panels[0].y_label == "recall[net-1] (test)");  // in no unit that all values share
  // Features of networks with other weights are not compared.
  CHECK_THROWS_WITH(study::evaluations(runs, {"distance[net-a]"}, "test"),
                    ContainsSubstring("has no value 'distance[net-a]' on the split 'test'; it has: contrast, "
                                      "distance[net-b]"));
  CHECK_THROWS_WITH(study::evaluations(runs, {"grae"}, "test"), ContainsSubstring("(not defined: no.)"));
  CHECK_THROWS_WITH(study::evaluations(runs, {"nll"}, "train"), ContainsSubstring("variform evaluate"));
}

}  // namespace
}  // namespace variform::study
