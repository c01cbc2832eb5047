// Figures and tables of a study from evaluations whose numbers are known.

#include "study/figures/figures.h"
#include "study/tables.h"

#include <cmath>

#include "fake_study.h"

namespace variform::study {
namespace {

using nlohmann::json;
using testing::ContainsSubstring;
using Numbers = std::vector<double>;

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
  const study::StudyFigure found = study::figure_of(
      study.read(), figure("x_metric = \"kl\"\nmetrics = [\"loss\"]\npoints = \"objective.beta\"\n"
                           "series = \"model.family.type\"\npoint_labels = true"));
  REQUIRE(found.figure.panels.size() == 1);
  const draw::Panel& panel = found.figure.panels[0];
  CHECK((panel.x_label == "kl" && panel.y_label == "loss"));
  REQUIRE(panel.series.size() == 4);  // two lines, each with its single values
  const draw::Series &full = panel.series[2], &singles = panel.series[3];
  CHECK(full.label == "full");
  CHECK(full.x == Numbers{5.5, 7.5});  // in the axis' order: β 2, then 0.5
  CHECK(full.y == Numbers{100 - 0.5 * (25 + 36), 100 - 0.5 * (49 + 64)});
  CHECK(full.names == std::vector<std::string>{"2", "0.5"});
  CHECK(full.error[0] == testing::Approx(12.7062047 * 5.5));  // t(0.975, 1) · sd / √2
  CHECK((singles.x == Numbers{5, 6, 7, 8} && singles.y == Numbers{75, 64, 51, 36}));
  CHECK(found.cells.size() == 8);

