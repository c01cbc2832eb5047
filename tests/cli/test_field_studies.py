"""Studies as people have them: plugins that change between two calls, keys and metrics that are not there, tables on a
narrow terminal."""

import csv
import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import termios

from program import BINARY, PLUGINS, ProgramTest, main

STUDY = """
include = ["small.toml"]
name = "grid"
[train]
steps = 3
evaluate_every = 0
[study.axes]
"model.family.type" = ["diagonal", "full"]
seed = [1]
[study.evaluate.final]
limit = 16
importance_samples = 0
[[study.tables]]
name = "losses"
rows = ["model.family.type"]
metrics = ["loss_beta", "kl"]
"""


class StudyTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.write(STUDY)

    def write(self, text):
        (self.folder / "grid.toml").write_text(text)

    def study(self, *arguments, **options):
        return self.run_program("study", "grid.toml", *arguments, **options)

    def rows(self):
        with open(self.folder / "studies/grid/results.csv", newline="") as file:
            return list(csv.DictReader(file))

    def runs(self):
        return sorted(path.name for path in (self.folder / "runs").iterdir())


class ChangedPlugins(StudyTest):
    def setUp(self):
        super().setUp()
        shutil.copytree(PLUGINS, self.folder / "plugins")
        self.env = {"VARIFORM_PLUGINS": str(self.folder / "plugins")}

    def change(self):
        (changed,) = (self.folder / "plugins").glob("*objectives*.so")
        with open(changed, "ab") as file:   # bytes after an ELF file's end change nothing but its checksum
            file.write(b"\0")

    def test_old_and_new_results_do_not_stand_in_one_table(self):
        self.study(env=self.env)
        before, names = self.rows(), self.runs()
        (digest,) = {row["plugins"] for row in before}
        self.assertRegex(digest, "^[0-9a-f]{8}$")
        self.change()
        self.write(STUDY.replace("seed = [1]", "seed = [1, 2]"))
        listed = self.study("--list", env=self.env).stdout
        self.assertEqual((listed.count("of other plugins"), listed.count("to do")), (2, 2))

        again = self.study(env=self.env)
        self.assertRegex(again.stderr, r"warning: type=full seed=1 is made again: plugins have changed since it was trained: "
                                       r"org\.variform\.objectives was 1\.0\.0 \([0-9a-f]{12}\), now .* is kept in ")
        digests = {row["plugins"] for row in self.rows()}
        self.assertEqual(len(digests), 1)
        self.assertNotEqual(digests, {digest})
        kept = [name for name in self.runs() if ".before-" in name]
        self.assertEqual(sorted(name.split(".before-")[0] for name in kept), names)
        for name in kept:   # nothing of it is lost
            self.assertTrue((self.folder / "runs" / name / "DONE").exists())
        self.assertEqual(self.study(env=self.env).stderr.count("was done"), 4)

    def test_they_may_be_mixed_knowingly(self):
        self.study(env=self.env)
        names = self.runs()
        self.change()
        self.write(STUDY.replace("seed = [1]", "seed = [1, 2]"))
        mixed = self.study("--accept-changed-plugins", env=self.env)
        self.assertEqual([name for name in self.runs() if name in names], names)
        self.assertIn("warning: the results are of different code of the plugin org.variform.objectives (", mixed.stderr)
        by_seed = {seed: {row["plugins"] for row in self.rows() if row["seed"] == seed} for seed in "12"}
        self.assertEqual([len(found) for found in by_seed.values()], [1, 1])
        self.assertNotEqual(by_seed["1"], by_seed["2"])
        self.assertIn("different code of the plugin", (self.folder / "studies/grid/report.html").read_text())
        self.assertIn("different code", self.run_program("report", "grid.toml", env=self.env).stderr)

    def test_an_evaluation_names_the_plugins_it_was_made_with(self):
        run = self.train("--stop-at", 2, env=self.env)
        self.run_program("evaluate", run, "--limit", 4, "--importance-samples", 0, env=self.env)
        found = json.loads((run / "evaluation-test.json").read_text())["plugins"]
        recorded = {plugin["id"]: plugin["sha256"]
                    for plugin in json.loads((run / "environment.json").read_text())["plugins"]}
        self.assertIn("org.variform.metrics", found)  # which no training needs
        self.assertEqual({plugin: digest for plugin, digest in found.items() if plugin in recorded}, recorded)

    def test_a_fingerprint_of_the_data_is_a_column(self):
        self.study(env=self.env)
        for name in self.runs():
            path = self.folder / "runs" / name / "environment.json"
            path.write_text(json.dumps(dict(json.loads(path.read_text()), data_fingerprint="0a1b2c3d")))
        self.run_program("report", "grid.toml", env=self.env)
        self.assertEqual({row["data"] for row in self.rows()}, {"0a1b2c3d"})


