"""Every command under every signal that asks a process to end: it ends in order with 130, and what it was writing is there
whole or not at all. Kills -9 are in test_kill_slow.py."""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

import h5py

from program import BINARY, ProgramTest, blobs, checkpoint, files_of, handles, left_over, main, metrics, wait_until, write_png

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGXCPU,
           signal.SIGXFSZ, signal.SIGQUIT)
STUDY = """
include = ["small.toml"]
name = "two"
[study.axes]
seed = [1, 2]
[study.evaluate.e]
limit = 32
samples = 2
importance_samples = 0
"""
# What each command writes, to be there whole or not at all.
COMMANDS = {
    "evaluate": (("evaluate", "run", "--samples", 4000), "run/evaluation-test.json"),
    "sample": (("sample", "run"), "run/figures/samples.png"),
    "traverse": (("traverse", "run"), "run/figures/traversals.png"),
    "reconstruct": (("reconstruct", "run"), "run/figures/reconstructions.png"),
    "interpolate": (("interpolate", "run"), "run/figures/interpolations.png"),
    "encode": (("encode", "run", "--jacobians", 64), "run/codes-test.h5"),
    "export": (("export", "run"), "run/model.pt"),
    "compare": (("compare", "run", "other", "--out", "compared.json"), "compared.json"),
    "runs plot": (("runs", "plot", "run", "other"), "plot.svg"),
    "runs list": (("runs", "list"), None),
    "study": (("study", "two.toml"), "studies/two/results.csv"),
    "check": (("check", "two.toml"), None),
    "describe": (("describe", "run"), None),
    "data import": (("data", "import", "faces", "--size", 16), "faces-16.h5"),
    "data show": (("data", "show", "images.npy", "--picture", "shown.png"), "shown.png"),
    "list": (("list",), None),
    "new": (("new", "family", "mine", "--into", "plugins"), "plugins/mine/CMakeLists.txt"),
    "config print": (("config", "print", "small.toml"), None),
}


def is_whole(path):
    """By its format's own end."""
    data = path.read_bytes()
    return {".png": lambda: data.endswith(b"IEND\xaeB`\x82"), ".json": lambda: bool(json.loads(data)),
            ".svg": lambda: data.rstrip().endswith(b"</svg>"), ".h5": lambda: len(h5py.File(path)) > 0,
            ".pt": lambda: b"PK\x05\x06" in data[-100:]}.get(path.suffix, lambda: len(data) > 0)()


class EveryCommand(ProgramTest):
    def setUp(self):
        super().setUp()
        self.train("--folder", "run")
        self.train("--folder", "other", "seed=4")
        (self.folder / "two.toml").write_text(STUDY)
        for i, image in enumerate(blobs(300, size=20)[0]):
            write_png(self.folder / "faces" / f"{i:03}.png", image)

    def check(self, name, numbers):
        arguments, output = COMMANDS[name]
        output = output and self.folder / output
        before = output.read_bytes() if output and output.exists() else None
        process = self.start(*arguments)
        while not handles(process, numbers[0]) and process.poll() is None:
            time.sleep(0.001)
        time.sleep(0.02 * (len(name) % 5))
        for number in numbers:
            if process.poll() is None:
                process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        said = f"{name}, {[number.name for number in numbers]}: {process.returncode}\n{stdout}\n{stderr}"
        self.assertIn(process.returncode, (0, 130), said)
        if output and output.exists() and output.read_bytes() != before:
            self.assertTrue(is_whole(output), said)
        if name == "new" and process.returncode == 0:   # done before: its folder has hidden files of its own
            shutil.rmtree(self.folder / "plugins")
        self.assertEqual(left_over(self.folder), [], said)
        self.assertNotIn("terminate called", stderr)
        return process.returncode

    def test_each_ends_in_order(self):
        """Two signals each, at once: they go round, so that every signal comes to several commands."""
        ended = {}
        for i, name in enumerate(COMMANDS):
            pair = (SIGNALS[i % len(SIGNALS)], SIGNALS[(i + 4) % len(SIGNALS)])
            ended[name] = self.check(name, pair)
        self.assertEqual(ended["evaluate"], 130)   # those that surely had more to do
        self.assertEqual(ended["study"], 130)
        # And afterwards each does its work, as if nothing had been.
        self.run_program("study", "two.toml")
        self.run_program("data", "import", "faces", "--size", 16, "--overwrite")
        self.run_program("export", "run")
        self.assertEqual(left_over(self.folder), [])

    def test_a_training_under_each(self):
        endless = ("train.steps=100000000", "train.checkpoint_every=0", "train.evaluate_every=0")
        for number in SIGNALS:
            with self.subTest(number.name):
                run = self.folder / number.name
                process = self.start("train", "small.toml", *endless, "--folder", run, "--no-figures")
                wait_until(lambda: (run / "metrics.jsonl").exists() and len(metrics(run)) > 2, process)
                for _ in range(2):
                    process.send_signal(number)
                stdout, stderr = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 130, stderr)
                self.assertGreater(checkpoint(run).step, 0)
                self.assertIn(number.name, (run / "INTERRUPTED").read_text())
                self.assertIn("Go on with: variform resume", (run / "log.txt").read_text())
        listed = self.run_program("runs", "list", "--runs", self.folder, "--json").json
        states = {pathlib.Path(entry["run"]).name: (entry["status"], entry["reason"]) for entry in listed}
        self.assertEqual(states["SIGTERM"][0], "interrupted")
        self.assertIn("interrupted by SIGTERM at step", states["SIGTERM"][1])
        run = self.folder / "SIGTERM"
        self.resume(run, f"train.steps={checkpoint(run).step + 2}")
        self.assertFalse((run / "INTERRUPTED").exists())
        self.assertTrue((run / "DONE").exists())


class Limits(ProgramTest):
    def test_a_limit_of_file_sizes(self):
        """K2: no command dies of it, and none leaves anything."""
        self.train("--folder", "run")
        self.run_program("evaluate", "run", "--limit", 16)
        for i, image in enumerate(blobs(60, size=64)[0]):
            write_png(self.folder / "faces" / f"{i:03}.png", image)
        before = files_of(self.folder)
        for kilobytes in (1, 2, 5, 20):
            limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes,) * 2)}
            for command in (("evaluate", "run", "--limit", 64, "--dump", "dump.h5"), ("encode", "run"), ("export", "run"),
                            ("sample", "run"), ("runs", "plot", "run"), ("data", "import", "faces", "--size", 64),
                            ("runs", "plot", "run", "--evaluation", "elbo")):
                with self.subTest(f"{kilobytes} kB: {command}"):
                    result = self.run_program(*command, code=None, **limit)
                    self.assertIn(result.code, (0, 1), str(result))
                    if result.code:
                        self.assertRegex(result.stderr, "(?i)file too large|file size|ulimit", str(result))
                    self.assertEqual(left_over(self.folder), [])
                    for name, data in files_of(self.folder).items():
                        if name not in before:
                            self.assertTrue(is_whole(self.folder / name), name)
                            (self.folder / name).unlink()


if __name__ == "__main__":
    main()
