"""A run folder is judged before it is used: what somebody has edited, cut off or put in the place of a file is named, and
what may be done. Studies and trainings that are started twice at once."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tomllib

from program import BINARY, ProgramTest, checkpoint, left_over, main, metrics, wait_until

STUDY = """
include = ["small.toml"]
name = "grid"
[study.axes]
"objective.beta" = [0.5, 2]
seed = [1, 2]
[study.evaluate.e]
limit = 32
samples = 2
importance_samples = 0
[study.compare.agreement]
over = "seed"
limit = 16
[[study.tables]]
name = "losses"
rows = ["objective.beta"]
metrics = ["loss_beta"]
"""
ENDLESS = ("train.steps=100000000", "train.checkpoint_every=0", "train.evaluate_every=0", "--no-figures")


def damages(data):
    """Ways in which a text file may have changed, with what they leave; None: no file, "folder": one in its place."""
    return {"missing": None, "empty": b"", "truncated": data[:len(data) // 2], "a folder": "folder",
            "no UTF-8": data[:len(data) // 2] + b"\xff\xfe" + data[len(data) // 2:], "zeros": bytes(len(data)),
            "NaN": b'{"threads": NaN}\n', "a list": b"[1, 2]\n", "a large number": b'{"threads": 1e999}\n'}


def put(path, content):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)


class Judged(ProgramTest):
    def setUp(self):
        super().setUp()
        self.folder_of_run = self.train("--folder", "run", "--stop-at", 9)

    def sound(self, result):
        """A sentence for people, whatever it says."""
        self.assertIn(result.code, (0, 1, 2), str(result))
        self.assertNotRegex(result.stderr + result.stdout, r"json\.exception|std::|what\(\)|terminate|0x[0-9a-f]{6}", str(result))
        return result

    def edit(self, *changes):
        path = self.folder / "run" / "config.resolved.toml"
        text = path.read_text()
        for before, after in changes:
            self.assertIn(before, text)
            text = text.replace(before, after, 1)
        path.write_text(text)

    def test_an_edited_config(self):
        """K5"""
        self.edit(("beta = 0.5", "beta = 7.0"), ("seed = 3", "seed = 5"))
        def content():  # the lock says whose it was
            return {path: path.read_bytes() for path in (self.folder / "run").rglob("*")
                    if path.is_file() and path.name != ".lock"}
        before = content()
        for command in (("resume", "run"), ("resume", "run", "train.steps=60")):
            said = self.run_program(*command, code=2).stderr
            self.assertIn("objective.beta is 7.0 there and 0.5 in the checkpoint", said)
            self.assertIn("seed is 5 there and 3 in the checkpoint", said)
            self.assertIn("rm run/config.resolved.toml; variform resume run", said)
            self.assertIn("variform train run/config.resolved.toml --folder NEW_FOLDER", said)
        self.assertEqual(content(), before)
        for command in (("evaluate", "run", "--limit", 16), ("sample", "run"), ("export", "run"), ("encode", "run"),
                        ("compare", "run", "run"), ("describe", "run")):
            result = self.run_program(*command)
            self.assertIn("objective.beta is 7.0 there and 0.5", re.sub(r"\s+", " ", result.stderr + result.stdout), command)
        self.assertEqual(json.loads((self.folder / "run" / "evaluation-test.json").read_text())["beta"], 0.5)
        (self.folder / "run" / "config.resolved.toml").unlink()   # as it was said
        self.resume("run")
        config = tomllib.loads((self.folder / "run" / "config.resolved.toml").read_text())
        self.assertEqual((config["objective"]["beta"], config["seed"]), (0.5, 3))

    def test_an_edited_length(self):
        self.edit(("steps = 22", "steps = 30"))
        said = self.run_program("resume", "run", code=2).stderr
        self.assertIn("train.steps is 30 there and 22 in the checkpoint", said)
        self.assertIn("variform resume run train.steps=30", said)
        self.resume("run", "train.steps=30")
        self.assertEqual(checkpoint(self.folder / "run").step, 30)

    def test_places_may_be_edited(self):
        self.edit(("device = \"cpu\"", "device = \"auto\""))
        self.assertIn("train.device is \"auto\" there", self.resume("run").stderr)

    def test_another_experiment_in_the_folder(self):
        said = self.run_program("train", "small.toml", "model.latent=3", "--folder", "run", "--resume", code=2).stderr
        self.assertIn("holds another experiment: model.latent is 3 here and 4 in the checkpoint", said)

    def test_environment_of_other_types(self):
        """K6: each key in turn"""
        path = self.folder / "run" / "environment.json"
        whole = json.loads(path.read_text())
        for key, value, expected in (("threads", "x", "a whole number from 1"), ("threads", -3, "a whole number from 1"),
                                     ("threads", 1e300, "a whole number"), ("threads", [1], "a whole number"),
                                     ("plugins", 7, "an array"), ("plugins", [7], "an object"),
                                     ("plugins", [{"id": 1}], "a text"), ("data_fingerprint", {}, "a text"), ("cpu", 7, "a text"),
                                     ("data_files", "x", "an array"), ("data_files", [{"path": 3}], "a text")):
            with self.subTest(f"{key} = {value}"):
                path.write_text(json.dumps({**whole, key: value}))
                for command in (("describe", "run"), ("resume", "run", "--stop-at", 9, "--no-figures")):
                    result = self.run_program(*command)
                    said = re.sub(r"\s+", " ", result.stderr + result.stdout)
                    self.assertRegex(said, rf'environment\.json: key "{key}[^"]*": expected {expected}')
        self.assertEqual(json.loads(path.read_text())["threads"], 1)   # written again

    def test_damaged_files(self):
        """Whatever has become of a file: a sentence that names it."""
        self.run_program("evaluate", "run", "--limit", 16)
        self.resume("run")
        run = self.folder / "run"
        for name, commands in {
                "environment.json": (("describe", "run"), ("resume", "run", "--no-figures")),
                "metrics.jsonl": (("runs", "list", "--runs", "."), ("describe", "run"), ("runs", "plot", "run")),
                "DONE": (("runs", "list", "--runs", "."), ("describe", "run")),
                "evaluation-test.json": (("runs", "plot", "run", "--evaluation", "elbo"),),
                "config.resolved.toml": (("evaluate", "run", "--limit", 16), ("describe", "run"), ("export", "run"))}.items():
            path = run / name
            data = path.read_bytes()
            for how, content in damages(data).items():
                for command in commands:
                    with self.subTest(f"{name} {how}: {command[0]} {command[1]}"):
                        put(path, content)
                        result = self.sound(self.run_program(*command, code=None))
                        if not (name in ("DONE", "metrics.jsonl") and how in ("missing", "empty", "truncated")):
                            self.assertIn(name, re.sub(r"\s+", "", result.stderr + result.stdout), str(result))
                put(path, data)

    def test_metrics_with_a_changed_byte(self):
        path = self.folder / "run" / "metrics.jsonl"
        lines = path.read_bytes().split(b"\n")
        digits = re.search(rb'"loss":(\d+)', lines[1])
        lines[1] = lines[1][:digits.start(1)] + (b"1" if digits[1][:1] != b"1" else b"2") + lines[1][digits.start(1) + 1:]
        path.write_bytes(b"\n".join(lines))
        said = "metrics.jsonl: line 2 is not as it was written and is left out"
        for command in (("runs", "list", "--runs", "."), ("runs", "table", "--runs", "."), ("describe", "run"),
                        ("runs", "plot", "run", "--split", "train")):
            result = self.run_program(*command)
            self.assertIn(said, re.sub(r"\s+", " ", result.stderr + result.stdout), command)
        refused = self.run_program("resume", "run", code=1).stderr
        self.assertIn("line 2 is not as it was written", refused)
        self.assertIn("--accept-changed-metrics", refused)
        self.resume("run", "--accept-changed-metrics")
        whole = self.train("--folder", "whole")
        self.assert_same_checkpoint(whole / "checkpoints" / "last.h5", self.folder / "run" / "checkpoints" / "last.h5")
        self.assertEqual(len(metrics("run" if False else self.folder / "run")), len(metrics(whole)))

    def test_metrics_that_were_cut(self):
        path = self.folder / "run" / "metrics.jsonl"
        path.write_bytes(path.read_bytes()[:-20])
        self.assertIn("is shorter than its checkpoint says", self.run_program("resume", "run", code=1).stderr)
        self.resume("run", "--accept-changed-metrics")
        self.resume("run")   # its checkpoint vouches for what is there now

    def test_the_list_says_why(self):
        failing = self.run_program("train", "small.toml", "train.optimizer.lr=1e30", "train.log_every=1", "--folder", "bad",
                                   "--no-figures", code=None)
        self.assertEqual(failing.code, 1, str(failing))
        listed = {entry["run"].split("/")[-1]: entry for entry in self.run_program("runs", "list", "--runs", ".", "--json").json}
        self.assertEqual(listed["bad"]["status"], "failed")
        self.assertIn("finite", listed["bad"]["reason"])
        self.assertEqual(listed["run"]["reason"], "")
        self.assertRegex(self.run_program("runs", "list", "--runs", ".").stdout, r"bad +failed +\d+ .*finite")


class Twice(ProgramTest):
    def start_study(self):
        return self.start("study", "grid.toml", "--threads", 1)

    def test_a_study_at_once(self):
        """K4"""
        (self.folder / "grid.toml").write_text(STUDY)
        both = [self.start_study() for _ in range(2)]
        said = [process.communicate(timeout=300) for process in both]
        for process, (stdout, stderr) in zip(both, said):
            self.assertEqual(process.returncode, 0, stderr)
            self.assertIn("results.csv", stdout)
        self.assertEqual(sum(len(re.findall(r"done in \d+ s", stderr)) for _, stderr in said), 4)   # each cell once
        summary = json.loads((self.folder / "studies" / "grid" / "study.json").read_text())
        self.assertTrue(all("run" in cell for cell in summary["cells"]))
        self.assertEqual(len(summary["comparisons"]), 2)
        self.assertEqual(left_over(self.folder), [])
        results = (self.folder / "studies" / "grid" / "results.csv").read_bytes()
        self.run_program("study", "grid.toml", "--runs", "others", "--studies", "alone", "--threads", 1)
        self.assertEqual((self.folder / "alone" / "grid" / "results.csv").read_bytes(), results)

    def test_one_is_told_of_the_other(self):
        (self.folder / "one.toml").write_text(STUDY.replace("[0.5, 2]", "[0.5]").replace("[1, 2]", "[1]"))
        first = self.start("study", "one.toml", "train.steps=3000")
        wait_until(lambda: any(self.folder.glob("runs/*/checkpoints/last.h5")), first)
        second = self.start("study", "one.toml", "train.steps=3000")
        _, stderr = second.communicate(timeout=300)
        first.communicate(timeout=300)
        self.assertEqual((first.returncode, second.returncode), (0, 0), stderr)
        self.assertRegex(stderr, rf"process {first.pid} \(.*study one.toml.*\) is at work on it")

    def test_a_folder_in_use(self):
        first = self.start("train", "small.toml", *ENDLESS, "--folder", "run")
        try:
            wait_until((self.folder / "run" / "metrics.jsonl").exists, first)
            for command in (("resume", "run"), ("train", "small.toml", "--folder", "run"),
                            ("train", "small.toml", "--folder", "run", "--resume", *ENDLESS),
                            ("train", "small.toml", "--folder", "run", "--overwrite")):
                said = self.run_program(*command, code=1).stderr
                self.assertRegex(said, rf"the run folder run is in use by process {first.pid} \(.*small.toml.*\); wait for it")
        finally:
            first.send_signal(signal.SIGTERM)
            first.communicate(timeout=60)

    def test_trainings_at_once(self):
        """One of them makes the folder, the others are told."""
        several = [self.start("train", "small.toml", "--folder", "run", "--no-figures") for _ in range(4)]
        said = [process.communicate(timeout=120) for process in several]
        self.assertEqual(sorted(process.returncode for process in several), [0, 1, 1, 1], said)
        for process, (_, stderr) in zip(several, said):
            if process.returncode:
                self.assertRegex(stderr, "in use by |another process has just made|already exists")
        self.assertEqual(left_over(self.folder), [])


if __name__ == "__main__":
    main()
