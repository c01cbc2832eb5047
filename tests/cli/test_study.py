"""`variform study` and `report`: a grid of runs that can be killed and goes on, its tables and figures."""

import base64
import csv
import html.parser
import json
import pathlib
import re
import signal
import time

from program import ProgramTest, checkpoint, main, metrics

STUDY = """
include = ["small.toml"]
name = "grid"
[train]
checkpoint_every = 4
[study]
title = "A small grid"
[study.axes]
"model.family.type" = ["diagonal", "full"]
"objective.beta" = [0.5, 2]
seed = [1, 2]
[study.evaluate.final]
samples = 2
importance_samples = 0
[study.evaluate.along]
epochs = [0, 1]
at_end = false
samples = 2
importance_samples = 0
limit = 32
[study.draw.samples]
command = "sample"
n = 4
[[study.metrics]]
name = "rate_share"
value = "beta * kl / loss_beta"
[[study.metrics]]
name = "above_full"
value = "loss_beta"
against = { "model.family.type" = "full" }
[[study.tables]]
name = "losses"
rows = ["model.family.type", "objective.beta"]
metrics = ["loss_beta", "kl"]
evaluation = "final"
[[study.figures]]
name = "loss-against-beta"
x = "objective.beta"
metrics = ["loss_beta", "grae"]
panel = "metric"
series = "model.family.type"
evaluation = "final"
[[study.figures]]
name = "loss-along"
x = "epoch"
metrics = ["loss_beta"]
panel = "objective.beta"
series = "model.family.type"
[[study.figures]]
name = "metric"
caption = "Normalized metric."
kind = "heat-map"
array = "geometry_arrays.metric.mean"
sort = "information_arrays.variance_of_codes"
active = "geometry_arrays.active"
panel = "objective.beta"
rows = "model.family.type"
evaluation = "final"
[[study.figures]]
name = "variances"
kind = "scatter"
x_array = "covariance_arrays.optimal_variances"
y_array = "covariance_arrays.learned_variances"
series = "model.family.type"
log_x = true
log_y = true
identity = true
medians = true
[[study.figures]]
name = "losses-counted"
kind = "histogram"
metrics = ["loss_beta"]
series = "model.family.type"
evaluation = "final"
[[study.figures]]
name = "samples"
kind = "images"
picture = "samples"
columns = "objective.beta"
rows = "model.family.type"
"""