class Figures(StudyTest):
    def test_what_is_averaged_besides_seeds_is_named(self):
        self.write(STUDY + '[[study.figures]]\nname = "both"\nkind = "bars"\nmetrics = ["kl"]\n')
        self.study()
        text = (self.folder / "studies/grid/figures/both.txt").read_text()
        self.assertTrue(text.startswith("both. Averaged over model.family.type; "), text)
        self.assertIn("means over model.family.type", (self.folder / "studies/grid/figures/both.svg").read_text())

    def test_a_key_that_bars_ignore_is_refused_before_anything_is_trained(self):
        self.write(STUDY + '[[study.figures]]\nname = "both"\nkind = "bars"\nmetrics = ["kl"]\nx = "model.family.type"\n')
        refused = self.study(code=2)
        self.assertIn('study.figures.x is not a key of a figure of kind "bars", which would ignore it.', refused.stderr)
        self.assertIn("hint: this kind understands caption, ", refused.stderr)
        self.assertFalse((self.folder / "runs").exists())

    def test_unknown_metrics_fail_in_tables_too(self):
        self.write(STUDY.replace('"kl"]', '"kll"]'))
        failed = self.study(code=1)
        self.assertIn('error: the table losses has nothing to show: no run of the study has kll; did you mean "kl"?',
                      failed.stderr)


