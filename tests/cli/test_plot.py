"""`variform runs plot`: figures of several runs from what their folders hold."""

import csv
import json
import subprocess

from program import ProgramTest, main, metrics

PNG = b"\x89PNG\r\n\x1a\n"


class Plot(ProgramTest):
    def setUp(self):
        super().setUp()
        self.full = self.train("model.family.type=full")
        self.diagonal = self.train()

    def plot(self, *arguments, **options):
        return self.run_program("runs", "plot", *arguments, **options)

    def rows(self, path):
        with open(self.folder / path, newline="") as file:
            return list(csv.DictReader(file))

    def test_curves(self):
        files = self.plot(self.full, self.diagonal.name).stdout.split()
        self.assertEqual(files, ["plot.csv", "plot.gp", "plot.svg", "plot.png"])
        rows = self.rows("plot.csv")
        expected = metrics(self.full, "test")
        found = [(float(row["x"]), float(row["y"])) for row in rows
                 if row["panel"] == "kl" and row["series"] == "family full"]
        self.assertEqual(found, [(line["step"], line["kl"]) for line in expected])
        self.assertEqual({row["panel"] for row in rows}, {"loss", "kl", "nll"})
        self.assertEqual({row["series"] for row in rows}, {"family full", "family diagonal"})
        svg = (self.folder / "plot.svg").read_text()
        for text in ("loss", "nats per example (test)", "step", "family diagonal"):
            self.assertIn(text, svg)
        self.assertEqual((self.folder / "plot.png").read_bytes()[:8], PNG)

    def test_choices(self):
        self.plot(self.full, self.diagonal, "--x", "epoch", "--value", "lr", "--value", "loss", "--split", "train",
                  "--out", "some/where.svg")
        rows = self.rows("some/where.csv")
        self.assertEqual({row["panel"] for row in rows}, {"lr", "loss"})
        self.assertEqual([float(row["x"]) for row in rows[:2]], [line["epoch"] for line in metrics(self.full, "train")[:2]])
        self.assertTrue((self.folder / "some" / "where.png").exists())
        # The script draws the same again by itself.
        (self.folder / "some" / "where.svg").unlink()
        subprocess.run(["gnuplot", "where.gp"], cwd=self.folder / "some", check=True)
        self.assertTrue((self.folder / "some" / "where.svg").exists())

    def test_gnuplot_without_cairo(self):
        """PyPI's has gd's terminal alone, which takes other options."""
        self.plot(self.full)
        script = (self.folder / "plot.gp").read_text()
        self.assertEqual(script.count("GPVAL_TERMINALS, 'pngcairo'"), 1)
        (self.folder / "plot.png").unlink()
        (self.folder / "plot.gp").write_text(script.replace("GPVAL_TERMINALS, 'pngcairo'", "GPVAL_TERMINALS, 'no such'"))
        subprocess.run(["gnuplot", "plot.gp"], cwd=self.folder, check=True)
        self.assertEqual((self.folder / "plot.png").read_bytes()[:8], PNG)

    def test_evaluations(self):
        none = self.plot(self.full, "--evaluation", "contrast", code=1)
        self.assertIn("variform evaluate", none.stderr)
        for run in (self.full, self.diagonal):
            self.run_program("evaluate", run, "--samples", 2, "--importance-samples", 0)
        self.plot(self.full, self.diagonal, "--evaluation", "contrast", "off_diagonal", "--out", "bars.png")
        values = json.loads((self.diagonal / "evaluation-test.json").read_text())["values"]
        self.assertAlmostEqual(values["contrast"]["mean"],
                               (values["diagonal_bound"]["mean"] - values["grae"]["mean"]) / 0.5, places=9)
        (row,) = [row for row in self.rows("bars.csv") if row["panel"] == "contrast" and row["series"] == "family diagonal"]
        self.assertEqual((float(row["y"]), float(row["error"])), (values["contrast"]["mean"], values["contrast"]["se"]))
        wrong = self.plot(self.full, "--evaluation", "contrats", code=1)
        self.assertIn("it has: active_directions, ", wrong.stderr)
        self.assertIn(", contrast, data, diagonal_bound, ", wrong.stderr)

    def test_what_is_missing_is_said(self):
        wrong = self.plot(self.full, "--value", "elbow", code=1)
        self.assertIn("has no 'elbow' on the split 'test'; it has: epoch, kl, loss, nll, step.", wrong.stderr)
        self.assertIn("holds no config.resolved.toml", self.plot("nowhere", code=1).stderr)
        tools = self.folder / "no-tools"
        tools.mkdir()
        (tools / "sh").symlink_to("/bin/sh")
        absent = self.plot(self.full, code=1, env={"PATH": str(tools)})
        self.assertIn("install the package gnuplot-nox", absent.stderr)


if __name__ == "__main__":
    main()
