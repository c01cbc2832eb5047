"""A trained model as a torch.nn.Module, and its posteriors."""

import json
import os
import pathlib
import tempfile
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Type, Union

import torch
from torch import Tensor

from . import _bridge, _html, _library, _program
from ._components import Component

Condition = Union[None, Tensor, int, str, Sequence[int]]

SLOTS = ("encoder", "decoder", "family", "prior", "likelihood", "objective")


def _require_tensor(name: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} is a {type(value).__name__}; expected a torch.Tensor.")
    return value


class Part(torch.nn.Module):
    """A component of a run, or a layer of one: it holds the engine's tensors under the engine's names."""

    def __init__(self, label: str = ""):
        super().__init__()
        self._label = label

    def extra_repr(self) -> str:
        return self._label

    def forward(self, *_):
        raise NotImplementedError("this part only holds tensors; call the run's functions: posterior, decode, nll …")


class Posterior:
    """q(z|x) for the B rows of a batch, as ``Run.posterior`` returns it.

    Everything is differentiable in x and in the run's parameters; densities, entropies and divergences are in nats.
    It keeps computing with the run's parameters as they were when it was made.
    """

    def __init__(self, core, run: "Run"):
        self._core, self._run = core, run

    def _call(self, name: str, *arguments):
        try:
            return _bridge.caused(getattr(self._core, name), *arguments)
        finally:
            _library.tell()

    @property
    def location(self) -> Tensor:
        """The mean where q has one, else a centre: [B, d]."""
        return self._call("location")

    @property
    def mean(self) -> Tensor:
        """The mean, [B, d]. Raises NotImplementedError for a family that does not know it."""
        return self._call("mean")

    @property
    def covariance(self) -> Tensor:
        """Σ, [B, d, d]. Raises NotImplementedError for a family that does not know it."""
        return self._call("covariance")

    @property
    def variance(self) -> Tensor:
        """The diagonal of Σ, [B, d]."""
        return self._call("variance")

    def rsample(self, n: Optional[int] = None, *, seed: Optional[int] = None) -> Tensor:
        """Draws by reparameterisation: [n, B, d], or [B, d] without n.

        seed: the same draws each time, whatever was drawn before; without one the run's own stream goes on. PyTorch's
        global generator is never used.
        """
        return self._call("rsample", n, seed)

    def sample(self, n: Optional[int] = None, *, seed: Optional[int] = None) -> Tensor:
        """The same without gradients."""
        with torch.no_grad():
            return self.rsample(n, seed=seed)

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x) in nats, z [..., B, d] (or [..., 1, d], one code for all rows, or [d]) -> [..., B].

        A family without a density at any z (some flows) gives it for what the last ``rsample`` returned.
        """
        return self._call("log_prob", _require_tensor("z", z))

    def entropy(self) -> Tensor:
        """The entropy of q in nats, [B]. Raises NotImplementedError where it has no closed form."""
        return self._call("entropy")

    @property
    def has_closed_kl(self) -> bool:
        """Whether ``kl`` is a closed form for this family and prior."""
        return self._call("has_closed_kl")

    def kl(self, *, draws: int = 1, seed: Optional[int] = None) -> Tensor:
        """KL(q(z|x) ‖ p(z)) in nats, [B]: in closed form, else the mean over so many draws of log q − log p."""
        return self._call("kl", draws, seed)

    def __repr__(self) -> str:
        return f"Posterior({self._run.facts['components']['family']}, latents {self._run.latent})"


class Run(torch.nn.Module):
    """A trained model. Made by ``variform.load`` and ``variform.train``.

    Its parameters and buffers are the engine's own tensors: an optimizer's step on ``run.parameters()`` changes the
    model. Functions take and return tensors in ``run.dtype`` on ``run.device``, and are differentiable in x, z and the
    parameters. B stands for the rows of a batch, d for the latents, data… for the shape of one example, n for the numbers
    that the likelihood has for each value (1 for a Bernoulli).

    What is known of the rows beside x is given by keywords, where the model uses it:

    - ``condition``: [B, c] in the model's own scale, as ``run.batch`` gives it; or classes (int64 [B], or a list), or one
      class or a text as ``--condition`` takes it ("3", "sneaker", "0.5,1"), which then holds for all rows;
    - ``labels``: int64 [B], the classes; they are the condition, too, where the model is conditioned on them;
    - ``mask``: bool [B, data…], true where a value was observed;
    - ``index``: int64 [B], row numbers in the data set.

    Unlike a network's, ``to()`` makes new parameter tensors: call it before the optimizer is made.
    """

    facts: Dict[str, Any]  #: what is known of the run: shapes, components, data set, config, paths

    def __init__(self, core, source: Optional[pathlib.Path] = None):
        super().__init__()
        self._source = source
        self.last_report: Optional[Dict[str, Any]] = None  #: of the last ``evaluate``; None before it
        self._adopt(core)
        super().train(False)

    # ------------------------------------------------------------------------------------------------- tensors

    def _adopt(self, core) -> None:
        """Takes an engine's model for this one, with its tensors as parameters and buffers."""
        self._core = core
        self.facts = json.loads(core.facts())
        self._modules.clear()
        for slot in SLOTS:  # straight into the tables: some names are those of functions, too
            self._modules[slot] = Part(self.facts["components"].get(slot, ""))
        for path, tensor in core.tensors().items():
            _, slot, kind, name = path.split("/", 3)
            *way, last = name.split(".")
            part = self._modules[slot]
            for step in way:
                part = part._modules.setdefault(step, Part())
            if kind == "parameters":
                tensor._is_param = True  # torch.nn.Parameter(tensor) would be another tensor
                part._parameters[last] = tensor
            else:
                part._buffers[last] = tensor

    def _apply(self, fn, recurse: bool = True):
        """``to``, ``double``, ``cuda`` … come through here: another engine's model with the same values."""
        before = torch.empty(0, dtype=self.dtype, device=self.device)
        after = fn(before)
        if (after.dtype, after.device) == (before.dtype, before.device):
            return super()._apply(fn, recurse)
        training = self.training
        self._adopt(self._call("like", after))
        return self.train(training)

    def train(self, mode: bool = True):
        """Sets training mode, in which a batch normalisation uses the batch's statistics. Frozen slots stay as they are."""
        super().train(mode)
        self._call("set_training", mode)
        return self

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False):
        """Copies values into the model, as for any module; ``assign`` is refused, since the tensors are the engine's."""
        if assign:
            raise ValueError("assign=True would replace the engine's own tensors; leave it out to copy the values.")
        return super().load_state_dict(state_dict, strict=strict)

    def __deepcopy__(self, memo):
        copy = Run(self._call("like", torch.empty(0, dtype=self.dtype, device=self.device)), self._source)
        return copy.train(self.training)

    def __getstate__(self):
        raise TypeError("a run cannot be pickled; save it by run.save(path) and load it by variform.load(path).")

    @property
    def dtype(self) -> torch.dtype:
        """float32 or float64."""
        return next(self._tensors(), torch.empty(0)).dtype

    @property
    def device(self) -> torch.device:
        return next(self._tensors(), torch.empty(0)).device

    def _tensors(self) -> Iterable[Tensor]:
        yield from self.parameters()
        yield from (buffer for buffer in self.buffers() if buffer.is_floating_point())

    # --------------------------------------------------------------------------------------------------- facts

    @property
    def latent(self) -> int:
        """d, the number of latents."""
        return self.facts["latent"]

    @property
    def shape(self) -> torch.Size:
        """The shape of one example, data…"""
        return torch.Size(self.facts["shape"])

    @property
    def step(self) -> int:
        """The training step at which the model was saved."""
        return self.facts["step"]

    @property
    def config(self) -> str:
        """The resolved config, TOML."""
        return self.facts["config"]

    @property
    def path(self) -> pathlib.Path:
        """The run's folder, or the folder of the checkpoint file."""
        return pathlib.Path(self.facts["folder"])

    # --------------------------------------------------------------------------------------------- calls below

    def _call(self, name: str, *arguments):
        try:
            return _bridge.caused(getattr(self._core, name), *arguments)
        finally:
            _library.tell()

    def _known(self, rows: int, condition: Condition = None, labels=None, mask=None, index=None) -> List[Optional[Tensor]]:
        if condition is None and labels is not None and self.facts["condition"] and self.facts["condition_on"] == "labels":
            condition = labels
        return [labels, self._condition(condition, rows), mask, index]

    def _condition(self, condition: Condition, rows: int) -> Optional[Tensor]:
        if condition is None or isinstance(condition, Tensor) and condition.is_floating_point():
            return condition
        if isinstance(condition, Tensor):
            condition = condition.flatten().tolist()
        text = condition if isinstance(condition, str) else ",".join(map(str, [condition] if isinstance(condition, int) else condition))
        try:
            found = self._call("condition", text)
        except ValueError as error:
            raise ValueError(str(error).replace("--condition", "condition")) from None
        if len(found) not in (1, rows):
            raise ValueError(f"{len(found)} conditions were given for {rows} rows; expected one, or as many as rows.")
        return found.expand(rows, -1)

    # ----------------------------------------------------------------------------------------------- the model

    def posterior(self, x: Tensor, *, condition: Condition = None, labels: Optional[Tensor] = None,
                  mask: Optional[Tensor] = None, index: Optional[Tensor] = None) -> Posterior:
        """q(z|x), x [B, data…]."""
        _require_tensor("x", x)
        return Posterior(self._call("posterior", x, self._known(_rows(x), condition, labels, mask, index)), self)

    def decode(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """The likelihood's natural parameters g(z), z [..., B, d] or [d] -> [..., B, n, data…] (means, logits, log rates …)."""
        _require_tensor("z", z)
        return self._call("decode", z, self._known(_rows_of_latents(z), condition))

    def data_mean(self, g: Tensor) -> Tensor:
        """E[x|g] for what ``decode`` returns, [..., B, n, data…] -> [..., B, data…]."""
        return self._call("data_mean", _require_tensor("g", g))

    def sample_data(self, g: Tensor, *, seed: Optional[int] = None) -> Tensor:
        """One draw of x for each g, [..., B, data…], without gradients."""
        return self._call("sample_data", _require_tensor("g", g), seed)

    def nll(self, x: Tensor, z: Tensor, *, condition: Condition = None, labels: Optional[Tensor] = None,
            mask: Optional[Tensor] = None) -> Tensor:
        """−log p(x|z) in nats, all constants kept: x [B, data…], z [..., B, d] -> [..., B]."""
        _require_tensor("x", x)
        return self._call("nll", x, _require_tensor("z", z), self._known(_rows(x), condition, labels, mask))

    def log_prior(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """log p(z) in nats, z [..., B, d] or [d] -> [..., B] or []."""
        _require_tensor("z", z)
        return self._call("log_prior", z, self._known(_rows_of_latents(z), condition))

    def sample_prior(self, n: int, *, seed: Optional[int] = None, condition: Condition = None) -> Tensor:
        """n latents from the prior, [n, d], without gradients."""
        return self._call("sample_prior", n, seed, self._known(n, condition))

    def sample(self, n: int, *, seed: Optional[int] = None, condition: Condition = None, noise: bool = False) -> Tensor:
        """n examples from the model, [n, data…], in the scale of the data set, without gradients.

        E[x|z] of draws z of the prior; with ``noise`` draws of x. seed: the same each time.
        """
        with torch.no_grad():
            g = self.decode(self.sample_prior(n, seed=seed, condition=condition), condition=condition)
            x = self.sample_data(g, seed=seed) if noise else self.data_mean(g)
            return self._call("unscaled", x).to(self.device)

    def reconstruct(self, x: Tensor, **known) -> Tensor:
        """E[x|z] at the centre of q(z|x), [B, data…], in the model's scale. Keywords: see the class."""
        q = self.posterior(x, **known)
        condition = known.get("condition")
        return self.data_mean(self.decode(q.location, condition=known.get("labels") if condition is None and self.facts["condition"] else condition))

    def objective(self, x: Tensor, *, step: Optional[int] = None, condition: Condition = None,
                  labels: Optional[Tensor] = None, mask: Optional[Tensor] = None, index: Optional[Tensor] = None) -> Tensor:
        """The loss that the run was trained with, the mean over the rows in nats: a tensor [] for ``backward()``.

        step: sets schedules and random numbers to those of that training step, so that the same call gives the same value
        again. Without it schedules stay where they are and the run's own stream of random numbers goes on.
        """
        return self.terms(x, step=step, condition=condition, labels=labels, mask=mask, index=index)["loss"].mean()

    def terms(self, x: Tensor, *, step: Optional[int] = None, condition: Condition = None,
              labels: Optional[Tensor] = None, mask: Optional[Tensor] = None, index: Optional[Tensor] = None) -> Dict[str, Tensor]:
        """The same in parts: {"loss": …, "nll": …, "kl": …}, each [B], or [] where it does not split over rows."""
        _require_tensor("x", x)
        return dict(self._call("terms", x, step, self._known(_rows(x), condition, labels, mask, index)))

    def jacobian(self, z: Tensor, *, condition: Condition = None) -> Tensor:
        """∂g/∂z, z [B, d] -> [B, n, data…, d], by the decoder's own pushforward; differentiable.

        LibTorch's gradients *through* a Jacobian are wrong for some fused layers of others' decoders; ``variform check``
        finds them.
        """
        _require_tensor("z", z)
        return self._call("jacobian", z, self._known(_rows_of_latents(z), condition))

    def hessian(self, x: Tensor, z: Tensor, *, curvature: str = "hessian", condition: Condition = None,
                labels: Optional[Tensor] = None, mask: Optional[Tensor] = None) -> Tensor:
        """H = JᵀH_ℓJ, x [B, data…], z [B, d] -> [B, d, d] in float64: the second derivative of −log p(x|z) in z but for the
        decoder's own curvature (theory §3), all of it for a piecewise linear decoder.

        curvature: of the likelihood, "hessian" or "fisher".
        """
        _require_tensor("x", x)
        return self._call("hessian", x, _require_tensor("z", z), curvature, self._known(_rows(x), condition, labels, mask))

    def manual_seed(self, seed: int) -> "Run":
        """Starts the run's stream of random numbers again, from which calls without a seed draw."""
        self._call("seed", seed)
        return self

    def forward(self, x: Tensor, **known) -> Tensor:
        """``objective``, so that the module can be called."""
        return self.objective(x, **known)

    # ---------------------------------------------------------------------------------------------- data, files

    def split_size(self, split: str = "test") -> int:
        """The number of rows of a split of the run's data, which are read when they are first asked for."""
        return self._call("size", split)

    def batch(self, split: str = "test", first: int = 0, count: Optional[int] = None) -> Dict[str, Tensor]:
        """Rows of the run's own data: {"x": [B, data…], "labels": …, "condition": …, "mask": …, "index": …}, those that
        there are, in the model's scale: ``run.posterior(**run.batch("test", 0, 64))``."""
        count = self.split_size(split) - first if count is None else count
        return dict(self._call("rows", split, first, count))

    def save(self, path: Union[str, os.PathLike], *, step: Optional[int] = None) -> pathlib.Path:
        """Writes a checkpoint of the model as it is now, which the program and ``variform.load`` open.

        It holds the model alone: no training can be resumed from it. step: the number of steps that it says; by default
        those that the run was trained for.
        """
        self._call("save", os.fspath(path), self.step if step is None else step)
        return pathlib.Path(path)

    def evaluate(self, split: str = "test", *, table: Optional[bool] = None, progress: bool = False, **options):
        """Evaluates the model as it is now by the program, in a process of its own: ``variform evaluate``. A model with
        components in Python is evaluated by the same metrics in this process, without those of images' features.

        Options are the program's: ``limit=1000``, ``samples=10``, ``importance_samples=0``, ``only="NAME"`` …
        Returns a pandas.DataFrame where pandas is installed, one row per value (mean, standard error, unit, what it is; the whole
        report is in its ``attrs["report"]``), else the report, a dict. ``table=False``: the dict in any case.
        """
        if self.facts["classes"]:
            report = json.loads(self._call("evaluate", split, json.dumps(options)))
            return _program.as_table(report) if table is not False else report
        with tempfile.TemporaryDirectory(prefix="variform-") as folder:
            file = self.save(pathlib.Path(folder) / "model.h5")
            report = _program.report(["evaluate", file, "--json", "--split", split, *_program.options_of(options),
                                      *_program.repeated("--plugin", self.facts["plugins"])], progress)
        self.last_report = report
        return _program.as_table(report) if table is not False else report

    # --------------------------------------------------------------------------------------------------- texts

    def __repr__(self) -> str:
        facts = self.facts
        lines = [f"Run {facts['name']} at step {facts['step']}: data {list(self.shape)} of {facts['dataset'] or 'a model'}, "
                 f"{facts['latent']} latents, {str(self.dtype).replace('torch.', '')} on {self.device}"]
        return "\n".join(lines + [f"  {slot}: {facts['components'][slot]}" for slot in SLOTS if slot in facts["components"]])

    def _repr_html_(self) -> str:
        return _html.of_run(self)


def _rows(x: Tensor) -> int:
    return x.shape[0] if x.dim() else 0


def _rows_of_latents(z: Tensor) -> int:
    return z.shape[-2] if z.dim() > 1 else 1


def load(path: Union[str, os.PathLike], *, checkpoint: str = "last", device: Union[str, torch.device] = "cpu",
         dtype: Optional[torch.dtype] = None, plugins: Sequence[Union[str, os.PathLike]] = (),
         data: Sequence[Union[str, os.PathLike]] = (), components: Sequence[Type[Component]] = ()) -> Run:
    """Opens a trained model, in evaluation mode.

    path: a run's folder or a checkpoint file (``run.save``, ``checkpoints/best.h5``).
    checkpoint: of a folder, "last" or "best".
    device, dtype: where and in what it computes; by default on the CPU as it was trained, float32 or float64.
    plugins: files or folders of plugins beside those that the program finds. Those that the run's config names are
    found, unless they lie in the run's own folder, which somebody may have sent.
    components: the Python classes that the model was trained with (``variform.train_python``).
    data: folders of data sets beside VARIFORM_DATA. The data themselves are read only when ``batch`` asks for them.

    Raises RuntimeError when there is no such run or it is damaged, and ValueError where its config does not fit the plugins.
    """
    if dtype not in (None, torch.float32, torch.float64):
        raise ValueError(f"dtype is {dtype}; expected torch.float32 or torch.float64.")
    overrides = [f'train.device="{device}"']
    if dtype is not None:
        overrides.append('train.precision="' + str(dtype).replace("torch.", "") + '"')
    core = _library.load_library().Run
    classes = [_bridge.describe(cls) for cls in components]
    try:
        made = _bridge.caused(core, os.fspath(path), checkpoint, overrides, _library.surroundings(plugins, data, classes))
    finally:
        _library.tell(3)
    return Run(made, pathlib.Path(path))