class DryRun(StudyTest):
    def check(self, text, *arguments, code=0):
        self.write(text)
        before = sorted(path for path in self.folder.rglob("*"))
        result = self.run_program("check", "grid.toml", *arguments, code=code)
        self.assertEqual(sorted(path for path in self.folder.rglob("*")), before)   # nothing is left behind
        return result

    def test_says_how_much_there_is_to_do(self):
        two = STUDY.replace("seed = [1]", "seed = [1, 2]")
        found = self.check(two)
        self.assertEqual(found.stdout.splitlines(),
                         ["4 trainings: 4 to do", "4 evaluations and pictures: 4 to do", "0 comparisons, 1 tables, 0 figures",
                          "2 kinds of cells were built, and evaluated on 16 rows without training: nothing is wrong"])
        self.write(STUDY)
        self.study()
        found = self.check(two, "--json").json
        self.assertEqual(found["trainings"], {"done": 2, "begun": 0, "to do": 2, "of other plugins": 0})
        self.assertEqual((found["results"], found["problems"]), ({"done": 2, "to do": 2}, []))

    def test_all_wrong_configs_come_at_once(self):
        found = self.check(STUDY.replace('"full"]', '"fulll", "block"]') + '[study.set]\n"train.batch" = 0\n', code=2)
        self.assertIn("1 of the cells, such as type=fulll seed=1:\n", found.stderr)
        self.assertIn("fulll", found.stderr)
        self.assertIn("train.batch must be at least 1 data, found 0.", found.stderr)
        self.assertIn("type=diagonal seed=1", found.stderr)

    def test_what_would_fail_later_fails_now(self):
        figures = "".join(f'[[study.figures]]\nname = "{name}"\n{keys}\n' for name, keys in (
            ("good", 'kind = "bars"\nmetrics = ["kl"]\nseries = "model.family.type"'),
            ("metric", 'kind = "bars"\nmetrics = ["kll"]'),
            ("array", 'kind = "heat-map"\narray = "geometry_arrays.metrik.mean"\npanel = "model.family.type"'),
            ("picture", 'kind = "images"\npicture = "samples"\ncolumns = "model.family.type"')))
        found = self.check(STUDY + "[study.evaluate.typo]\nlimt = 3\n" + figures
                           + '[[study.metrics]]\nname = "gap"\nvalue = "fid - kl"\n', code=2)
        self.assertEqual(found.stderr.count("`evaluate` would fail"), 2)
        self.assertIn("--limt", found.stderr)
        for line in ('error: the figure metric: nothing to show: no run of the study has kll; did you mean "kl"?',
                     "error: the figure array: nothing to show: no evaluation has geometry_arrays.metrik.mean.",
                     "error: the metric gap has no value: no run has fid."):
            self.assertIn(line, found.stderr)
        self.assertIn("error: the figure picture: ", found.stderr)
        self.assertNotIn("figure good", found.stderr)
        self.assertIn("6 problems", found.stdout)

    def test_what_a_training_may_define_is_not_missing(self):
        """No latent of an untrained model is active; pictures and comparisons are tried as well."""
        found = self.check(STUDY.replace('["loss_beta", "kl"]', '["kl", "condition_number"]') + """
[study.draw.samples]
command = "sample"
n = 4
[study.compare.families]
over = "model.family.type"
[[study.tables]]
name = "agreement"
rows = ["evaluation"]
metrics = ["mcc", "mcc_truth"]
[[study.figures]]
name = "pictures"
kind = "images"
picture = "samples"
columns = "model.family.type"
""")
        self.assertIn("1 comparisons, 2 tables, 1 figures", found.stdout)
        self.assertIn("nothing is wrong", found.stdout)

    def test_data_that_are_not_there_are_named(self):
        (self.folder / "images.npy").unlink()
        found = self.check(STUDY, code=2)
        self.assertIn("images.npy", found.stderr)
        self.assertIn("the cell type=diagonal seed=1: ", found.stderr)

    def test_runs_that_build_on_others_are_tried_too(self):
        staged = STUDY.replace("[study.axes]", """
[study.stages.train]
[study.stages.refit]
set = { "model.decoder" = { from = "@train", frozen = true } }
[study.axes]""") + '[[study.figures]]\nname = "f"\nkind = "bars"\nmetrics = ["kl"]\nseries = "stage"\npanel = "model.family.type"\n'
        self.assertIn('4 kinds of cells were built', self.check(staged.replace('rows = ["', 'rows = ["stage", "')).stdout)
        # Both stages have the same labels: the table cannot average them.
        found = self.check(staged, code=2)
        self.assertIn("error: the table losses: kl of the stages train and refit would be averaged", found.stderr)


class Tables(StudyTest):
    def test_they_fit_the_terminal(self):
        run = self.train()
        for command in (["evaluate", run, "--limit", 32], ["runs", "table"], ["study", "grid.toml", "--list"], ["runs", "list"]):
            with self.subTest(command):
                wide = self.run_program(*command).stdout
                narrow = self.run_program(*command, env={"COLUMNS": "60"}).stdout
                rules = [line for line in narrow.splitlines() if line.startswith("───")]
                self.assertTrue(rules)
                self.assertLessEqual(max(map(len, rules)), 60)
                words = lambda text: {word for word in text.replace("─", " ").split() if len(word) < 8}
                self.assertFalse(words(wide) - words(narrow) - {"…"})

    def test_the_width_is_the_terminals(self):
        run = self.train()
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 64, 0, 0))
        process = subprocess.Popen([BINARY, "evaluate", run, "--limit", "32", "--quiet"], cwd=self.folder,
                                   env=self.environment(COLUMNS=None), stdin=subprocess.DEVNULL, stdout=follower)
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 4096)
            except OSError:   # EIO: the other end is closed
                break
            if not part:
                break
            shown += part
        os.close(leader)
        self.assertEqual(process.wait(), 0)
        lines = shown.decode().splitlines()
        self.assertGreater(len(lines), 40)
        self.assertLessEqual(max(map(len, lines)), 64)


if __name__ == "__main__":
    main()