  CHECK_THROWS_WITH(
      study::figure_of(study.read(), figure("x_metric = \"rate\"\nmetrics = [\"loss\"]\npoints = \"seed\"")),
      "the figure f: nothing to show: no run of the study has rate.");
}

// Two families × two seeds, kl = 1, 3 (seeds of the first family), 5, 9.
FakeStudy two_families() {
  FakeStudy study;
  const auto add = [&](const char* family, const char* seed, double kl) {
    study.add({{"model.family.type", family}, {"seed", seed}}, {{"values", values_of({{"kl", kl}})}});
  };
  add("diagonal", "1", 1);
  add("diagonal", "2", 3);
  add("full", "1", 5);
  add("full", "2", 9);
  return study;
}

TEST_CASE("nothing but seeds is averaged without its name, and intervals are over seeds alone") {
  FakeStudy study = two_families();
  const std::string bars = "kind = \"bars\"\nmetrics = [\"kl\"]\n";
  study::StudyFigure found = study::figure_of(study.read(), figure(bars));
  REQUIRE(found.figure.panels.at(0).series.size() == 1);
  CHECK(found.figure.panels[0].series[0].y == Numbers{4.5});
  // Means of the seeds over the families: 3 and 6.
  CHECK(found.figure.panels[0].series[0].error.at(0) == testing::Approx(12.7062047 * 1.5));
  CHECK(found.note == "Averaged over model.family.type. Bars: 95 % interval over seeds.");
  CHECK(found.figure.legend_title == "means over model.family.type");
  CHECK_THAT(draw::script_of(found.figure, "f"), ContainsSubstring("title 'means over model.family.type'"));

  const auto table = [&](const char* rows) {
    const std::string toml = "[[study.tables]]\nname = \"t\"\nmetrics = [\"kl\"]\nrows = [\"";
    return study::table_of(study.read(), read_from(toml + rows + "\"]", "tables", read_tables).at(0));
  };
  CHECK(table("model.family.type").note == "±: 95 % interval over seeds.");
  // One seed in each row: no interval over the families.
  const study::StudyTable of_seeds = table("seed");
  CHECK(of_seeds.csv == "seed,kl,kl_half95,n\n1,3,nan,2\n2,6,nan,2\n");
  CHECK(of_seeds.note ==
        "Averaged over model.family.type; an interval needs several seeds with the same labels there.");
  // Seeds that differ in which families they have are no sample of one number.
  study.add({{"model.family.type", "block"}, {"seed", "2"}}, {{"values", values_of({{"kl", 2}})}});
  found = study::figure_of(study.read(), figure(bars));
  CHECK(found.figure.panels[0].series[0].y == Numbers{4});
  CHECK(found.figure.panels[0].series[0].error.empty());

  // Where the axis has a place, seeds are all that is averaged.
  found = study::figure_of(study.read(), figure(bars + "series = \"model.family.type\""));
  CHECK((found.figure.legend_title.empty() && found.figure.panels[0].series.size() == 3));
  CHECK(study::figure_of(study.read(),
                         figure(bars + "series = \"model.family.type\"\ncaption = \"Mean, 95 % interval.\""))
            .note == "Bars: 95 % interval over seeds; of a single run, the standard error over data.");
}

TEST_CASE("a single run has the standard error over its data, by that name") {
  FakeStudy study;
  study.add({{"model.family.type", "diagonal"}, {"seed", "1"}}, {{"values", values_of({{"kl", 7}})}});
  const study::StudyFigure found =
      study::figure_of(study.read(), figure("kind = \"bars\"\nmetrics = [\"kl\"]"));
  CHECK(found.figure.panels.at(0).series.at(0).error == Numbers{0.25});
  CHECK(found.note == "Bars: standard error over data, of one run each.");
  const auto table = [&] {
    const std::string toml =
        "[[study.tables]]\nname = \"t\"\nmetrics = [\"kl\"]\nrows = [\"model.family.type\"]";
    return study::table_of(study.read(), read_from(toml, "tables", read_tables).at(0));
  };
  CHECK(table().table.rows() == std::vector<std::vector<std::string>>{{"diagonal", "7.00 ± 0.25"}});
  CHECK(table().note == "±: standard error over data, of one run each.");
  for (const char* seed : {"1", "2"})
    study.add({{"model.family.type", "full"}, {"seed", seed}},
              {{"values", values_of({{"kl", seed[0] == '1' ? 1 : 2}})}});
  CHECK(table().table.rows() ==
        std::vector<std::vector<std::string>>{{"diagonal", "7.00 ± 0.25 †"}, {"full", "1.5 ± 6.4"}});
  CHECK_THAT(table().latex, ContainsSubstring("diagonal & 7.00 $\\pm$ 0.25$^\\dagger$"));
  CHECK(table().note == "±: 95 % interval over seeds; of a single run (†), the standard error over data.");
}

TEST_CASE("metrics that no run has are refused with the nearest name, one among others too") {
  FakeStudy study = two_families();
  CHECK_THROWS_WITH(
      study::figure_of(study.read(),
                       figure("kind = \"bars\"\nmetrics = [\"kl\", \"kll\"]\npanel = \"metric\"")),
      "the figure f: nothing to show: no run of the study has kll; did you mean \"kl\"?");
  const std::string toml = "[[study.tables]]\nname = \"t\"\nrows = [\"seed\"]\nmetrics = [\"kl\", \"kll\"]";
  const study::TableSpec table = read_from(toml, "tables", read_tables).at(0);
  CHECK_THROWS_WITH(study::table_of(study.read(), table),
                    "the table t has nothing to show: no run of the study has kll; did you mean \"kl\"?");
  // One that an evaluation names without a value is known.
  study.add({{"model.family.type", "block"}, {"seed", "1"}},
            {{"values", {{"kll", {{"undefined", "not defined: no."}}}}}});
  CHECK(study::table_of(study.read(), table).csv ==
        "seed,kl,kl_half95,n,kll,kll_half95,n\n1,3,nan,2,,,0\n2,6,nan,2,,,0\n");
}

TEST_CASE("keys that a kind of figure ignores are refused, with what it understands") {
  const std::string said = errors_of(R"toml(
[[study.figures]]
name = "a"
kind = "bars"
metrics = ["kl"]
x = "seed"
[[study.figures]]
name = "b"
metrics = ["kl"]
x = "seed"
point_labels = true
panel_label = "q is"
bins = 3
)toml",
                                     "figures", read_figures);
  for (
      const char* line :
      {"study.toml:6:5: error: study.figures.x is not a key of a figure of kind \"bars\", which would ignore "
       "it.\n"
       "  6 | x = \"seed\"\n    |     ^\n"
       "  hint: this kind understands caption, evaluation, kind, metrics, name, panel, panel_label, "
       "series, shared_axes, stage, where, x_label, y_label\n",
       "study.toml:11:16: error: study.figures.point_labels goes with x_metric and points",
       "study.toml:12:15: error: study.figures.panel_label stands before the labels of panels, and this "
       "figure has one panel.\n",
       "study.toml:13:8: error: study.figures.bins is not a key of a figure of kind \"curves\""})
    CHECK_THAT(said, ContainsSubstring(line));
}

