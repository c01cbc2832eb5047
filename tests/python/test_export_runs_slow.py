"""variform.export_runs: what each tracker's own client reads back, against the run's folder. A client that is not installed
is an error in CI (environment variable CI), and skips its test elsewhere; wandb, which is large, is installed by
`./variform test --all` alone."""

import contextlib
import csv
import importlib.util
import io
import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
sys.path[:0] = [str(SOURCE / "python"), str(SOURCE / "tests/cli")]
if not (BUILD / "lib/libvariform_python.so").is_file():
    sys.exit(77)
os.environ["VARIFORM_PREFIX"] = str(BUILD)

import variform  # noqa: E402
from program import ProgramTest, main, metrics  # noqa: E402

VALUES = {"model.family.type": "diagonal", "objective.beta": 0.5, "model.encoder.hidden": [16], "train.optimizer.type": "adam"}


def needs(module, in_ci=True):
    there = importlib.util.find_spec(module) is not None
    return unittest.skipUnless(there or (in_ci and os.environ.get("CI")), f"{module} is not installed")


def wandb_records(file):
    """The messages of an offline run, whose file is a log of LevelDB's format behind seven bytes: blocks of 32 KiB hold chunks
    with a check, a length and a kind (1 whole, 2 first, 3 middle, 4 last). wandb's own reader is not in Python any more."""
    data, at, whole = file.read_bytes(), 7, b""
    assert data.startswith(b":W&B"), file
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""


