"""Runs the program as a user does, in a folder of its own with data and models small enough for tests.

The environment comes from tests/CMakeLists.txt: VARIFORM_BINARY, VARIFORM_PLUGINS, VARIFORM_SOURCE, and VARIFORM_DATA
from whoever starts the tests.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

import h5py
import numpy

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BINARY = os.environ["VARIFORM_BINARY"]
PLUGINS = pathlib.Path(os.environ["VARIFORM_PLUGINS"])

# 192 training rows and batches of 20: batches run across the ends of epochs. Evaluations, log lines and checkpoints
# fall on different steps, and none of them on the steps at which the tests stop.
CONFIG = """
name = "small"
seed = 3
[data.dataset]
name = "blobs"
[data.dataset.splits.train]
x = "images.npy"
labels = "labels.npy"
rows = [0, 192]
[data.dataset.splits.test]
x = "images.npy"
labels = "labels.npy"
rows = [192, 256]
[model]
latent = 4
encoder = { type = "mlp", hidden = [16] }
decoder = { type = "mlp", hidden = [16] }
family = { type = "diagonal" }
prior = { type = "gaussian" }
likelihood = { type = "gaussian" }
[objective]
type = "beta-vae"
beta = 0.5
[train]
steps = 22
batch = 20
evaluate_every = 6
checkpoint_every = 8
log_every = 4
threads = 1
device = "cpu"
"""


def blobs(n=256, size=8, seed=0):
    """Grey images of one Gaussian spot each, uint8 [n, size, size]; and the quadrant that it is in."""
    random = numpy.random.default_rng(seed)
    x, y, width = random.uniform(1, size - 2, (2, n, 1, 1)).tolist() + [random.uniform(0.8, 1.6, (n, 1, 1)).tolist()]
    x, y, width = (numpy.array(values) for values in (x, y, width))
    row, column = numpy.mgrid[0:size, 0:size]
    spot = numpy.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * width**2))
    labels = 2 * (y > size / 2) + (x > size / 2)
    return (255 * spot).astype(numpy.uint8), labels.astype(numpy.int64).ravel()


# Data sets that nobody may pass on: even where all others must be there, these are not.
LICENSED = {"celeba-64"}


def missing_data(stderr):
    """The data set whose files are not on this machine, if that is what the program says is wrong; otherwise None. In CI
    (environment variable CI) the public data sets must be there, so that their absence is no excuse."""
    said = re.search(r'data set "([^"]+)": expected the file .*, found it neither in ', stderr)
    name = said.group(1) if said else None
    return None if os.environ.get("CI") and name not in LICENSED else name


def write_png(path, pixels):
    """uint8 [height, width] or [height, width, 3]"""
    height, width = pixels.shape[:2]

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) +
                     chunk(b"IEND", b""))


def left_over(folder):
    """Temporaries and other hidden things below a folder, but for the locks that stay in run folders."""
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*")
                  if (path.name.startswith(".") and path.name != ".lock") or "tmp" in path.name
                  or path.name.endswith((".new", ".part")))


def files_of(folder):
    """Bytes of all files below a folder, by their paths."""
    folder = pathlib.Path(folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Result:
    def __init__(self, arguments, code, stdout, stderr):
        self.arguments, self.code, self.stdout, self.stderr = arguments, code, stdout, stderr

    @property
    def last_line(self):
        lines = self.stdout.rstrip("\n").split("\n")
        return lines[-1]

    @property
    def json(self):
        return json.loads(self.stdout)

    def __str__(self):
        command = " ".join(map(str, self.arguments))
        return f"variform {command}\nexit code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class ProgramTest(unittest.TestCase):
    """A test with a folder `self.folder` that holds images.npy, labels.npy and small.toml, and is the working folder."""

    maxDiff = 4000

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="variform-cli-")).resolve()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.fill_folder()

    def fill_folder(self):
        images, labels = blobs()
        numpy.save(self.folder / "images.npy", images)
        numpy.save(self.folder / "labels.npy", labels)
        (self.folder / "small.toml").write_text(CONFIG)

    def environment(self, **changes):
        # VARIFORM_HOME: a build folder outside of the checkout does not find datasets/ and configs/ by itself. HOME and
        # XDG_DATA_HOME: the plugins of whoever runs the tests have no part in them.
        environment = dict(os.environ, OMP_NUM_THREADS="1", VARIFORM_HOME=str(SOURCE), VARIFORM_PLUGINS=str(PLUGINS),
                           HOME=str(self.folder), XDG_DATA_HOME=str(self.folder / "share"))
        environment.pop("VARIFORM_PLUGIN_PATH", None)
        environment.update(changes)
        return {key: value for key, value in environment.items() if value is not None}

    def start(self, *arguments, cwd=None, env=None, **options):
        """The running program, its output piped."""
        return subprocess.Popen([BINARY, *map(str, arguments)], cwd=cwd or self.folder, env=self.environment(**(env or {})),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                errors="replace", **options)

    def run_program(self, *arguments, code=0, cwd=None, env=None, timeout=300, **options):
        """Runs to the end and checks the exit code (None: any)."""
        with self.start(*arguments, cwd=cwd, env=env, **options) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        result = Result(arguments, process.returncode, stdout, stderr)
        if code is not None:
            self.assertEqual(result.code, code, str(result))
        return result

    def train(self, *arguments, runs="runs", config="small.toml", **options):
        """Trains without pictures; the run's folder."""
        result = self.run_program("train", config, *arguments, "--runs", runs, "--no-figures", **options)
        run = pathlib.Path(result.last_line)
        return run if run.is_absolute() else self.folder / run

    def resume(self, run, *arguments, **options):
        return self.run_program("resume", run, *arguments, "--no-figures", **options)

    def interrupt_after(self, process, reached, signal_number=signal.SIGINT, timeout=120):
        """Sends a signal as soon as reached() is true; (exit code, stdout, stderr)."""
        wait_until(reached, process, timeout)
        process.send_signal(signal_number)
        stdout, stderr = process.communicate(timeout=timeout)
        return Result(("interrupted",), process.returncode, stdout, stderr)

    def assert_same_run(self, left, right):
        """Bit for bit: every tensor and attribute of the checkpoints, metrics, and the summary of the end."""
        for name in ("last.h5", "best.h5"):
            self.assert_same_checkpoint(left / "checkpoints" / name, right / "checkpoints" / name)
        self.assertEqual((left / "metrics.jsonl").read_text(), (right / "metrics.jsonl").read_text())
        self.assertEqual((left / "DONE").read_text(), (right / "DONE").read_text())
        self.assertEqual((left / "config.resolved.toml").read_text(), (right / "config.resolved.toml").read_text())

    def assert_same_checkpoint(self, left, right, attributes=True):
        one, other = checkpoint(left), checkpoint(right)
        self.assertEqual(sorted(one.tensors), sorted(other.tensors))
        for name, values in one.tensors.items():
            self.assertEqual(values.dtype, other.tensors[name].dtype, name)
            self.assertEqual(values.tobytes(), other.tensors[name].tobytes(), f"{name} differs between {left} and {right}")
        if attributes:
            self.assertEqual(one.attributes, other.attributes)


