"""Reads what Variform leaves on disk, for people who plot and compute for themselves. One file, to be copied or put in
the path; needs Python 3.11 and numpy, h5py for tensors, and makes pandas tables where pandas is there.

    from variform_reader import Run, Study

    run = Run("runs/quickstart-c5ef103e-1")
    run.config["objective"]["beta"]
    steps, loss = run.metric("loss", split="test")
    weight = run.parameters("decoder")["network.0.weight"]

    study = Study("studies/linear", runs="runs")
    for row in study.rows(metric="above_linear_percent"):
        print(row["objective.beta"], row["value"])
    mean, half, values = study.interval("loss_beta", {"model.family.type": "full", "objective.beta": 2})
    metric = study.array("geometry_arrays.metric.mean", {"objective.beta": 2})     # [runs, d, d]
"""

import csv
import json
import math
import pathlib
import tomllib

import numpy

__all__ = ["Run", "Study", "interval", "table"]


def table(rows):
    """A pandas.DataFrame of dictionaries; the dictionaries themselves where pandas is absent."""
    try:
        import pandas
    except ImportError:
        return list(rows)
    return pandas.DataFrame(list(rows))


# 97.5 % quantiles of Student's t for 1, 2, … degrees of freedom.
_STUDENT = (12.7062047, 4.3026527, 3.1824463, 2.7764451, 2.5705818, 2.4469119, 2.3646243, 2.3060041, 2.2621572, 2.2281389,
            2.2009852, 2.1788128, 2.1603687, 2.1447867, 2.1314495, 2.1199053, 2.1098156, 2.1009220, 2.0930241, 2.0859634,
            2.0796138, 2.0738731, 2.0686576, 2.0638986, 2.0595386, 2.0555294, 2.0518305, 2.0484071, 2.0452296, 2.0422725)


def interval(values):
    """(mean, half width of its 95 % interval by Student's t, values); the half width of one value is nan."""
    values = numpy.asarray(list(values), dtype=float)
    if len(values) < 2:
        return (float(values.mean()) if len(values) else math.nan), math.nan, values
    return float(values.mean()), float(_quantile(len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))), values


def _quantile(freedom):
    """97.5 % quantile of Student's t; beyond the table by the first terms of its expansion about the normal one's."""
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    z = 1.9599639845
    return (z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3))


