"""`variform train FILE --multirun KEY=VALUES`: a study whose axes stand on the command line."""

import csv
import re

from program import ProgramTest, main

SHORT = ("train.steps=4", "study.evaluate.final.limit=32")
GRID = ("small.toml", "-m", "model.family.type=diagonal,full", "seed=1:2", *SHORT)


class Multirun(ProgramTest):
    def plan(self):
        (file,) = self.folder.glob("studies/*/plan.toml")
        return file

    def stamps(self):
        files = [*self.folder.glob("runs/*/checkpoints/last.h5"), *self.folder.glob("runs/*/evaluations/*.json")]
        return {str(file): file.stat().st_mtime_ns for file in files}

    def test_a_grid_from_the_command_line(self):
        result = self.run_program("train", *GRID, "--jobs", 2)
        plan = self.plan()
        name = plan.parent.name
        self.assertRegex(name, "^small-[0-9a-f]{8}$")
        self.assertEqual(len(list(self.folder.glob("runs/*/DONE"))), 4)
        self.assertIn(f"variform study studies/{name}/plan.toml --status", result.stderr)

        # The table has a row per family, the mean over two seeds and its interval.
        with open(plan.parent / "tables/results.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["model.family.type"] for row in rows], ["diagonal", "full"])
        with open(plan.parent / "results.csv", newline="") as file:
            values = [float(row["value"]) for row in csv.DictReader(file)
                      if (row["model.family.type"], row["metric"]) == ("full", "elbo")]
        self.assertEqual(len(values), 2)
        self.assertAlmostEqual(float(rows[1]["elbo"]), sum(values) / 2, places=5)
        self.assertGreater(float(rows[1]["elbo_half95"]), 0)
        self.assertRegex(result.stdout, r"full +\d.* ± ")

        # The same command finds everything done, and so does the study's own command with the file.
        before, written = self.stamps(), plan.read_text()
        self.assertEqual(len(before), 8)
        again = self.run_program("train", *GRID)
        self.assertIn("was done", again.stderr)
        self.assertIn("was done", self.run_program("study", plan).stderr)
        self.assertEqual((self.stamps(), plan.read_text()), (before, written))
        self.assertIn("4 cells: 4 done", self.run_program("study", plan, "--status").stdout)
        self.assertRegex(self.run_program("report", plan).stdout, r"full +\d.* ± ")

        # One seed more is another study, which shares the runs.
        listed = self.run_program("train", *GRID[:3], "seed=1:3", *SHORT, "--list", "--name", "more").stdout
        self.assertEqual((listed.count(" done "), listed.count(" to do ")), (4, 2))
        self.assertIn(f'include = ["{self.folder}/small.toml"]', (self.folder / "studies/more/plan.toml").read_text())
        self.assertEqual(self.stamps(), before)
        replaced = self.run_program("train", "small.toml", "-m", "seed=1:2", "--list", "--name", "more")
        self.assertIn("was another plan, which is replaced", replaced.stderr)

    def test_what_is_wrong_is_said_and_nothing_is_written(self):
        def refused(*arguments):
            return self.run_program("train", *arguments, code=2).stderr

        unknown = refused("small.toml", "-m", "model.famly.type=diagonal,full")
        self.assertRegex(unknown, r'command line: error: Unknown key "famly"')
        self.assertIn("did you mean", unknown)
        component = refused("small.toml", "-m", "model.family.type=diagonal,ful")
        self.assertRegex(component, r"^command line.*error: (.|\n)*model\.family\.type=diagonal,ful\n")
        self.assertIn("^", component)  # below the second value
        self.assertRegex(component, r"\n   \| {28}\^\n")
        self.assertIn("nothing varies: ", refused("small.toml", "-m"))
        self.assertIn("nothing varies: ", refused("small.toml", "seed=1", "-m", "train.steps=3"))
        self.assertIn("is empty", refused("small.toml", "-m", "seed=1,,2"))
        self.assertIn("not a range of integers", refused("small.toml", "-m", "seed=5:1"))
        self.assertIn("2000 cells", refused("small.toml", "-m", "seed=1:2000"))
        self.assertIn("needs a config file", refused("-m", "seed=1:2"))
        self.assertIn("are for several trainings", refused("small.toml", "--jobs", 2))
        for option in ("--resume", "--stop-at=3", "--model-only", "--folder=x"):
            self.assertIn("are for one training", refused("small.toml", "-m", "seed=1:2", option))
        self.assertIn("is not a file", refused("/dev/stdin", "-m", "seed=1:2"))
        self.assertEqual(list(self.folder.glob("studies")), [])

    def test_the_option_may_stand_before_the_config(self):
        listed = self.run_program("train", "-m", "small.toml", "seed=1:2", "--list", "--name", "two")
        self.assertEqual(listed.stdout.count("to do"), 2)
        self.assertEqual(self.plan().parent.name, "two")

    def test_help_completion_and_man_page(self):
        self.assertRegex(self.run_program("train", "--help").stdout, r"-m,--multirun KEY=VALUES")
        self.assertIn("--multirun", self.run_program("completion", "bash").stdout)
        self.assertRegex(self.run_program("completion", "fish").stdout, r"-s m -l multirun -r|-l multirun -s m -r")
        self.assertIn(r"\-\-multirun KEY=VALUES", self.run_program("man").stdout)


if __name__ == "__main__":
    main()
