"""Between the engine and components written in Python: one C function pointer, made by ctypes, through which the engine calls.

What a call is given and what it returns waits in the engine (core/python/call.h), so that tensors cross with their graph and
nothing here depends on CPython's binary interface. An object that the engine holds has a number and lives until it releases it.
"""

import atexit
import ctypes
import functools
import hashlib
import inspect
import itertools
import json
import pathlib
import re
import traceback
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Type

import torch

from . import _components as components
from . import _library

Answer = Tuple[List[Optional[torch.Tensor]], List[float], List[str]]
ENGINE = pathlib.Path(__file__).resolve().parent
TORCH = pathlib.Path(torch.__file__).resolve().parent

_numbers = itertools.count(1)
_held: Dict[int, "Held"] = {}
_described: Dict[type, int] = {}
_errors: List[BaseException] = []  # the last exception of a component, which becomes the cause of the engine's


class Held:
    """What the engine may call by its number."""

    label = ""

    def call(self, function: str, tensors, numbers: List[int], text: str) -> Answer:
        raise NotImplementedError


def hold(held: Held) -> int:
    number = next(_numbers)
    _held[number] = held
    return number


def release(number: int) -> None:
    _held.pop(number, None)


def take_error() -> Optional[BaseException]:
    """The exception of a component behind the engine's last one, if there was one."""
    return _errors.pop() if _errors else None


def caused(function: Callable, *arguments: Any) -> Any:
    """Calls the engine; an exception that began in a component has that one as its cause."""
    _errors.clear()
    try:
        return function(*arguments)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        cause = take_error()
        if cause is None:
            raise
        raise error from cause


def _rng() -> torch.Generator:
    return torch.ops.variform.call_rng()