class Run:
    """A run folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        config = self.folder / "config.resolved.toml"
        if not config.is_file():
            raise FileNotFoundError(f"expected a run folder, but {self.folder} holds no config.resolved.toml")
        self.config = tomllib.loads(config.read_text())

    def __repr__(self):
        return f"Run({str(self.folder)!r})"

    @property
    def done(self):
        """Whether its training has ended well."""
        return (self.folder / "DONE").exists()

    def metrics(self, split=None):
        """The lines of metrics.jsonl, as dictionaries; those of one split if it is named."""
        lines = []
        for text in (self.folder / "metrics.jsonl").read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue  # the last line of a run that was killed
            if split is None or line.get("split") == split:
                lines.append(line)
        return lines

    def metric(self, name, split="test", x="step"):
        """Two arrays: where, and the value."""
        lines = [line for line in self.metrics(split) if name in line and x in line]
        if not lines:
            known = sorted({key for line in self.metrics(split) for key in line})
            raise KeyError(f"{self.folder} has no {name!r} on the split {split!r}; it has: {', '.join(known) or 'nothing'}")
        return (numpy.array([line[x] for line in lines]),
                numpy.array([math.nan if line[name] is None else line[name] for line in lines], dtype=float))

    def evaluation(self, split="test"):
        """What `variform evaluate` wrote last for this split, as it is."""
        file = self.folder / f"evaluation-{split}.json"
        if not file.is_file():
            raise FileNotFoundError(f"{file} is not there; run: variform evaluate {self.folder} --split {split}")
        return json.loads(file.read_text())

    def tensors(self, which="last"):
        """All tensors of a checkpoint, by path: "model/decoder/parameters/network.0.weight"."""
        return _tensors(self.folder / "checkpoints" / f"{which}.h5")

    def parameters(self, slot, which="last"):
        """The parameters of one component, by name."""
        prefix = f"model/{slot}/parameters/"
        return {name[len(prefix):]: values for name, values in self.tensors(which).items() if name.startswith(prefix)}

    def codes(self, split="test"):
        """What `variform encode` wrote: h, variances, covariance, labels, jacobians …"""
        file = self.folder / f"codes-{split}.h5"
        if not file.is_file():
            raise FileNotFoundError(f"{file} is not there; run: variform encode {self.folder} --split {split}")
        return _tensors(file)


class Study:
    """A study's folder, and the folder of the runs."""

    def __init__(self, folder, runs="runs"):
        self.folder, self.runs_folder = pathlib.Path(folder), pathlib.Path(runs)
        file = self.folder / "study.json"
        if not file.is_file():
            raise FileNotFoundError(f"expected the folder of a study, but {self.folder} holds no study.json")
        self.summary = json.loads(file.read_text())
        with open(self.folder / "results.csv", newline="") as results:
            self._rows = [self._typed(row) for row in csv.DictReader(results)]

    def __repr__(self):
        return f"Study({str(self.folder)!r})"

    @staticmethod
    def _typed(row):
        for key in ("value", "se"):
            row[key] = float(row[key]) if row[key] else math.nan
        return row

    @property
    def axes(self):
        """Names of the axes, in order."""
        return list(dict.fromkeys(axis for cell in self.summary["cells"] for axis, _ in cell["labels"]))

    def runs(self, **where):
        """[(labels, Run)] of all cells that are done; `where` holds labels (dots of an axis as underscores)."""
        found = []
        for cell in self.summary["cells"]:
            labels = dict(cell["labels"])
            if "run" in cell and all(self._of(labels, axis) == str(label) for axis, label in where.items()):
                found.append((labels, Run(self.runs_folder / cell["run"])))
        return found

    @staticmethod
    def _of(labels, axis):
        return next((label for name, label in labels.items() if axis in (name, name.replace(".", "_"))), None)

    @staticmethod
    def _fits(labels, where):
        """Whether labels (a dictionary) are as `where` asks: a label for each axis, or a list of them."""
        return all(labels.get(axis, "") in [str(label) for label in (asked if isinstance(asked, (list, tuple)) else [asked])]
                   for axis, asked in (where or {}).items())

    def rows(self, metric=None, where=None, evaluation=None, epoch="end"):
        """Rows of results.csv as dictionaries, metrics that the study derives among them; `where` maps axes (and "stage")
        to a label or a list of labels; epoch None: all along the training."""
        return [row for row in self._rows
                if (metric is None or row["metric"] == metric) and (evaluation is None or row["evaluation"] == evaluation)
                and (epoch is None or row["epoch"] == _epoch(epoch)) and self._fits(row, where)]

    def interval(self, metric, where=None, evaluation=None, epoch="end"):
        """interval() over all runs that fit."""
        return interval(row["value"] for row in self.rows(metric, where, evaluation, epoch))

    def table(self, **selection):
        """rows() as a pandas table where pandas is there."""
        return table(self.rows(**selection))

    def evaluations(self, where=None, evaluation=None, epoch="end"):
        """[(labels, what `variform evaluate` wrote)] of the runs that fit; `evaluation` may also be the name of a
        comparison, whose labels lack the axis that it compares over."""
        found = []
        for cell in self.summary["cells"]:
            labels = dict(cell["labels"])
            for entry in cell.get("evaluations", []):
                if evaluation in (None, entry["name"]) and (epoch is None or _epoch(epoch) == _epoch(entry["epoch"])) \
                        and self._fits(labels | {"stage": cell["stage"]}, where):
                    found.append((labels | {"evaluation": entry["name"], "epoch": _epoch(entry["epoch"])},
                                  json.loads((self.runs_folder / cell["run"] / entry["file"]).read_text())))
        for entry in self.summary["comparisons"]:
            labels = dict(entry["labels"])
            if evaluation == entry["name"] and self._fits(labels | {"stage": entry["stage"]}, where):
                found.append((labels, json.loads((self.folder / entry["file"]).read_text())))
        return found

    def arrays(self, path, where=None, evaluation=None, epoch="end"):
        """[(labels, array)] of a place in the evaluations, "geometry_arrays.metric.mean"; those without it are left out."""
        found = []
        for labels, result in self.evaluations(where, evaluation, epoch):
            for key in path.split("."):
                result = result.get(key) if isinstance(result, dict) else None
            if result is not None:
                found.append((labels, numpy.array(result, dtype=float)))  # null becomes nan
        return found

    def array(self, path, where=None, evaluation=None, epoch="end"):
        """arrays() on top of each other: [runs, …], in the order of the study's cells."""
        found = self.arrays(path, where, evaluation, epoch)
        if not found:
            raise KeyError(f"no evaluation of {self.folder} that fits has {path!r}")
        for what, different in (("evaluations", {labels.get("evaluation") for labels, _ in found}),
                                ("shapes", {array.shape for _, array in found})):
            if len(different) > 1:
                raise ValueError(f"{path!r} has different {what}: {sorted(different)}; choose some, or use arrays()")
        return numpy.stack([array for _, array in found])

    def pictures(self, name, where=None):
        """[(labels, path of a PNG file)] of a picture that the study draws of its runs (its table [study.draw])."""
        found = []
        for cell in self.summary["cells"]:
            labels = dict(cell["labels"])
            if self._fits(labels | {"stage": cell["stage"]}, where):
                found += [(labels, self.runs_folder / cell["run"] / entry["file"]) for entry in cell.get("pictures", [])
                          if entry["name"] == name]
        return found


def _epoch(value):
    """As results.csv writes it: "end", "0", "0.5"."""
    return value if value == "end" else f"{float(value):g}"


def _tensors(file):
    import h5py

    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(file, "r") as opened:
        opened.visititems(visit)
    return found
