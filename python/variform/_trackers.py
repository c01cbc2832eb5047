"""Hands runs to other programs for tracking experiments, through each one's own client, without network."""

import csv
import importlib
import io
import json
import math
import os
import pathlib
import shutil
import sys
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Union

from . import _record
from ._record import Record

ADDED, REPLACED, UNCHANGED = "added", "replaced", "unchanged"
MARK = "variform.digest"  # of what was exported: tells whether a run has changed since


def _client(module: str, package: str, to: str):
    """A tracker's own package. Raises ImportError with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"exporting to {to} needs {package}, which this Python lacks ({error}); install it: "
                          f"{sys.executable} -m pip install {package}") from None


def _texts(record: Record) -> Dict[str, str]:
    """The config's values as texts."""
    return {key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in record.config.items()}


# ---------------------------------------------------------------------------------------------------------------- mlflow


def to_mlflow(records: Sequence[Record], into: str, project: str) -> Dict[str, str]:
    """Into a file store, or whatever store ``into`` is the address of: an experiment, a run each."""
    if "://" not in into:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # its later releases want to be asked for folders
        into = pathlib.Path(into).absolute().as_uri()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    tracking = _client("mlflow.tracking", "mlflow-skinny", "mlflow")
    client = tracking.MlflowClient(tracking_uri=into)
    experiment = client.get_experiment_by_name(project)
    where = experiment.experiment_id if experiment else client.create_experiment(project)
    return {record.id: _mlflow_run(client, where, record) for record in records}


def _mlflow_run(client, experiment: str, record: Record) -> str:
    entities = importlib.import_module("mlflow.entities")
    there = client.search_runs([experiment], f"tags.`variform.id` = '{record.id}'")
    if any(run.data.tags.get(MARK) == record.digest for run in there):
        return UNCHANGED
    for run in there:
        client.delete_run(run.info.run_id)
    run = client.create_run(experiment, int(record.started * 1000), run_name=record.id,
                            tags={"variform.id": record.id, "variform.name": record.name, **record.tags})
    number, at = run.info.run_id, int(record.ended * 1000)
    last = max(record.steps, default=0)
    metrics = [entities.Metric(name, value, at, step) for step, values in record.steps.items() for name, value in values.items()]
    metrics += [entities.Metric(name, value, at, last) for name, value in record.final.items()]
    for first in range(0, len(metrics), 1000):  # as many as it takes at once
        client.log_batch(number, metrics=metrics[first : first + 1000])
    params = [entities.Param(key, value) for key, value in _texts(record).items()]
    for first in range(0, len(params), 100):
        client.log_batch(number, params=params[first : first + 100])
    for file in record.files:
        client.log_artifact(number, str(file), str(file.parent.relative_to(record.folder)).replace(".", "") or None)
    client.set_tag(number, MARK, record.digest)  # last: a run without it is incomplete
    client.set_terminated(number, {"done": "FINISHED", "failed": "FAILED"}.get(record.tags["state"], "KILLED"), at)
    return REPLACED if there else ADDED


# ----------------------------------------------------------------------------------------------------------------- wandb