TEST_CASE("axes whose short names are equal go by longer ones") {
  CHECK(study::short_names({"model.family.type", "model.prior.type", "objective.beta", "seed"}) ==
        std::vector<std::string>{"family.type", "prior.type", "beta", "seed"});
  CHECK(study::short_names({"a.b.type", "type"}) == std::vector<std::string>{"b.type", "type"});
}

TEST_CASE("panels of one quantity share their axes, those of several metrics do not") {
  const FakeStudy study = grid();
  const auto quantities = [&](const std::string& more) {
    const study::StudyFigure found = study::figure_of(
        study.read(),
        figure("x = \"objective.beta\"\nmetrics = [\"kl\", \"loss\"]\nseries = \"seed\"\n" + more));
    std::vector<std::string> names;
    for (const draw::Panel& panel : found.figure.panels)
      names.push_back(panel.x_quantity + "/" + panel.y_quantity);
    return names;
  };
  const std::string by_metric = "panel = \"metric\"\nwhere = { \"model.family.type\" = \"full\" }\n";
  CHECK(quantities(by_metric) == std::vector<std::string>{"objective.beta/kl", "objective.beta/loss"});
  CHECK(quantities(by_metric + "shared_axes = false") == std::vector<std::string>{"/", "/"});
  const study::StudyFigure families = study::figure_of(
      study.read(),
      figure("x = \"objective.beta\"\nmetrics = [\"kl\"]\npanel = \"model.family.type\"\nlog_y = true"));
  CHECK(families.figure.panels.at(0).y_quantity == "kl log");
  CHECK(families.figure.panels.at(1).y_quantity == "kl log");
}

TEST_CASE("results of other data under one name are warned of") {
  FakeStudy study;
  for (const char* seed : {"1", "2"})
    study.add({{"seed", seed}}, {{"values", values_of({{"kl", 1}})}}, "data.dataset = \"mnist\"");
  const auto fingerprint = [&](const char* run, const char* text) {
    std::ofstream(study.folder() / ("runs/" + std::string(run) + "/environment.json"))
        << json{{"data_fingerprint", text},
                {"plugins", json::array({{{"id", "p"}, {"version", "1"}, {"sha256", text}}})}};
  };
  fingerprint("run-1", "0a1b");
  fingerprint("run-2", "0a1b");
  CHECK(study.read().warnings.empty());
  CHECK(
      (study.read().rows[0].data == "0a1b" && study.read().rows[0].plugins == study.read().rows[1].plugins));
  fingerprint("run-2", "9f8e");
  const study::StudyResults results = study.read();
  REQUIRE(results.warnings.size() == 2);
  CHECK_THAT(results.warnings[0], ContainsSubstring("different code of the plugin p (0a1b, 9f8e)"));
  CHECK_THAT(results.warnings[1],
             ContainsSubstring("the data set \"mnist\" was not the same for all runs (0a1b, 9f8e)"));
  CHECK(results.rows[0].plugins != results.rows[1].plugins);
}

