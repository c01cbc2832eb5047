"""Trains and tests components that are Python classes, in this process."""

import json
import os
import pathlib
import signal
import sys
import threading
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Type, Union

import torch

from . import _bridge, _library, _program
from ._components import Component
from ._run import Run, load

Watch = Callable[[int, Dict[str, float]], Optional[bool]]


class _Watched(_bridge.Held):
    """What a training says, and whether it is to stop."""

    def __init__(self, progress: bool, watch: Optional[Watch]):
        self.label, self.progress, self.watch = "train_python", progress, watch
        self.is_stopped = self.is_interrupted = False

    def show(self, text: str) -> None:
        if self.progress:
            print(text, file=sys.stderr, flush=True)

    def call(self, function, tensors, numbers, text):
        if function == "is_stopped":
            return [], [float(self.is_stopped or self.is_interrupted)], []
        if function == "said":
            _library.tell_one(text, 6)
            return [], [], []
        what = json.loads(text)
        values = "  ".join(f"{name} {value:.5g}" for name, value in what["values"].items() if value is not None)
        if function == "stepped":
            self.show(f"step {numbers[0]}/{numbers[1]}  {values}")
            if self.watch is not None and self.watch(numbers[0], what["values"]) is False:
                self.is_stopped = True
        else:
            self.show(f"step {numbers[0]}, {what['split']}: {values}{'  (best)' if what['best'] else ''}")
        return [], [], []


class _Interruptible:
    """While it lasts, Ctrl-C ends the training in order instead of raising KeyboardInterrupt in the middle of a step."""

    def __init__(self, watched: _Watched):
        self.watched = watched

    def __enter__(self):
        self.is_main = threading.current_thread() is threading.main_thread()
        if self.is_main:
            self.before = signal.signal(signal.SIGINT, lambda *_: setattr(self.watched, "is_interrupted", True))

    def __exit__(self, *_):
        if self.is_main:
            signal.signal(signal.SIGINT, self.before)


def _overrides(overrides: Union[None, Mapping[str, Any], Sequence[str]], classes: List[type]) -> List[str]:
    """As _program.overrides_of, where a value may be a class; adds the classes to `classes`."""
    if not isinstance(overrides, Mapping):
        return _program.overrides_of(overrides)
    texts: Dict[str, Any] = {}
    for key, value in overrides.items():
        if isinstance(value, type):
            _bridge.describe(value)
            if key.rpartition(".")[2] != value.kind:
                raise ValueError(f"{value.__name__} is a {value.kind}, and {key} is none; write "
                                 f"{{{'' if value.kind == 'objective' else 'model.'}{value.kind}: {value.__name__}}}.")
            classes.append(value)
            value = {"type": _bridge.id_of(value), "plugin": _bridge.plugin_of(value)}
        texts[key] = value
    return _program.overrides_of(texts)


def train_python(config: Union[str, os.PathLike, Sequence[Union[str, os.PathLike]]],
                 overrides: Union[None, Mapping[str, Any], Sequence[str]] = None, *, steps: Optional[int] = None,
                 components: Sequence[Type[Component]] = (), folder: Union[None, str, os.PathLike] = None,
                 runs: Union[str, os.PathLike] = "runs", progress: bool = True, watch: Optional[Watch] = None,
                 resume: bool = False, overwrite: bool = False, stop_at: Optional[int] = None, threads: int = 0,
                 accept_changed: bool = False,
                 plugins: _program.Paths = (), data: _program.Paths = ()) -> Run:
    """Trains a model with components that are Python classes, in this process, and opens it.

    It is the engine's own training, so that data, order of batches, schedules, initial weights, random numbers, evaluations,
    checkpoints and the run's folder are those of ``variform train``; a stock component written again in Python gives the same
    losses. Only steps are not recorded (docs/performance.md).

    config, overrides, runs, plugins, data: as in ``variform.train``. A value of ``overrides`` may be a class:
    ``{"model.family": MyFamily, "model.family.df": 3.0, "train.steps": 500}``. Its settings are keys beside it.
    steps: short for ``train.steps``. components: further classes, which a config names as type and plugin.
    folder: the run's folder instead of RUNS/NAME-HASH-SEED. stop_at: stop after this step; ``resume=True`` goes on.
    watch: called with step and values at each line of the log; when it returns False, the training stops in order.
    threads: 0: as the config says. accept_changed: resume although the source of a class, or a plugin, has changed.

    Ctrl-C ends the training in order, with a checkpoint, before KeyboardInterrupt is raised; ``resume=True`` goes on.
    Raises ValueError for a wrong config or class, RuntimeError when the training fails, with the component's exception as its
    cause. For a loop of your own: ``run.objective(**batch, step=i).backward()`` of a run that was trained for 0 steps.
    """
    classes = list(components)
    texts = _overrides(overrides, classes)
    if steps is not None:
        texts.append(f"train.steps={int(steps)}")
    _bridge.connect()
    numbers = [_bridge.describe(cls) for cls in classes]
    if resume and overwrite:
        raise ValueError("resume and overwrite exclude each other.")
    configs = [config] if isinstance(config, (str, os.PathLike)) else list(config)
    watched = _Watched(progress, watch)
    held = _bridge.hold(watched)
    asked = {"configs": [os.path.abspath(_program.config_file(each)) for each in configs], "overrides": texts,
             "folder": "" if folder is None else os.fspath(folder), "runs": os.fspath(runs), "threads": threads,
             "accept_changed": accept_changed,
             "if_present": "resume" if resume else "overwrite" if overwrite else "refuse",
             "stop_at": -1 if stop_at is None else stop_at, "observer": held}
    try:
        with _Interruptible(watched):
            made = _bridge.caused(torch.ops.variform.train, _library.surroundings(plugins, data, numbers), json.dumps(asked))
    finally:
        _bridge.release(held)
        _library.tell(3)
    if watched.is_interrupted:
        raise KeyboardInterrupt
    return load(pathlib.Path(made), plugins=plugins, data=data, components=classes)


class Checked(dict):
    """A report of ``variform.check``, as ``variform check --json`` writes it; shown as its text."""

    def __repr__(self) -> str:
        return self["text"]

    @property
    def conforms(self) -> bool:
        """Whether no test failed."""
        return self["conforms"]

    @property
    def failed(self) -> Dict[str, str]:
        """Names of the tests that failed, with what they found."""
        return {each["test"]: each["detail"] for each in self["results"] if each["outcome"] in ("fail", "crash")}


def check(component: Type[Component], *, filter: str = "", settings: Optional[Mapping[str, Any]] = None,
          data: Sequence[int] = (), latent: int = 0, seed: int = 1, all: bool = False) -> Checked:
    """Runs the conformance tests on a class: ``variform check`` for a component written in Python.

    filter: only tests whose name contains it. settings: values instead of the defaults. data, latent: the sizes to build it
    with (usual ones are tried otherwise). seed: of everything that the tests draw. all: the text shows what passed, too.

    The tests run in this process. One that does not end must be interrupted from outside, and what would crash the process
    crashes it. Raises ValueError for a setting that the class does not have.
    """
    number = _bridge.describe(component)
    options = {"filter": filter, "seed": seed, "data": list(data), "latent": latent, "settings": dict(settings or {}), "all": all}
    try:
        return Checked(json.loads(torch.ops.variform.check(number, json.dumps(options))))
    finally:
        _bridge.take_error()
        _library.tell(3)