def _sentence(label: str, function: str, error: BaseException) -> str:
    """'MyFamily.posterior: ValueError: … (mine.py, line 12: return …)', the line being the component's own."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if ENGINE not in pathlib.Path(frame.filename).parents and TORCH not in pathlib.Path(frame.filename).parents]
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    where = f" ({pathlib.Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    return f"{label}.{function}: {last}{where}"


@ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
def _called(number: int) -> int:
    ops = torch.ops.variform
    function, label = "?", "?"
    try:
        function, tensors, numbers, text = ops.call_arguments()
        if function == "release":
            release(number)
            return 0
        held = _held[number]
        label = held.label
        ops.call_answer(*held.call(function, tensors, numbers, text))
        return 0
    except BaseException as error:  # nothing may pass through C
        _errors[:] = [error]
        ops.call_failed(_sentence(label, function, error), isinstance(error, NotImplementedError))
        return 1


@functools.lru_cache(maxsize=None)
def connect() -> None:
    """Lets the engine call Python, from now on until Python ends."""
    _library.load_library()
    torch.ops.variform.call_by(ctypes.cast(_called, ctypes.c_void_p).value)
    atexit.register(torch.ops.variform.call_by, 0)


# ------------------------------------------------------------------------------------------------- what objects answer


def _tensor(value: Any, what: str) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{what} returned {type(value).__name__}; expected a torch.Tensor")
    return value


def _maybe(value: Any, what: str) -> Optional[torch.Tensor]:
    return None if value is None else _tensor(value, what)


def _value(of: Any, name: str) -> Any:
    """An attribute, or what the function of that name returns."""
    found = getattr(of, name)
    return found() if callable(found) else found


def _takes(function: Callable, count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
        return True
    except (TypeError, ValueError):
        return False


def _abilities(of: Any, names: Iterable[str]) -> List[str]:
    return [name for name in names if getattr(of, name, None) is not None]


class HeldPosterior(Held):
    def __init__(self, q: Any):
        self.q, self.label = q, type(q).__name__
        for name in ("location", "rsample", "log_prob"):
            if not hasattr(q, name):
                raise TypeError(f"posterior returned {self.label}, which has no {name}; help(variform.Family) lists what it needs")
        self.abilities = _abilities(q, ("entropy", "covariance", "log_marginals"))

    def call(self, function, tensors, numbers, text):
        if function == "rsample":
            drawn = self.q.rsample(numbers[0], _rng())
            pair = drawn if isinstance(drawn, tuple) else (drawn, None)
            return [_tensor(pair[0], function), _maybe(pair[1], function)], [], []
        if function in ("log_prob", "log_marginals"):
            density = getattr(self.q, function)
            return [_tensor(density(*tensors) if _takes(density, 2) else density(tensors[0]), function)], [], []
        if function == "covariance":
            return [_maybe(self.q.covariance(), function)], [], []
        return [_tensor(_value(self.q, function), function)], [], []


class HeldComponent(Held):
    abilities: Tuple[str, ...] = ()

    def __init__(self, component: components.Component):
        self.component, self.label = component, type(component).__name__

    def call(self, function, tensors, numbers, text):
        if function == "train":
            self.component.train(bool(numbers[0]))
            return [], [], []
        return self.answer(function, tensors, numbers, text)

    def answer(self, function, tensors, numbers, text) -> Answer:
        raise NotImplementedError

    def number(self, function: str) -> Answer:
        return [], [float(_value(self.component, function))], []


class HeldFamily(HeldComponent):
    abilities = ("support", "finite_moments")

    def answer(self, function, tensors, numbers, text):
        if function == "parameter_count":
            return [], [int(self.component.parameter_count(numbers[0]))], []
        if function == "posterior":
            held = HeldPosterior(self.component.posterior(tensors[0], tensors[1], components.Known(*tensors[2:])))
            held.label = f"{self.label}.{held.label}"
            return [], [hold(held)], held.abilities
        if function == "support":
            return [], [float(end) for end in self.component.support()], []
        return self.number(function)


class HeldPrior(HeldComponent):
    abilities = ("cross_entropy", "gaussian", "moments_needed", "support")

    def answer(self, function, tensors, numbers, text):
        if function == "log_prob":
            return [_tensor(self.component.log_prob(tensors[0], components.Known(*tensors[1:])), function)], [], []
        known = components.Known(*tensors)
        if function == "sample":
            return [_tensor(self.component.sample(numbers[0], _rng(), known), function)], [], []
        if function == "cross_entropy":
            q = components.Posterior(torch.ops.variform.call_posterior())
            return [_maybe(self.component.cross_entropy(q, known), function)], [], []
        if function == "gaussian":
            found = self.component.gaussian(known)
            return [None] if found is None else [_tensor(each, function) for each in found], [], []
        if function == "support":
            return [], [float(end) for end in self.component.support()], []
        return self.number(function)


class HeldLikelihood(HeldComponent):
    abilities = ("curvature_form", "isotropic_curvature", "noise_variance", "admits_missing")

    def answer(self, function, tensors, numbers, text):
        this = self.component
        if function == "nll":
            return [_tensor(this.nll(tensors[0], tensors[1], components.Known(*tensors[2:])), function)], [], []
        if function == "mean":
            return [_tensor(this.mean(tensors[0]), function)], [], []
        if function == "sample":
            return [_tensor(this.sample(tensors[0], _rng()), function)], [], []
        if function == "curvature_form":
            form = this.curvature_form(*tensors[:3], text, components.Known(*tensors[3:]))
            return [_tensor(form, function)], [], []
        if function in ("isotropic_curvature", "noise_variance"):
            return [_maybe(_value(this, function), function)], [], []
        if function == "domain":
            return [], [], [str(_value(this, function))]
        return self.number(function)


class HeldObjective(HeldComponent):
    abilities = ("beta", "uses_tangents")

    def answer(self, function, tensors, numbers, text):
        if function == "beta":
            return [_tensor(_value(self.component, function), function)], [], []
        if function != "evaluate":
            return self.number(function)
        model = components.Model(torch.ops.variform.call_model())
        batch = components.Batch(tensors[0], components.Known(*tensors[1:]), numbers[0])
        found = self.component.evaluate(model, batch)
        if not isinstance(found, dict) or "loss" not in found:
            raise TypeError(f'evaluate returned {type(found).__name__}; expected a dict with "loss"')
        names = ["loss", *(name for name in found if name != "loss")]
        return [_tensor(found[name], f"evaluate's {name!r}") for name in names], [], names


HELD = {"family": HeldFamily, "prior": HeldPrior, "likelihood": HeldLikelihood, "objective": HeldObjective}


# ------------------------------------------------------------------------------------------------------------- classes


class HeldClass(Held):
    """Makes components of a class."""

    def __init__(self, cls: Type[components.Component]):
        self.cls, self.label = cls, cls.__name__

    def call(self, function, tensors, numbers, text):
        build = self._build(json.loads(text), tensors)
        component = self._made(build).to(device=build.device, dtype=build.dtype)
        held = HELD[self.cls.kind](component)
        state = [(name, tensor, True) for name, tensor in component.named_parameters()]
        state += [(name, tensor, False) for name, tensor in component.named_buffers()]
        names = json.dumps([[name, is_parameter] for name, _, is_parameter in state])
        return [tensor for _, tensor, _ in state], [hold(held)], [*_abilities(component, held.abilities), names]

    @staticmethod
    def _build(facts: Dict[str, Any], schedules) -> components.Build:
        values, finals = {}, {}
        for name, value in facts["settings"].items():
            if isinstance(value, dict):
                values[name], finals[name] = schedules[value["schedule"]], value["final"]
            else:
                values[name] = value
        dtype = torch.float64 if facts["double"] else torch.float32
        return components.Build(facts["data"], facts["latent"], facts["condition"], dtype, torch.device(facts["device"]), _rng(),
                                values, finals)

    def _made(self, build: components.Build) -> components.Component:
        """Builds one with initial weights that follow the run's seed, and leaves the global generator as it was."""
        seed = torch.randint(2**62, (), generator=build.rng, device=build.rng.device).item()
        before = torch.get_rng_state()
        try:
            torch.default_generator.manual_seed(seed)
            return self.cls(build)
        finally:
            torch.set_rng_state(before)