TEST_CASE("a legend of numbers says what they are") {
  const FakeStudy study = grid();
  const auto title = [&](const std::string& more) {
    return study::figure_of(study.read(), figure("kind = \"bars\"\nmetrics = [\"kl\"]\n" + more))
        .figure.legend_title;
  };
  CHECK(title("series = \"objective.beta\"\npanel = \"model.family.type\"") == "beta");
  CHECK(title("series = [\"model.family.type\", \"objective.beta\"]") == "type, beta");
  CHECK(title("series = \"model.family.type\"\npanel = \"objective.beta\"") == "");
  CHECK(title("series = \"objective.beta\"") == "beta; means over model.family.type");
}

TEST_CASE("ticks of a logarithmic axis are its labels") {
  const FakeStudy study = grid();
  const auto ticks = [&](const char* more) {
    const study::StudyFigure found = study::figure_of(
        study.read(), figure(std::string("x = \"objective.beta\"\nmetrics = [\"kl\"]\n") + more));
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
  const study::StudyResults results = study.read();
  CHECK_THROWS_WITH(
      study::figure_of(results, figure("kind = \"bars\"\nmetrics = [\"kl\"]")),
      "the figure f: kl of the evaluations test and train would be averaged: choose one by evaluation "
      "= \"test\".");
  const auto table = [&](const std::string& more) {
    const std::string toml = "[[study.tables]]\nname = \"t\"\nrows = [\"seed\"]\nmetrics = [\"kl\"]\n" + more;
    return study::table_of(results, read_from(toml, "tables", read_tables).at(0)).csv;
  };
  CHECK_THROWS_WITH(table(""),
                    "the table t: kl of the evaluations test and train would be averaged: choose one by "
                    "evaluation = \"test\".");
  CHECK_THROWS_WITH(table("evaluation = \"final\"\nstage = \"train\""),
                    "the table t has nothing to show: no run that it chooses has kl.");
  CHECK(table("evaluation = \"test\"") == "seed,kl,kl_half95,n\n1,2,nan,1\n");
  const study::StudyFigure bars = study::figure_of(
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
  CHECK(study::figure_of(study.read(), figure(bars)).figure.panels[0].series[0].y == Numbers{2});
  study.add({{"seed", "2"}}, {{"values", values_of({{"kl", 5}})}}, "", "again");
  CHECK_THROWS_WITH(
      study::figure_of(study.read(), figure(bars)),
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
  const study::StudyFigure found = study::figure_of(
      study.read(), figure("kind = \"bars\"\nmetrics = [\"kl\"]\nseries = \"objective.beta\"\n"
                           "panel = \"model.family.type\"\npanel_label = \"q is\""));
  CHECK(found.figure.panels[1].title == "q is full");
  CHECK(found.figure.panels[1].series[0].label == "2");
  CHECK(found.cells == std::vector<std::size_t>{1, 2, 3});
}

TEST_CASE("results that are gone do not keep the others away") {
  FakeStudy study = grid();
  study::StudyResults results = study.read();
  CHECK(results.problems.empty());
  const std::size_t rows = results.rows.size();
  for (const std::size_t cell : {1, 2}) std::filesystem::remove(results.files[cell].file);
  const std::string first = results.files[1].file.string();
  results = study.read();
  CHECK(results.rows.size() == rows - 4);
  CHECK(results.problems ==
        std::vector<std::string>{"the result " + first +
                                 " and 1 more are gone or damaged; run the study again to make "
                                 "what is missing."});
}

TEST_CASE("numbers may be labels in `where`") {
  const FakeStudy study = grid();
  const study::StudyFigure found = study::figure_of(
      study.read(),
      figure("kind = \"bars\"\nmetrics = [\"kl\"]\nwhere = { \"objective.beta\" = 0.5, seed = [2, \"3\"] }"));
  CHECK(found.figure.panels[0].series[0].y == Numbers{6});  // of 4 and 8
}

TEST_CASE("lines may be combinations of axes, and panels may say themselves what they show") {
  const FakeStudy study = grid();
  const study::StudyFigure combined = study::figure_of(
      study.read(), figure("x = \"objective.beta\"\nmetrics = [\"kl\", \"loss\"]\n"
                           "series = [\"model.family.type\", \"metric\"]\nwhere = { seed = 1 }"));
  std::vector<std::string> labels;
  for (const draw::Series& series : combined.figure.panels.at(0).series) labels.push_back(series.label);
  CHECK(labels == std::vector<std::string>{"diagonal, kl", "full, kl", "diagonal, loss", "full, loss"});
  CHECK(combined.figure.panels[0].series[3].y == Numbers{51, 75});  // at β 0.5 and 2

  const study::StudyFigure panels = study::figure_of(study.read(), figure(R"toml(
x = "objective.beta"
metrics = ["kl"]
series = "model.family.type"
[[study.figures.panels]]
title = "one"
y_label = "nats"
[[study.figures.panels]]
title = "two"
metrics = ["loss"]
series = "seed"
where = { "model.family.type" = "full" }
)toml"));
  REQUIRE(panels.figure.panels.size() == 2);
  const draw::Panel &one = panels.figure.panels[0], &two = panels.figure.panels[1];
  CHECK((one.title == "one" && one.y_label == "nats" && one.series[0].label == "diagonal"));
  CHECK((two.title == "two" && two.y_label == "loss" && two.series.size() == 2));
  CHECK(two.series[1].y == Numbers{36, 64});  // seed 2
  CHECK(panels.cells.size() == 8);

  const std::string wrong = "[[study.figures]]\nname = \"f\"\nx = \"seed\"\nmetrics = [\"kl\"]\n";
  CHECK_THAT(
      errors_of(wrong + "panel = \"seed\"\n[[study.figures.panels]]\ntitle = \"a\"\n", "figures",
                read_figures),
      ContainsSubstring("study.figures.panels is a list of tables, in a figure of curves without `panel`."));
  CHECK_THAT(errors_of(wrong + "[[study.figures.panels]]\ntitel = \"a\"\n", "figures", read_figures),
             ContainsSubstring("Unknown key \"titel\""));
}

TEST_CASE("a metric that carries a protocol goes by its name, and two protocols are not averaged") {
  FakeStudy study;
  for (const std::string seed : {"1", "2"}) {
    study.add({{"model.family.type", "a"}, {"seed", seed}},
              {{"values", values_of({{"d[net-1]", 3}, {"d_real[net-1]", 9}})}});
    study.add({{"model.family.type", "b"}, {"seed", seed}}, {{"values", values_of({{"d[net-2]", 5}})}});
  }
  const study::StudyFigure found = study::figure_of(
      study.read(), figure("kind = \"bars\"\nmetrics = [\"d\"]\nseries = \"model.family.type\""));
  REQUIRE(found.figure.panels.at(0).series.size() == 2);
  CHECK(
      (found.figure.panels[0].series[0].y == Numbers{3} && found.figure.panels[0].series[1].y == Numbers{5}));
  CHECK_THROWS_WITH(
      study::figure_of(study.read(), figure("kind = \"bars\"\nmetrics = [\"d\"]")),
      ContainsSubstring("d[net-1] and d[net-2] would be averaged, which are of different protocols"));
  const study::TableSpec table =
      read_from("[[study.tables]]\nname = \"t\"\nrows = [\"model.family.type\"]\nmetrics = [\"d\"]", "tables",
                read_tables)
          .at(0);
  CHECK_THAT(study::table_of(study.read(), table).csv, ContainsSubstring("a,3,0,2\nb,5,0,2\n"));
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
       {"study.toml:5:5: error: study.figures.x names \"beta\", which is not an axis of this study.\n",
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
}  // namespace variform::study
