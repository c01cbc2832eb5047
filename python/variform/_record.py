"""What a run's folder says of itself, read for other programs: config, numbers by step, evaluations, files."""

import dataclasses
import hashlib
import json
import os
import pathlib
import warnings
from typing import Any, Dict, Iterator, List, Mapping, Tuple, Union

from . import _library, _program

NOT_STATED = "not stated"
CHECK = ',"check":"'


@dataclasses.dataclass(frozen=True)
class Record:
    """A run as its folder has it now. Numbers that were not finite are NaN."""

    folder: pathlib.Path
    id: str  #: the folder's name, which holds the config's hash and the seed
    name: str  #: the config's
    config: Dict[str, Any]  #: {"model.family.type": "full"}: flags, numbers, texts, lists
    steps: Dict[int, Dict[str, float]]  #: {step: {"train/loss": …, "test/kl": …, "epoch": …}}, steps rising
    final: Dict[str, float]  #: {"final/loss": …, "best/step": …, "evaluation-test/elbo": …}
    tags: Dict[str, str]  #: the components' names, "state", "command", "licence", "data_licence" …
    files: Tuple[pathlib.Path, ...]  #: figures, evaluations, the config
    started: float  #: seconds since 1970
    ended: float

    @property
    def digest(self) -> str:
        """The same as long as nothing in the record has changed."""
        hash_ = hashlib.sha256(json.dumps([self.config, list(self.steps.items()), self.final, self.tags]).encode())
        for file in self.files:
            hash_.update(file.name.encode() + file.read_bytes())
        return hash_.hexdigest()[:16]


def read(run: Union[str, os.PathLike, Any], licence: str = NOT_STATED) -> Record:
    """Reads a run's folder, or that of a ``variform.Run``. Raises ValueError where there is none."""
    folder = pathlib.Path(getattr(run, "path", run))
    text = folder / "config.resolved.toml"
    if not text.is_file():
        raise ValueError(f"{folder} is not a run's folder: it has no {text.name}. Expected one that a training has made, runs/NAME-HASH-SEED.")
    config = dict(flat(_toml(text)))
    environment = _json(folder / "environment.json")
    evaluations = sorted([*folder.glob("evaluation-*.json"), *folder.glob("evaluations/*.json")])
    tags = {slot: config[key] for slot, key in _slots(config)}
    tags |= {"state": _state(folder), "program": environment.get("program", ""), "commit": environment.get("commit", ""),
             "command": " ".join(map(str, environment.get("command", []))), "data_fingerprint": environment.get("data_fingerprint", ""),
             "dataset": _dataset(config), "data_licence": _licence_of_data(config), "licence": licence}
    metrics = folder / "metrics.jsonl"
    return Record(folder, folder.resolve().name, config.get("name", folder.name), config, _steps(metrics),
                  {**_summary(folder), **_evaluated(evaluations)}, tags,
                  (text, *sorted((folder / "figures").glob("*.*")), *evaluations),
                  (folder / "environment.json" if environment else text).stat().st_mtime,
                  (metrics if metrics.is_file() else text).stat().st_mtime)


def flat(table: Mapping[str, Any], path: str = "") -> Iterator[Tuple[str, Any]]:
    """The leaves of a table as ("a.b", value)."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{key}.")
        else:
            yield path + key, value


def _toml(file: pathlib.Path) -> Dict[str, Any]:
    import tomllib

    return tomllib.loads(file.read_text(encoding="utf-8"))


def _json(file: pathlib.Path) -> Dict[str, Any]:
    """A file's object; an empty one where there is none, or another kind of text."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _state(folder: pathlib.Path) -> str:
    return next((mark.lower() for mark in ("DONE", "FAILED", "INTERRUPTED") if (folder / mark).is_file()), "unfinished")


def _slots(config: Mapping[str, Any]) -> List[Tuple[str, str]]:
    keys = [key for key in config if key.endswith(".type") and key.count(".") <= 2 and key.split(".")[0] in ("model", "objective")]
    return [(key.split(".")[-2], key) for key in keys]


def _dataset(config: Mapping[str, Any]) -> str:
    return str(config.get("data.dataset") or config.get("data.dataset.name") or NOT_STATED)


def _licence_of_data(config: Mapping[str, Any]) -> str:
    """The terms that the data set's description states."""
    if "data.dataset" not in config:
        return str(config.get("data.dataset.licence") or NOT_STATED)
    try:
        found = _program.report(["data", "list", config["data.dataset"], "--json"], False)
    except (ValueError, RuntimeError):  # its description is not on this machine
        return NOT_STATED
    return next((entry["licence"] for entry in found if entry["licence"]), NOT_STATED)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)  # JSON has no other way to write what is not finite


def _steps(file: pathlib.Path) -> Dict[int, Dict[str, float]]:
    steps: Dict[int, Dict[str, float]] = {}
    damaged = []
    content = file.read_bytes() if file.is_file() else b""
    for number, line in enumerate(content.split(b"\n")[:-1], 1):  # what has no newline is still being written
        values = _intact(line)
        if values is None:
            damaged.append(str(number))
            continue
        step, split = int(values.pop("step")), values.pop("split")
        at = steps.setdefault(step, {})
        if "epoch" in values:
            at["epoch"] = _number(values.pop("epoch"))
        at.update({f"{split}/{name}": _number(value) for name, value in values.items()})
    if damaged:
        warnings.warn(f"{file}: line {', '.join(damaged)} is not as it was written, and is left out.", _library.VariformWarning, stacklevel=5)
    return dict(sorted(steps.items()))


def _intact(line: bytes):
    """A line's object without its check, or None: see core/base/sealed_lines.h."""
    text = line.decode("utf-8", "replace")
    at = text.rfind(CHECK)
    body = text[:at] + "}" if at >= 0 else text
    try:
        found = json.loads(body)
    except ValueError:
        return None
    is_right = isinstance(found, dict) and "step" in found and "split" in found
    return found if is_right and (at < 0 or text[at + len(CHECK):] == f'{_fnv1a(body.encode()):08x}"}}') else None


def _fnv1a(text: bytes) -> int:
    """FNV-1a of 64 bits, folded to 32."""
    hash_ = 14695981039346656037
    for byte in text:
        hash_ = (hash_ ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return (hash_ ^ hash_ >> 32) & 0xFFFFFFFF


def _summary(folder: pathlib.Path) -> Dict[str, float]:
    """What DONE says."""
    done = _json(folder / "DONE")
    found = {f"final/{name}": _number(value) for name, value in done.get("evaluation", {}).items()}
    if "step" in done:
        found["final/step"] = float(done["step"])
    best = done.get("best", {})
    return {**found, **{f"best/{name}": float(best[name]) for name in ("step", "value") if name in best}}


def _evaluated(files: List[pathlib.Path]) -> Dict[str, float]:
    """{"evaluation-test/elbo": …, "evaluation-test/information.latent_kl": …}, and each standard error as "…/elbo.se"."""
    found = {}
    for file in files:
        for name, value in _program.numbers_of(_json(file)).items():
            found[f"{file.stem}/{name}"] = value["mean"]
            if value["error"] is not None:
                found[f"{file.stem}/{name}.se"] = value["error"]
    return found