class Checkpoint:
    """Tensors by path ("model/encoder/parameters/…") and the root's attributes, but for the seal, which follows from
    them."""

    def __init__(self, path):
        self.tensors = {}
        with h5py.File(path, "r") as file:
            file.visititems(self._visit)
            self.attributes = {key: value for key, value in file.attrs.items() if isinstance(value, (str, bytes))}

    def _visit(self, name, item):
        if isinstance(item, h5py.Dataset):
            self.tensors[name] = item[()] if item.shape else numpy.asarray(item[()])

    def __getitem__(self, name):
        return self.tensors[name]

    def of(self, prefix):
        return {name: values for name, values in self.tensors.items() if name.startswith(prefix)}

    @property
    def step(self):
        return int(self.tensors["progress/step"])


def checkpoint(path):
    path = pathlib.Path(path)
    return Checkpoint(path / "checkpoints" / "last.h5" if path.is_dir() else path)


def metrics(run, split=None):
    """The lines of metrics.jsonl, those of one split if it is named."""
    lines = [json.loads(line) for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("check", None)  # of the line, not of the training
    return [line for line in lines if split is None or line["split"] == split]


def handles(process, signal_number):
    """Whether the process has a handler for a signal by now: its default would end it without a word."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught.group(1), 16) >> (signal_number - 1) & 1)


def wait_until(reached, process, timeout=120):
    """Returns once reached() is true; an error if the process ends before, or too much time goes by."""
    end = time.monotonic() + timeout
    while not reached():
        if process.poll() is not None:
            stdout, stderr = process.communicate()
            raise AssertionError(f"the program ended early with {process.returncode}\n{stdout}\n{stderr}")
        if time.monotonic() > end:
            process.kill()
            raise AssertionError("the program did not get there in time")
        time.sleep(0.002)


def main():
    """unittest's main, but that ctest sees a file whose tests were all skipped as skipped."""
    result = unittest.main(module="__main__", exit=False).result
    skipped = result.testsRun > 0 and len(result.skipped) == result.testsRun
    sys.exit(1 if not result.wasSuccessful() else 77 if skipped else 0)