def to_wandb(records: Sequence[Record], into: str, project: str) -> Dict[str, str]:
    """As offline runs in INTO/wandb, for ``wandb sync``."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    wandb = _client("wandb", "wandb", "wandb")
    folder = pathlib.Path(into)
    folder.mkdir(parents=True, exist_ok=True)  # without it wandb writes elsewhere, and says nothing
    return {record.id: _wandb_run(wandb, folder, project, record) for record in records}


def _wandb_run(wandb, into: pathlib.Path, project: str, record: Record) -> str:
    there = [mark.parent for mark in (into / "wandb").glob(f"offline-run-*-{record.id}/{MARK}")]
    mark = f"{record.digest} {project}\n"
    if any((folder / MARK).read_text() == mark for folder in there):
        return UNCHANGED
    for folder in there:
        shutil.rmtree(folder)
    settings = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(mode="offline", project=project, id=record.id, name=record.id, group=record.name, dir=str(into), config=record.config,
                     tags=[record.tags["state"], *(record.tags[slot] for slot in ("family", "objective") if slot in record.tags)],
                     notes="\n".join(f"{key}: {value}" for key, value in record.tags.items()), settings=settings, reinit="create_new")
    try:
        for step, values in record.steps.items():
            run.log(values, step=step)
        run.summary.update({**record.final, **{f"variform.{key}": value for key, value in record.tags.items()}})
        for file in record.files:
            copy = pathlib.Path(run.dir) / file.relative_to(record.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            run.save(str(copy), base_path=run.dir, policy="end")
    finally:
        run.finish()
    _wait_until_written(pathlib.Path(run.dir).parent / f"run-{record.id}.wandb")
    (pathlib.Path(run.dir).parent / MARK).write_text(mark)
    return REPLACED if there else ADDED


def _wait_until_written(file: pathlib.Path) -> None:
    """wandb's service writes the last of a run's file a little after the run has ended. Raises RuntimeError after a minute."""
    header, size = 7, -1
    for _ in range(120):
        before, size = size, file.stat().st_size if file.exists() else -1
        if size == before and size > header:
            return
        time.sleep(0.5)
    raise RuntimeError(f"wandb has not written {file}: {size} bytes after a minute. Its log is in {file.parent / 'logs'}; export again.")


# --------------------------------------------------------------------------------------------------------------- trackio


def to_trackio(records: Sequence[Record], into: Optional[str], project: str) -> Dict[str, str]:
    """Into its local database: in its own folder, or in ``into`` (which ``trackio show`` finds by TRACKIO_DIR)."""
    if into is not None:
        if "trackio" not in sys.modules:
            os.environ["TRACKIO_DIR"] = os.path.abspath(into)
        elif os.path.abspath(_client("trackio.utils", "trackio", "trackio").TRACKIO_DIR) != os.path.abspath(into):
            raise ValueError(f"trackio has been imported, and keeps what it is given in {sys.modules['trackio.utils'].TRACKIO_DIR}; "
                             "leave out `into`, or set TRACKIO_DIR before the import.")
    trackio = _client("trackio", "trackio", "trackio")
    return {record.id: _trackio_run(trackio, project, record) for record in records}


def _in_trackio(trackio, project: str, name: str) -> List[Any]:
    try:
        return [run for run in trackio.Api().runs(project) if run.name == name]
    except ValueError:  # there is no such project yet
        return []


def _trackio_run(trackio, project: str, record: Record) -> str:
    there = _in_trackio(trackio, project, record.id)
    if any((run.config or {}).get(MARK) == record.digest for run in there):
        return UNCHANGED
    for run in there:
        run.delete()
    config = {**record.config, **{f"variform.{key}": value for key, value in record.tags.items()}, MARK: record.digest}
    run = trackio.init(project=project, name=record.id, group=record.name, config=config, embed=False, auto_log_cpu=False, auto_log_gpu=False)
    try:
        for step, values in record.steps.items():
            run.log(values, step=step)
        if record.final:
            run.log(record.final, step=max(record.steps, default=0))
        artifact = trackio.Artifact(f"files-{record.id}", type="variform-run")
        for file in record.files:
            artifact.add_file(str(file), str(file.relative_to(record.folder)))
        run.log_artifact(artifact)
    finally:
        run.finish()
    return REPLACED if there else ADDED


# ------------------------------------------------------------------------------------------------------- csv and parquet


def _tables(records: Sequence[Record]) -> Dict[str, List[Dict[str, Any]]]:
    """{"runs": a row per run, "metrics": a row per run and step}, as one file each."""
    return {"runs": [{"run": record.id, **_texts(record), **{f"tag.{key}": value for key, value in record.tags.items()}, **record.final}
                     for record in records],
            "metrics": [{"run": record.id, "step": step, **values} for record in records for step, values in record.steps.items()]}


def _columns(rows: List[Dict[str, Any]]) -> List[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front, as in the program's own tables."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _csv(rows: List[Dict[str, Any]], file: pathlib.Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    file.write_text(text.getvalue(), encoding="utf-8")


def _parquet(rows: List[Dict[str, Any]], file: pathlib.Path) -> None:
    pyarrow = _client("pyarrow", "pyarrow", "parquet")
    columns = {key: [row.get(key) for row in rows] for key in _columns(rows)}
    _client("pyarrow.parquet", "pyarrow", "parquet").write_table(pyarrow.table(columns), file)


def _to_tables(write: Callable[[List[Dict[str, Any]], pathlib.Path], None], suffix: str):
    def export(records: Sequence[Record], into: str, project: str) -> Dict[str, str]:
        folder = pathlib.Path(into)
        folder.mkdir(parents=True, exist_ok=True)
        said = ADDED
        for name, rows in _tables(records).items():
            file = folder / f"{project}-{name}{suffix}"
            with tempfile.TemporaryDirectory(dir=folder) as beside:  # the file is whole or absent
                new = pathlib.Path(beside) / file.name
                write(rows, new)
                if file.exists():
                    said = UNCHANGED if said != REPLACED and new.read_bytes() == file.read_bytes() else REPLACED
                os.replace(new, file)
        return {record.id: said for record in records}

    return export


class Tracker(NamedTuple):
    export: Callable[[Sequence[Record], Any, str], Dict[str, str]]
    into: Optional[str]  #: where to by default


TRACKERS = {"mlflow": Tracker(to_mlflow, "mlruns"), "wandb": Tracker(to_wandb, "."), "trackio": Tracker(to_trackio, None),
            "csv": Tracker(_to_tables(_csv, ".csv"), "."), "parquet": Tracker(_to_tables(_parquet, ".parquet"), ".")}

Runs = Union[str, os.PathLike, Sequence[Union[str, os.PathLike]]]


def _each(runs: Any) -> Iterator[Any]:
    yield from runs if isinstance(runs, (list, tuple)) else [runs]


def export_runs(runs: Runs, to: str, *, into: Union[None, str, os.PathLike] = None, project: str = "variform",
                licence: str = _record.NOT_STATED) -> Dict[str, str]:
    """Exports runs to a tracker: config, numbers by step, evaluations, figures, components as tags.

    runs: folders of runs, or runs, one or several.
    to: "wandb" (offline runs, for ``wandb sync``), "mlflow" (a file store), "trackio" (its local database), "csv" or
    "parquet" (tables of runs and of steps). Each but csv needs the tracker's own package, and none needs a network.
    into: the folder, by default ``mlruns`` for mlflow, the working folder for wandb, csv and parquet, and trackio's own
    place; for mlflow also the address of a store, "sqlite:///mlflow.db".
    project: the name there, an experiment for mlflow, the beginning of the tables' names.
    licence: under which terms the runs may be used, kept with them; that of the data is taken from their description.

    Exporting again changes nothing for a run that has not changed since, and replaces one that has. Returns what was done,
    {run: "added", "replaced" or "unchanged"}. Raises ImportError with the command that installs what is missing, and
    ValueError for what is not a run.
    """
    if to not in TRACKERS:
        raise ValueError(f"there is no tracker '{to}'; expected one of: {', '.join(TRACKERS)}.")
    tracker = TRACKERS[to]
    records = list({record.id: record for record in (_record.read(run, licence) for run in _each(runs))}.values())
    if not records:
        raise ValueError("no runs were given; expected folders of runs, such as runs/quickstart-…")
    place = tracker.into if into is None else os.fspath(into)
    return tracker.export(records, place, project)