class Exports(ProgramTest):
    def setUp(self):
        super().setUp()
        os.environ["HOME"] = str(self.folder)
        self.run_folder = self.folder / self.run_program("train", "small.toml").last_line
        self.run_program("evaluate", self.run_folder, "--importance-samples", 0)
        self.into = self.folder / "exported"

    def export(self, to, **options):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            (what,) = variform.export_runs(self.run_folder, to, **{"into": self.into, "licence": "CC0", **options}).values()
        return what

    def expected(self):
        """{step: {"train/loss": …}} by metrics.jsonl, with the epoch."""
        steps = {}
        for line in metrics(self.run_folder):
            at = steps.setdefault(line["step"], {})
            at.update({f"{line['split']}/{name}": value for name, value in line.items() if name not in ("step", "epoch", "split")})
            at["epoch"] = line["epoch"]
        return steps

    def elbo(self):
        return json.loads((self.run_folder / "evaluation-test.json").read_text())["values"]["elbo"]["mean"]

    def extend(self):
        self.run_program("resume", self.run_folder, "train.steps=30")

    def check_twice(self, to, count):
        """Unchanged, then replaced after the training went on; count() is always 1."""
        self.assertEqual((self.export(to), count()), ("added", 1))
        self.assertEqual((self.export(to), count()), ("unchanged", 1))
        self.extend()
        self.assertEqual((self.export(to), count()), ("replaced", 1))

    @needs("mlflow")
    def test_mlflow(self):
        import mlflow

        def found():
            mlflow.set_tracking_uri(self.into.as_uri())
            return mlflow.search_runs(experiment_names=["variform"], output_format="list")

        self.check_twice("mlflow", lambda: len(found()))
        (run,) = found()
        self.assertEqual((run.info.run_name, run.info.status), (self.run_folder.name, "FINISHED"))
        self.assertEqual({key: run.data.params[key] for key in VALUES},
                         {key: value if isinstance(value, str) else json.dumps(value) for key, value in VALUES.items()})
        self.assertEqual((run.data.tags["family"], run.data.tags["licence"], run.data.tags["state"]), ("diagonal", "CC0", "done"))
        self.assertEqual(run.data.metrics["evaluation-test/elbo"], self.elbo())
        client = mlflow.MlflowClient()
        steps = {}
        for name in run.data.metrics:
            for value in client.get_metric_history(run.info.run_id, name):
                if name.partition("/")[0] in ("train", "test", "epoch"):
                    steps.setdefault(value.step, {})[name] = value.value
        self.assertEqual(steps, self.expected())
        picture = pathlib.Path(client.download_artifacts(run.info.run_id, "figures/samples.png", str(self.folder)))
        self.assertEqual(picture.read_bytes(), (self.run_folder / "figures/samples.png").read_bytes())

    @needs("wandb", in_ci=False)
    def test_wandb(self):
        from wandb.proto import wandb_internal_pb2

        def folders():
            return list((self.into / "wandb").glob("offline-run-*"))

        self.check_twice("wandb", lambda: len(folders()))
        records = [wandb_internal_pb2.Record.FromString(data) for data in wandb_records(next(folders()[0].glob("run-*.wandb")))]
        begun = next(each.run for each in records if each.HasField("run"))
        self.assertEqual((begun.run_id, begun.display_name, begun.project, begun.run_group),
                         (self.run_folder.name, self.run_folder.name, "variform", "small"))
        self.assertIn("diagonal", begun.tags)
        config = {item.key: json.loads(item.value_json) for item in begun.config.update}
        self.assertEqual({key: config[key] for key in VALUES}, VALUES)
        steps, summary = {}, {}
        for record in records:
            if record.HasField("history"):
                values = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
                steps[values["_step"]] = {key: value for key, value in values.items() if not key.startswith("_")}
            for item in record.summary.update:
                summary[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        self.assertEqual(steps, self.expected())
        self.assertEqual((summary["evaluation-test/elbo"], summary["variform.licence"]), (self.elbo(), "CC0"))
        self.assertEqual((folders()[0] / "files/figures/samples.png").read_bytes(), (self.run_folder / "figures/samples.png").read_bytes())

    @needs("trackio")
    def test_trackio(self):
        os.environ["TRACKIO_DIR"] = str(self.into)
        import trackio
        from trackio.sqlite_storage import SQLiteStorage

        self.check_twice("trackio", lambda: len(list(trackio.Api().runs("variform"))))
        (run,) = trackio.Api().runs("variform")
        self.assertEqual(run.name, self.run_folder.name)
        self.assertEqual({key: run.config[key] for key in VALUES}, VALUES)
        self.assertEqual((run.config["variform.licence"], run.config["variform.family"]), ("CC0", "diagonal"))
        steps, final = {}, {}
        for line in SQLiteStorage.get_logs("variform", run.name, run_id=run.id):
            values = {key: value for key, value in line.items() if key not in ("step", "timestamp")}
            into = final if "final/loss" in values else steps.setdefault(line["step"], {})
            into.update(values)
        self.assertEqual(steps, self.expected())
        self.assertEqual(final["evaluation-test/elbo"], self.elbo())
        with self.assertRaisesRegex(ValueError, "trackio has been imported, and keeps"):
            self.export("trackio", into=self.folder / "elsewhere")

    def check_tables(self, to, read):
        self.check_twice(to, lambda: len(read("runs")))
        (run,), steps = read("runs"), read("metrics")
        self.assertEqual((run["run"], run["model.family.type"], run["tag.licence"]), (self.run_folder.name, "diagonal", "CC0"))
        self.assertEqual(float(run["evaluation-test/elbo"]), self.elbo())
        found = {int(row["step"]): {key: float(value) for key, value in row.items() if key not in ("run", "step") and value not in ("", None)}
                 for row in steps}
        self.assertEqual(found, self.expected())

    def test_csv(self):
        def read(name):
            with open(self.into / f"variform-{name}.csv", newline="") as file:
                return list(csv.DictReader(file))

        self.check_tables("csv", read)

    @needs("pyarrow")
    def test_parquet(self):
        import pyarrow.parquet

        self.check_tables("parquet", lambda name: pyarrow.parquet.read_table(self.into / f"variform-{name}.parquet").to_pylist())

    def test_damaged_line(self):
        """A changed byte is noticed, named, and its line left out; so is what a writer has not finished."""
        file = self.run_folder / "metrics.jsonl"
        lines = file.read_text().splitlines(keepends=True)
        lines[1] = lines[1].replace('"step":', '"step":1', 1)
        file.write_text("".join(lines) + lines[0][:20])
        with self.assertWarnsRegex(variform.VariformWarning, r"metrics.jsonl: line 2 is not as it was written"):
            variform.export_runs(self.run_folder, "csv", into=self.into)
        with open(self.into / "variform-metrics.csv", newline="") as text:
            self.assertEqual(len(list(csv.DictReader(text))), len({line["step"] for line in map(json.loads, lines[:1] + lines[2:])}))

    def test_not_finite(self):
        """null in metrics.jsonl, which is how JSON has it, becomes NaN; a line without a check is an earlier release's."""
        with open(self.run_folder / "metrics.jsonl", "a") as file:
            file.write('{"step": 23, "epoch": 2.0, "split": "train", "loss": null}\n')
        self.export("csv")
        with open(self.into / "variform-metrics.csv", newline="") as text:
            *_, last = csv.DictReader(text)
        self.assertTrue(math.isnan(float(last["train/loss"])))
        self.assertEqual(last["step"], "23")

    def test_shell(self):
        """python -m variform export-runs, and its errors."""
        def call(*arguments, **environment):
            return subprocess.run([sys.executable, "-m", "variform", "export-runs", *map(str, arguments)], capture_output=True, text=True,
                                  env={**os.environ, "PYTHONPATH": str(SOURCE / "python"), **environment})

        done = call("--to", "csv", "--into", self.into, self.run_folder)
        self.assertEqual((done.returncode, done.stdout), (0, f"{self.run_folder.name}: added\n"))
        wrong = call("--to", "csv", self.folder)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("is not a run's folder: it has no config.resolved.toml", wrong.stderr)
        (self.folder / "wandb.py").write_text("raise ImportError('not here')")
        lacks = call("--to", "wandb", self.run_folder, PYTHONPATH=f"{self.folder}:{SOURCE / 'python'}")
        self.assertEqual(lacks.returncode, 1)
        self.assertIn("-m pip install wandb", lacks.stderr)


if __name__ == "__main__":
    main()
