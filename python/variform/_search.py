"""Searches for good parameters: Optuna proposes, the program trains."""

import json
import os
import pathlib
from typing import Any, Callable, List, Mapping, Optional, Sequence, Union

from . import _program

Value = Union[str, Callable[[Mapping[str, float]], float]]


def _suggested(trial, key: str, space: Any):
    """A trial's value of a key. Raises ValueError for a space that is none."""
    if isinstance(space, (list, tuple)) and len(space) > 0:
        return trial.suggest_categorical(key, list(space))
    if isinstance(space, Mapping) and {"low", "high"} <= set(space) <= {"low", "high", "log"}:
        low, high, log = space["low"], space["high"], bool(space.get("log", False))
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(key, low, high, log=log)
        return trial.suggest_float(key, float(low), float(high), log=log)
    raise ValueError(f"the space of {key} is a list of values, or {{'low': 1e-4, 'high': 1e-2, 'log': True}}; found {space!r}.")


def _evaluations(folder: pathlib.Path) -> List[dict]:
    """The evaluations along a training, by metrics.jsonl."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line.get("split") != "train"]


def _number(value: Value, evaluation: Mapping[str, Any], folder: pathlib.Path) -> float:
    parts = {name: each for name, each in evaluation.items() if isinstance(each, (int, float)) and name not in ("step", "epoch")}
    if callable(value):
        return float(value(parts))
    if value not in parts:
        raise ValueError(f"the evaluations of {folder} have no part '{value}'; they have {', '.join(parts)}.")
    return float(parts[value])


class Search:
    """What a search has found. ``study`` is Optuna's, with its plots and importances."""

    def __init__(self, study, runs: pathlib.Path, plugins: _program.Paths, data: _program.Paths):
        self.study = study
        self._runs, self._plugins, self._data = runs, plugins, data

    @property
    def best(self) -> dict:
        """The best trial: its value, its overrides, its run's folder."""
        trial = self.study.best_trial
        return {"value": trial.value, "overrides": dict(trial.params), "run": trial.user_attrs["run"]}

    @property
    def steps(self) -> int:
        """Training steps that were done in all trials together, those that were given up included."""
        return sum(trial.user_attrs.get("steps", 0) for trial in self.study.trials)

    @property
    def trials(self):
        """All trials, one row each: a pandas.DataFrame where pandas is installed, else a list of dicts."""
        rows = [{"trial": trial.number, "value": trial.value, "state": trial.state.name.lower(), "steps": trial.user_attrs.get("steps", 0),
                 "run": trial.user_attrs.get("run", ""), **trial.params} for trial in self.study.trials]
        try:
            import pandas
        except ImportError:
            return rows
        return pandas.DataFrame(rows)

    def load(self, **options):
        """The best trial's run: ``variform.load``."""
        from ._run import load

        return load(self.best["run"], plugins=self._plugins, data=self._data, **options)

    def __repr__(self) -> str:
        return f"Search({len(self.study.trials)} trials, {self.steps} steps; best {self.best['value']:.6g} at {self.best['overrides']})"


def search(config: Union[str, os.PathLike, Sequence[Union[str, os.PathLike]]], space: Mapping[str, Any], *, trials: int = 20,
           value: Value = "loss", rungs: Sequence[int] = (), seed: int = 1, sampler=None, pruner=None,
           overrides: Union[None, Mapping[str, Any], Sequence[str]] = None, progress: bool = False,
           runs: Union[str, os.PathLike] = "runs", plugins: _program.Paths = (), data: _program.Paths = ()) -> Search:
    """Trains models with parameters that Optuna proposes, each from what the trials before it have given.

    config: as for ``variform.train``. space: {"objective.beta": {"low": 1e-3, "high": 10.0, "log": True},
    "model.latent": [2, 4, 8]}; of two integers the numbers are integers.
    value: what is minimised: a part of the evaluations along the training ("loss", "nll" …), or a function of all parts,
    such as ``lambda parts: parts["nll"] + parts["kl"]`` where β is searched, of which the loss itself depends.
    rungs: steps at which a trial is compared with the others, and given up if it is behind (``pruner``; by default
    Optuna's successive halving). The training must have been evaluated by then: train.evaluate_every. A trial that goes
    on is resumed, bit for bit as if it had never stopped.
    sampler: Optuna's; by default TPE with `seed`, which proposes the same trials again.

    Every trial is an ordinary run in `runs`; one that is there already, of an earlier search, is not trained again.
    Returns a Search. Raises ValueError for a wrong space or config, RuntimeError when a training fails, ImportError
    without Optuna (``pip install optuna``).
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError("variform.search asks Optuna for proposals: pip install optuna") from error

    configs = [config] if isinstance(config, (str, os.PathLike)) else list(config)
    files, given = [_program.config_file(each) for each in configs], _program.overrides_of(overrides)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what fails is raised
    try:
        study = optuna.create_study(sampler=sampler or optuna.samplers.TPESampler(seed=seed, multivariate=True),
                                    pruner=pruner or optuna.pruners.SuccessiveHalvingPruner(min_resource=min(rungs, default=1), reduction_factor=3))

        def trained(trial, chosen: List[str], stop_at: Optional[int]) -> dict:
            until = [] if stop_at is None else ["--stop-at", str(stop_at)]
            output = _program.run([*_program.repeated("--plugin", plugins), *_program.repeated("--data", data), "--runs", runs,
                                   *([] if progress else ["--quiet"]), "train", *files, *given, *chosen, "--resume", "--no-figures", *until], progress)
            folder = pathlib.Path(output.strip().splitlines()[-1])
            trial.set_user_attr("run", str(folder))
            evaluations = [each for each in _evaluations(folder) if stop_at is None or each["step"] <= stop_at]
            if not evaluations:
                raise ValueError(f"{folder} has no evaluation by step {stop_at}; set train.evaluate_every to the first rung.")
            trial.set_user_attr("steps", evaluations[-1]["step"])
            return {"step": evaluations[-1]["step"], "value": _number(value, evaluations[-1], folder)}

        def objective(trial) -> float:
            chosen = _program.overrides_of({key: _suggested(trial, key, each) for key, each in space.items()})
            for rung in sorted(rungs):
                reached = trained(trial, chosen, rung)
                trial.report(reached["value"], reached["step"])
                if trial.should_prune():
                    raise optuna.TrialPruned
            return trained(trial, chosen, None)["value"]

        study.optimize(objective, n_trials=trials)
    finally:
        optuna.logging.set_verbosity(level)
    return Search(study, pathlib.Path(runs), plugins, data)