class Study(ProgramTest):
    def setUp(self):
        super().setUp()
        (self.folder / "grid.toml").write_text(STUDY)

    def study(self, *arguments, **options):
        return self.run_program("study", "grid.toml", *arguments, **options)

    def results(self):
        with open(self.folder / "studies/grid/results.csv", newline="") as file:
            return list(csv.DictReader(file))

    def runs(self):
        return sorted((self.folder / "runs").iterdir())

    def stamps(self):
        """What was done when: a run or an evaluation that was made again has another time."""
        files = [*self.folder.glob("runs/*/checkpoints/last.h5"), *self.folder.glob("runs/*/evaluations/*.json")]
        return {str(file): file.stat().st_mtime_ns for file in files}

    def test_what_an_axis_takes_away_is_said(self):
        axis = """
            include = ["small.toml"]
            name = "grid"
            [train]
            steps = 1
            [study.axes]
            seed = [1, 2]
            [[study.axes.objective]]
            label = "plain"
            set = { "objective.beta" = 0.7 }
            [[study.axes.objective]]
            label = "GRAE"
            set = { "objective.type" = "grae"%s }
            """
        (self.folder / "grid.toml").write_text(axis % "")
        noted = self.study("objective.beta=0.7").stderr
        self.assertRegex(noted, r"note: objective\.beta = 0\.7 .* belonged to objective 'beta-vae' and was dropped; it is now 1\.0")
        self.assertIn("(2 of the cells, such as seed=1 objective=GRAE)", noted)
        self.assertEqual(noted.count("note: "), 1)
        (self.folder / "grid.toml").write_text(axis % ', "objective.beta" = 0.7')
        self.assertNotIn("note: ", self.study("objective.beta=0.7").stderr)
        # Given again by another axis: nothing is lost.
        (self.folder / "grid.toml").write_text((axis % "").replace("seed = [1, 2]", '"objective.beta" = [0.9]'))
        self.assertNotIn("note: ", self.study("objective.beta=0.7").stderr)

    def test_from_nothing_to_tables_and_figures(self):
        listed = self.study("--list").stdout
        self.assertEqual(listed.count("to do"), 8)
        self.assertIn("type=full beta=2 seed=1", listed)
        result = self.study("--jobs", 2)
        self.assertEqual(len(self.runs()), 8)
        self.assertIn("[8/8]", result.stderr)

        # The numbers are the evaluations' own.
        rows = self.results()
        summary = json.loads((self.folder / "studies/grid/study.json").read_text())
        cell = next(cell for cell in summary["cells"] if cell["labels"] == [
            ["model.family.type", "full"], ["objective.beta", "2"], ["seed", "2"]])
        run = self.folder / "runs" / cell["run"]
        ending = next(e for e in cell["evaluations"] if e["name"] == "final")
        values = json.loads((run / ending["file"]).read_text())["values"]
        (row,) = [row for row in rows if row["hash"] == cell["hash"] and row["run_seed"] == "2"
                  and row["evaluation"] == "final" and row["metric"] == "loss_beta"]
        self.assertEqual((float(row["value"]), float(row["se"])), (values["loss_beta"]["mean"], values["loss_beta"]["se"]))
        self.assertEqual((row["objective.beta"], row["epoch"], row["step"]), ("2", "end", "22"))
        self.assertRegex(row["commit"], "^([0-9a-f]{12}(-changed)?|unknown)$")
        along = [row for row in rows if row["hash"] == cell["hash"] and row["run_seed"] == "2"
                 and row["evaluation"] == "along" and row["metric"] == "loss_beta"]
        self.assertEqual([(row["epoch"], row["step"]) for row in along], [("0", "0"), ("1", "10")])

        # Derived metrics: of one run, and the difference from the run with the same β and seed.
        def of(metric, family):
            (found,) = [float(row["value"]) for row in rows if row["metric"] == metric and row["evaluation"] == "final"
                        and (row["model.family.type"], row["objective.beta"], row["seed"]) == (family, "2", "2")]
            return found

        self.assertEqual(of("rate_share", "full"), 2 * of("kl", "full") / of("loss_beta", "full"))
        self.assertEqual(of("above_full", "diagonal"), of("loss_beta", "diagonal") - of("loss_beta", "full"))

        # A stop for an evaluation leaves no trace in the training.
        straight = self.train("model.family.type=full", "objective.beta=2", "seed=2", "train.checkpoint_every=4",
                              runs="straight")
        self.assertEqual(metrics(run), metrics(straight))
        kept, whole = checkpoint(run), checkpoint(straight)
        self.assertEqual({name: values.tobytes() for name, values in whole.of("model/").items()},
                         {name: values.tobytes() for name, values in kept.of("model/").items()})

        # One checkpoint is left, of the model alone; nothing goes on from it, and it says what to do.
        self.assertEqual([file.name for file in (run / "checkpoints").iterdir()], ["last.h5"])
        self.assertFalse(kept.of("optimizer/"))
        refused = self.run_program("resume", run, "train.steps=30", code=1)
        self.assertIn("keeps the model alone, without the optimizer's state", refused.stderr)
        self.assertTrue((run / "DONE").exists())

        (picture,) = cell["pictures"]
        self.assertEqual(picture["name"], "samples")
        self.assertEqual((run / picture["file"]).read_bytes()[:4], b"\x89PNG")

        # Mean and interval of two seeds: t(0.975, 1) = 12.7062.
        with open(self.folder / "studies/grid/tables/losses.csv", newline="") as file:
            table = {(row["model.family.type"], row["objective.beta"]): row for row in csv.DictReader(file)}
        both = [float(row["value"]) for row in rows if row["metric"] == "loss_beta" and row["evaluation"] == "final"
                and row["model.family.type"] == "full" and row["objective.beta"] == "2"]
        self.assertEqual(len(both), 2)
        entry = table["full", "2"]
        self.assertAlmostEqual(float(entry["loss_beta"]), sum(both) / 2, places=6)
        self.assertAlmostEqual(float(entry["loss_beta_half95"]), 12.7062 * abs(both[0] - both[1]) / 2, delta=1e-4 * abs(both[0] - both[1]))
        self.assertIn("±", (self.folder / "studies/grid/tables/losses.md").read_text())
        self.assertIn("\\begin{tabular}", (self.folder / "studies/grid/tables/losses.tex").read_text())

        with open(self.folder / "studies/grid/figures/loss-against-beta.csv", newline="") as file:
            drawn = list(csv.DictReader(file))
        points = [row for row in drawn if row["panel"] == "loss_beta" and row["series"] == "full" and row["x"] == "2"]
        self.assertEqual(len(points), 3)  # the mean, and two single values
        self.assertTrue((self.folder / "studies/grid/figures/loss-along.png").exists())

        # The page holds everything: nothing is fetched, and the figures are the files.
        page = (self.folder / "studies/grid/report.html").read_text()
        html.parser.HTMLParser().feed(page)
        self.assertNotIn("http", re.sub(r"base64,[^\"]*", "", page))
        pictures = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page)
        self.assertEqual([base64.b64decode(picture) for picture in pictures],
                         [(self.folder / f"studies/grid/figures/{name}.svg").read_bytes()
                          for name in ("loss-against-beta", "loss-along", "metric", "variances", "losses-counted", "samples")])
        self.assertIn(f"<td>{cell['run']}</td>", page)
        self.assertIn("A small grid", page)

        # A heat map is the array of one run; pictures are the runs' own; captions say what is shown.
        arrays = json.loads((run.parent / self.first_run(summary) / ending["file"]).read_text())
        matrix, codes = arrays["geometry_arrays"]["metric"]["mean"], arrays["information_arrays"]["variance_of_codes"]
        with open(self.folder / "studies/grid/figures/metric.csv", newline="") as file:
            cells = [row for row in csv.DictReader(file) if (row["panel"], row["row"]) == ("beta 0.5", "diagonal")]
        for point in cells:
            i, j = int(point["name_y"]) - 1, int(point["name_x"]) - 1
            self.assertEqual(float(point["value"]), matrix[i][j])
            self.assertEqual(codes[j], sorted(codes, reverse=True)[int(point["x"]) - 1])
        self.assertEqual(len(cells), len(codes) ** 2)
        self.assertEqual((self.folder / "studies/grid/figures/samples-1.png").read_bytes(),
                         (run.parent / self.first_run(summary) / summary["cells"][0]["pictures"][0]["file"]).read_bytes())
        detail = "Data set blobs; 4 latents; encoder mlp; decoder mlp; prior gaussian; likelihood gaussian; objective " \
                 "beta-vae; 22 steps; batches of 20; adam; learning rate 0.001; 1 seed; 4 runs."
        self.assertEqual((self.folder / "studies/grid/figures/metric.txt").read_text(),
                         f"Normalized metric. Of the first seed (1).\n{detail}\n")
        self.assertIn(f"<small>{detail}</small>", page)

        # Nothing is done twice, and figures come back without training.
        before = self.stamps()
        self.assertIn("was done", self.study().stderr)
        self.assertEqual(self.stamps(), before)
        (self.folder / "studies/grid/figures/loss-along.svg").unlink()
        self.run_program("report", "grid.toml")
        self.assertTrue((self.folder / "studies/grid/figures/loss-along.svg").exists())

    def first_run(self, summary):
        return summary["cells"][0]["run"]

    def test_what_lacks_its_data_is_said_and_the_rest_is_drawn(self):
        (self.folder / "lack.toml").write_text(
            (self.folder / self.other("seed = [1]")).read_text()
            + '[[study.metrics]]\nname = "gap"\nvalue = "fid - kl"\n'
            + "".join(f'[[study.{what}]]\nname = "{metric}"\nmetrics = ["{metric}"]\n{more}\n'
                      for metric in ("gap", "kl")
                      for what, more in (("figures", 'kind = "bars"'), ("tables", 'rows = ["seed"]'))))
        result = self.run_program("study", "lack.toml", code=1)
        expected = ["the metric gap has no value: no run has fid.",
                    "the table gap has nothing to show: no run of the study has gap.",
                    "the figure gap: nothing to show: no run of the study has gap."]
        self.assertEqual([line for line in result.stderr.splitlines() if line.startswith("error")],
                         [f"error: {line}" for line in expected])
        again = self.run_program("report", "lack.toml", code=1)
        self.assertEqual(again.stderr.splitlines(), [f"error: {line}" for line in expected])
        page = (self.folder / "studies/grid/report.html").read_text()
        for line in expected:
            self.assertIn(f"<p>{line}</p>", page)
        self.assertTrue((self.folder / "studies/grid/figures/kl.svg").exists())
        self.assertTrue((self.folder / "studies/grid/tables/kl.md").exists())

    def test_another_study_shares_the_runs(self):
        self.study("--only", 1)
        (run,) = self.runs()
        stamp = (run / "checkpoints/last.h5").stat().st_mtime_ns
        (self.folder / "other.toml").write_text(STUDY.replace('name = "grid"', 'name = "other"'))
        self.run_program("study", "other.toml", "--only", 1)
        self.assertEqual(self.runs(), [run])
        self.assertEqual((run / "checkpoints/last.h5").stat().st_mtime_ns, stamp)

    def test_killed_it_goes_on(self):
        process = self.start("study", "grid.toml", "--jobs", 2)
        done = lambda: len(list(self.folder.glob("runs/*/DONE"))) >= 2
        self.interrupt_after(process, done, signal.SIGKILL)
        before = {name: stamp for name, stamp in self.stamps().items()
                  if (pathlib.Path(name).parents[1] / "DONE").exists()}
        self.wait_for_orphans()
        self.study("--jobs", 2)
        self.assertEqual(len(self.runs()), 8)
        after = self.stamps()
        self.assertEqual({name: after[name] for name in before if "evaluations" in name},
                         {name: stamp for name, stamp in before.items() if "evaluations" in name})
        straight = self.train("seed=2", "train.checkpoint_every=4", runs="straight")
        (run,) = [run for run in self.runs() if run.name.endswith("-2") and
                  'type = "diagonal"' in (run / "config.resolved.toml").read_text() and
                  "beta = 0.5" in (run / "config.resolved.toml").read_text()]
        self.assertEqual(metrics(run), metrics(straight))

    def wait_for_orphans(self):
        """The killed study's commands end by SIGINT; until then they hold their runs."""
        for _ in range(600):
            try:
                self.study("--list")
                locked = False
                for run in self.runs():
                    result = self.run_program("resume", run, "--stop-at", 0, "--no-figures", code=None)
                    locked = locked or "in use" in result.stderr
                if not locked:
                    return
            finally:
                time.sleep(0.1)

    def test_interrupted_it_says_so(self):
        process = self.start("study", "grid.toml")
        result = self.interrupt_after(process, lambda: list(self.folder.glob("runs/*/DONE")))
        self.assertEqual(result.code, 130)
        self.assertIn("the same command goes on where it was", result.stderr)

    def other(self, axes, more=""):
        """A study of other axes, without tables and figures."""
        start = STUDY.index('"model.family.type"')
        (self.folder / "other.toml").write_text(STUDY[:start] + axes + "\n[study.evaluate.final]\nsamples = 2\n" + more)
        return "other.toml"

    def test_a_cell_that_fails_does_not_stop_the_others(self):
        result = self.run_program("study", self.other('"train.optimizer.lr" = [1e30, 1e-3]'), code=1)
        self.assertIn("error: cell 1, lr=1e+30: `train` ended with exit code 1", result.stderr)
        self.assertEqual(len(list(self.folder.glob("runs/*/DONE"))), 1)

    def test_what_is_wrong_is_said_before_anything_is_trained(self):
        wrong = self.run_program("study", self.other('"model.family.type" = ["diagonal", "diagnal"]'), code=2)
        self.assertIn("diagnal", wrong.stderr)
        figure = '[[study.figures]]\nname = "f"\nx = "beta"\nmetrics = ["kl"]\n'
        wrong = self.run_program("study", self.other("seed = [1]", figure), code=2)
        self.assertIn('names "beta", which is not an axis of this study', wrong.stderr)
        impossible = '[[study.axes.prior]]\nlabel = "uniform"\nset = { "model.prior" = { type = "uniform" } }'
        wrong = self.run_program("study", self.other(impossible), code=2)
        self.assertIn("the cell prior=uniform", wrong.stderr)
        self.assertFalse((self.folder / "runs").exists())


if __name__ == "__main__":
    main()