def id_of(cls: type) -> str:
    """MyFamily -> my-family."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def plugin_of(cls: type) -> str:
    """The name under which a config says that a component is this class."""
    return f"python.{cls.__name__}"


def _setting(name: str, given: Any) -> Dict[str, Any]:
    setting = given if isinstance(given, components.Setting) else components.Setting(given)
    default = setting.default
    types = {bool: "flag", int: "integer", float: "number", str: "text", list: "numbers", tuple: "numbers"}
    if type(default) not in types:
        raise TypeError(f"the setting {name!r} is {default!r}; expected a float, an int, a bool, a str or a list of numbers.")
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(f"the setting {name!r} needs a name of lower-case letters, digits and underscores.")
    if setting.schedule and type(default) is not float:
        raise TypeError(f"the setting {name!r} has a schedule, and only numbers do; write its default as a float.")
    low = setting.at_least if setting.above is None else setting.above
    return {"name": name, "type": types[type(default)], "default": default, "doc": setting.doc or f"The setting {name} of the class.",
            "unit": setting.unit, "low": low, "above": setting.above is not None, "high": setting.at_most,
            "choices": list(setting.one_of), "schedulable": setting.schedule}


def _version(cls: type) -> str:
    """Changes with the class's source, so that the engine can tell when a run was trained with another one."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return "0"
    return "0+" + hashlib.sha256(source.encode()).hexdigest()[:12]


def describe(cls: Any) -> int:
    """The engine's number of a class, which it is told of at the first time. Raises TypeError for what is no component."""
    if not (isinstance(cls, type) and issubclass(cls, components.Component) and cls.kind in HELD):
        name = cls.__name__ if isinstance(cls, type) else repr(cls)
        raise TypeError(f"{name} is no component: expected a class that derives from variform.Family, Prior, Likelihood or Objective.")
    if cls not in _described:
        required = {"family": ("parameter_count", "posterior"), "prior": ("log_prob", "sample"),
                    "likelihood": ("outputs", "domain", "nll", "mean", "sample"), "objective": ("evaluate",)}[cls.kind]
        missing = [name for name in required if not hasattr(cls, name)]
        if missing:
            raise TypeError(f"{cls.__name__} has no {', '.join(missing)}, which a {cls.kind} needs; help(variform.{cls.kind.capitalize()}).")
        connect()
        summary = (inspect.getdoc(cls) or "").partition("\n")[0] if "__doc__" in vars(cls) and cls.__doc__ else ""
        _described[cls] = torch.ops.variform.component_class(json.dumps({
            "kind": cls.kind, "id": id_of(cls), "plugin": plugin_of(cls), "version": _version(cls),
            "summary": summary or f"A {cls.kind} written in Python.", "source": f"Python: {cls.__module__}.{cls.__qualname__}",
            "object": hold(HeldClass(cls)), "settings": [_setting(*item) for item in cls.settings.items()]}))
    return _described[cls]
