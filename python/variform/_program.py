"""Runs the program in a process of its own, and what of it Python needs: trainings, evaluations, studies."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Union

import torch

from . import _command, _library

Paths = Sequence[Union[str, os.PathLike]]
WRONG_USAGE, INTERRUPTED = 2, 130


def toml(value: Any) -> str:
    """A value as TOML writes it, in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, os.PathLike)):
        return json.dumps(os.fspath(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, Iterable):
        return "[" + ", ".join(map(toml, value)) + "]"
    raise TypeError(f"a config has no value like {value!r}; expected a flag, a number, a text, a list or a dict.")


def overrides_of(overrides: Union[None, Mapping[str, Any], Sequence[str]]) -> List[str]:
    """{"model.latent": 8} or ["model.latent=8"] as the program's KEY=VALUE."""
    if overrides is None:
        return []
    if isinstance(overrides, Mapping):
        return [f"{key}={toml(value)}" for key, value in overrides.items()]
    if isinstance(overrides, str):
        raise TypeError('overrides are a dict or a list: {"train.steps": 100} or ["train.steps=100"].')
    return list(overrides)


def options_of(options: Mapping[str, Any]) -> List[str]:
    """{"importance_samples": 0, "linear": True} as --importance-samples=0 --linear."""
    found: List[str] = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        values = value if isinstance(value, (list, tuple)) else [value]
        for each in values:
            if each is True:
                found.append(option)
            elif each is not False and each is not None:
                found.append(f"{option}={each}")
    return found


def repeated(option: str, values: Iterable[Union[str, os.PathLike]]) -> List[str]:
    """An option before each of its values."""
    return [part for value in values for part in (option, os.fspath(value))]


def run(arguments: Sequence[Any], progress: bool) -> str:
    """Runs the program; its standard output. progress: what it says meanwhile goes to sys.stderr.

    Ctrl-C reaches the program, too, which ends in order (a training writes its checkpoint) before KeyboardInterrupt is
    raised. Raises ValueError for a wrong config or option, RuntimeError for what else goes wrong, with its sentence.
    """
    command = [str(_library.tree().command), *map(os.fspath, map(_text, arguments))]
    environment = _command.environment(pathlib.Path(torch.__file__).parent)
    said: List[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as results:  # two pipes would have to be read at once
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=results, stderr=subprocess.PIPE, text=True,
                                   encoding="utf-8", errors="replace", env=environment, start_new_session=True)
        with process:
            try:
                for line in process.stderr:
                    said.append(line)
                    if progress:
                        print(line, end="", file=sys.stderr, flush=True)
            except BaseException:
                process.send_signal(signal.SIGINT)
                raise
        results.seek(0)
        output = results.read()
    if process.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if process.returncode != 0:
        raise (ValueError if process.returncode == WRONG_USAGE else RuntimeError)(_sentence(said, process.returncode))
    return output


def _text(argument: Any):
    return argument if isinstance(argument, (str, os.PathLike)) else str(argument)


def _sentence(said: List[str], code: int) -> str:
    """What the program gave as the reason: from its line "error: …" on, else all that it said."""
    first = next((i for i, line in enumerate(said) if line.startswith("error:")), 0)
    return "".join(said[first:]).strip().removeprefix("error: ") or f"the program ended with exit code {code}."


def report(arguments: Sequence[Any], progress: bool) -> dict:
    """What the program writes as JSON."""
    return json.loads(run(arguments, progress))


def numbers_of(found: Mapping[str, Any]) -> dict:
    """An evaluation's numbers, {name: {mean, error, unit, group, what}}: those in "values" by their names, others as
    "group.name" where the name is taken."""
    rows: dict = {}
    for group, values in sorted(found.items(), key=lambda item: item[0] != "values"):
        for name, value in values.items() if isinstance(values, dict) else ():
            mean = value.get("mean", value.get("value")) if isinstance(value, dict) else None
            if isinstance(mean, (int, float)):
                rows[f"{group}.{name}" if name in rows else name] = {
                    "mean": mean, "error": value.get("se"), "unit": value.get("unit", ""), "group": group, "what": value.get("what", "")}
    return rows


def as_table(found: dict):
    """An evaluation as a pandas.DataFrame, or as it is where there is no pandas."""
    try:
        import pandas
    except ImportError:
        return found
    table = pandas.DataFrame.from_dict(numbers_of(found), orient="index", columns=["mean", "error", "unit", "group", "what"])
    table.attrs["report"] = found
    return table


def config_file(config: Union[str, os.PathLike]) -> str:
    """A config's path; "quickstart" is that of the program's own configs."""
    text = os.fspath(config)
    is_name = not os.path.exists(text) and not text.endswith(".toml") and os.sep not in text
    return str(_library.tree().shared / "configs" / f"{text}.toml") if is_name else text


def train(config: Union[str, os.PathLike, Sequence[Union[str, os.PathLike]]],
          overrides: Union[None, Mapping[str, Any], Sequence[str]] = None, *, progress: bool = True,
          runs: Union[str, os.PathLike] = "runs", plugins: Paths = (), data: Paths = (), device: Optional[str] = None, **options):
    """Trains a model by the program, in a process of its own, and loads it: ``variform train``.

    config: a TOML file or several, of which later ones win, or the name of one of the program's own: "quickstart".
    overrides: {"model.family.type": "full", "train.steps": 100}, or texts as on the command line.
    progress: shows what the program says on stderr.
    runs: the folder that gets the run's folder. device: where the run that is returned computes ("cpu").
    plugins, data: as in ``variform.load``. Further options are the program's: ``resume=True``, ``overwrite=True``,
    ``folder="…"``, ``stop_at=100``, ``no_figures=True`` …

    Ctrl-C ends the training in order: its checkpoint is written, and ``resume=True`` goes on. Raises ValueError for a
    wrong config and RuntimeError when the training fails, with the program's sentence.
    """
    from ._run import load

    configs = [config] if isinstance(config, (str, os.PathLike)) else list(config)
    output = run([*repeated("--plugin", plugins), *repeated("--data", data), "--runs", runs, *([] if progress else ["--quiet"]),
                  "train", *map(config_file, configs), *overrides_of(overrides), *options_of(options)], progress)
    folder = output.strip().splitlines()[-1]
    return load(folder, plugins=plugins, data=data, device=device or "cpu")
