// Figures and tables of a study from evaluations whose numbers are known.

#include "report/study_figures.h"
#include "report/study_tables.h"

#include <cmath>

#include "fake_study.h"

namespace variform::report {
namespace {

using nlohmann::json;
using testing::ContainsSubstring;
using Numbers = std::vector<double>;

FigureSpec figure(const std::string& toml) {
  return read_from("[[study.figures]]\nname = \"f\"\n" + toml, "figures", read_figures).at(0);
}

// Families × β (the larger first) × two seeds: kl = 1, 2, 3, …, loss = 100 − kl².
FakeStudy grid() {
  FakeStudy study;
  double kl = 0;
  for (const std::string family : {"diagonal", "full"})
    for (const std::string beta : {"2", "0.5"})
      for (const std::string seed : {"1", "2"}) {
        ++kl;
        study.add({{"model.family.type", family}, {"objective.beta", beta}, {"seed", seed}},
                  {{"values", values_of({{"kl", kl}, {"loss", 100 - kl * kl}})}});
      }
  return study;
}

TEST_CASE("a metric against another is a line through the means at each label of an axis") {
  const FakeStudy study = grid();
  const StudyFigure found =
      figure_of(study.read(), figure("x_metric = \"kl\"\nmetrics = [\"loss\"]\npoints = \"objective.beta\"\n"
                                     "series = \"model.family.type\"\npoint_labels = true"));
  REQUIRE(found.figure.panels.size() == 1);
  const Panel& panel = found.figure.panels[0];
  CHECK((panel.x_label == "kl" && panel.y_label == "loss"));
  REQUIRE(panel.series.size() == 4);  // two lines, each with its single values
  const Series &full = panel.series[2], &singles = panel.series[3];
  CHECK(full.label == "full");
  CHECK(full.x == Numbers{5.5, 7.5});  // in the axis' order: β 2, then 0.5
  CHECK(full.y == Numbers{100 - 0.5 * (25 + 36), 100 - 0.5 * (49 + 64)});
  CHECK(full.names == std::vector<std::string>{"2", "0.5"});
  CHECK(full.error[0] == testing::Approx(12.7062047 * 5.5));  // t(0.975, 1) · sd / √2
  CHECK((singles.x == Numbers{5, 6, 7, 8} && singles.y == Numbers{75, 64, 51, 36}));
  CHECK(found.cells.size() == 8);

  CHECK_THROWS_WITH(
      figure_of(study.read(), figure("x_metric = \"rate\"\nmetrics = [\"loss\"]\npoints = \"seed\"")),
      "the figure f: nothing to show: no run of the study has rate.");
}

TEST_CASE("ticks of a logarithmic axis are its labels") {
  const FakeStudy study = grid();
  const auto ticks = [&](const char* more) {
    const StudyFigure found =
        figure_of(study.read(), figure(std::string("x = \"objective.beta\"\nmetrics = [\"kl\"]\n") + more));
    return found.figure.panels[0].x_ticks;
  };
  CHECK(ticks("").empty());
  REQUIRE(ticks("log_x = true").size() == 2);
  CHECK((ticks("log_x = true")[1].at == 0.5 && ticks("log_x = true")[1].text == "0.5"));
}

TEST_CASE("what is not comparable is not averaged") {
  FakeStudy study;
  json& cell = study.add_cell("train", {{"seed", "1"}});
  for (const char* split : {"test", "train"})
    study.add_evaluation(cell, split, "end", {{"values", values_of({{"kl", split[1] == 'e' ? 2 : 1}})}});
  study.add({{"seed", "1"}}, {{"values", values_of({{"kl", 4}})}}, "", "refit");
  const StudyResults results = study.read();
  CHECK_THROWS_WITH(
      figure_of(results, figure("kind = \"bars\"\nmetrics = [\"kl\"]")),
      "the figure f: kl of the evaluations test and train would be averaged: choose one by evaluation "
      "= \"test\".");
  const auto table = [&](const std::string& more) {
    const std::string toml = "[[study.tables]]\nname = \"t\"\nrows = [\"seed\"]\nmetrics = [\"kl\"]\n" + more;
    return table_of(results, read_from(toml, "tables", read_tables).at(0)).csv;
  };
  CHECK_THROWS_WITH(table(""),
                    "the table t: kl of the evaluations test and train would be averaged: choose one by "
                    "evaluation = \"test\".");
  CHECK_THROWS_WITH(table("evaluation = \"final\"\nstage = \"train\""),
                    "the table t has nothing to show: no run of the study has kl.");
  CHECK(table("evaluation = \"test\"") == "seed,kl,kl_half95,n\n1,2,nan,1\n");
  const StudyFigure bars = figure_of(
      results, figure("kind = \"bars\"\nmetrics = [\"kl\"]\npanel = \"stage\"\nseries = \"evaluation\""));
  REQUIRE(bars.figure.panels.size() == 2);
  CHECK((bars.figure.panels[0].title == "train" && bars.figure.panels[0].series.size() == 2));
  CHECK(bars.figure.panels[0].series[0].y == Numbers{2});
  CHECK((bars.figure.panels[1].title == "refit" && bars.figure.panels[1].series.size() == 1));
}

TEST_CASE("stages are averaged where they add seeds, not where they repeat them") {
  FakeStudy study;
  study.add({{"seed", "1"}}, {{"values", values_of({{"kl", 1}})}}, "", "first");
  study.add({{"seed", "2"}}, {{"values", values_of({{"kl", 3}})}}, "", "more-seeds");
  const std::string bars = "kind = \"bars\"\nmetrics = [\"kl\"]";
  CHECK(figure_of(study.read(), figure(bars)).figure.panels[0].series[0].y == Numbers{2});
  study.add({{"seed", "2"}}, {{"values", values_of({{"kl", 5}})}}, "", "again");
  CHECK_THROWS_WITH(
      figure_of(study.read(), figure(bars)),
      "the figure f: kl of the stages more-seeds and again would be averaged: choose one by stage = "
      "\"more-seeds\".");
}

TEST_CASE("labels stand in the order of the study, whichever runs are done") {
  FakeStudy study;
  for (const char* family : {"diagonal", "full"})
    for (const std::string beta : {"2", "0.5"}) {
      json& cell = study.add_cell("main", {{"model.family.type", family}, {"objective.beta", beta}});
      if (family[0] == 'd' && beta == "2") cell.erase("run");
      else study.add_evaluation(cell, "final", "end", {{"values", values_of({{"kl", 1}})}});
    }
  const StudyFigure found =
      figure_of(study.read(), figure("kind = \"bars\"\nmetrics = [\"kl\"]\nseries = \"objective.beta\"\n"
                                     "panel = \"model.family.type\"\npanel_label = \"q is\""));
  CHECK(found.figure.panels[1].title == "q is full");
  CHECK(found.figure.panels[1].series[0].label == "2");
  CHECK(found.cells == std::vector<std::size_t>{1, 2, 3});
}

TEST_CASE("results that are gone do not keep the others away") {
  FakeStudy study = grid();
  StudyResults results = study.read();
  CHECK(results.problems.empty());
  const std::size_t rows = results.rows.size();
  for (const std::size_t cell : {1, 2}) std::filesystem::remove(results.files[cell].file);
  const std::string first = results.files[1].file.string();
  results = study.read();
  CHECK(results.rows.size() == rows - 4);
  CHECK(results.problems ==
        std::vector<std::string>{"the result " + first +
                                 " and 1 more are gone or damaged; run the study again, it makes "
                                 "what is missing."});
}

TEST_CASE("numbers may be labels in `where`") {
  const FakeStudy study = grid();
  const StudyFigure found = figure_of(
      study.read(),
      figure("kind = \"bars\"\nmetrics = [\"kl\"]\nwhere = { \"objective.beta\" = 0.5, seed = [2, \"3\"] }"));
  CHECK(found.figure.panels[0].series[0].y == Numbers{6});  // of 4 and 8
}

TEST_CASE("all that is wrong with figures is said at once, and where") {
  const std::string said = errors_of(R"toml(
[[study.figures]]
name = "a"
metrics = ["kl"]
x = "beta"
[[study.figures]]
name = "a"
metrics = ["kl"]
[[study.figures]]
name = "b"
metrics = ["kl", "nll"]
x_metric = "kl"
where = { seed = { a = 1 } }
)toml",
                                     "figures", read_figures);
  for (const char* line :
       {"study.toml:5:5: error: study.figures.x names \"beta\", which is no axis of this study.\n",
        "study.toml:7:8: error: study.figures.name is taken already.\n",
        "study.toml:6:1: error: Curves need an axis study.figures.x, \"epoch\" or \"step\"; or x_metric with "
        "points.\n",
        "study.toml:9:1: error: study.figures.points, an axis, goes with x_metric, a metric: its labels are "
        "the points "
        "of a line.\n",
        "study.toml:11:11: error: study.figures.metrics must be one metric beside x_metric.\n",
        "study.toml:13:18: error: study.figures.where.seed must be a label, or a list of labels, of that "
        "axis, found a "
        "table.\n"})
    CHECK_THAT(said, ContainsSubstring(line));
}

}  // namespace
}  // namespace variform::report
