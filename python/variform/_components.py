"""Base classes for components written in Python, to try ideas out: families, priors, likelihoods, objectives.

A class derives from Family, Prior, Likelihood or Objective and has the functions that its base class lists. To the engine it
is then a component like any other: ``variform.check(MyFamily)`` tests it, ``variform.train_python`` trains a model with it,
and ``variform.load(run, components=[MyFamily])`` opens that model again.

What holds for all of them, as in the SDK:

- A component is a torch.nn.Module, and its parameters are trained with the model's. Values are in ``self.build.dtype`` on
  ``self.build.device``; the engine moves parameters there after ``__init__``.
- Everything is in nats and differentiable in what it was made from. B stands for the rows of a batch, d for the latents, K
  for draws, data… for the shape of one example, n for the numbers that the likelihood has for each value.
- Random numbers come from the ``rng`` that a function is given: ``torch.randn(…, generator=rng)``. The engine restores the
  global generator after ``__init__``, so that initial weights follow the run's seed.
- Functions that are not listed as needed are optional; a component that has one can do more (closed KL, H, metrics).
- For what it cannot do a function raises NotImplementedError. Other exceptions stop the work, and the engine's sentence has
  their last line and the function's name.
"""

import dataclasses
from typing import Any, ClassVar, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor


class Known(NamedTuple):
    """What is known of a batch's rows beside x; None where the data do not have it."""

    labels: Optional[Tensor] = None     #: [B] int64, the classes
    condition: Optional[Tensor] = None  #: [B, c], what the model is conditioned on
    mask: Optional[Tensor] = None       #: [B, data…] bool, true where a value was observed; x is 0 elsewhere
    index: Optional[Tensor] = None      #: [B] int64, row numbers in the data set


class Batch(NamedTuple):
    """One batch of data, for objectives."""

    x: Tensor          #: [B, data…]
    known: Known
    dataset_size: int  #: rows of the training set


@dataclasses.dataclass(frozen=True)
class Setting:
    """One parameter of a component, as configs give it: ``settings = {"df": Setting(5.0, above=0, doc="Degrees of freedom.")}``.

    default: a float, an int, a bool, a str or a list of floats, which is its type, too.
    unit, doc: for people. at_least, above, at_most: bounds of numbers. one_of: the texts that are allowed.
    schedule: the config may give a schedule; ``build[name]`` is then a tensor [] in float64 that follows it, and
    ``build.final(name)`` its last value.
    """

    default: Any
    doc: str = ""
    unit: str = ""
    at_least: Optional[float] = None
    above: Optional[float] = None
    at_most: Optional[float] = None
    one_of: Sequence[str] = ()
    schedule: bool = False


class Build:
    """What a component is built with. ``build["df"]`` is the value of a setting."""

    def __init__(self, data: Sequence[int], latent: int, condition: int, dtype: torch.dtype, device: torch.device,
                 rng: torch.Generator, values: Mapping[str, Any], finals: Mapping[str, float]):
        self.data = torch.Size(data)  #: the shape of one example
        self.latent = latent          #: d
        self.condition = condition    #: numbers per row of Known.condition; 0: the model is not conditioned
        self.dtype = dtype            #: float32 or float64
        self.device = device
        self.rng = rng                #: seeded from the run's seed and the slot
        self._values, self._finals = dict(values), dict(finals)

    def __getitem__(self, name: str) -> Any:
        """A setting's value. Raises KeyError for a name that the class's ``settings`` do not have."""
        try:
            return self._values[name]
        except KeyError:
            raise KeyError(f"there is no setting {name!r}; the class has {', '.join(self._values) or 'none'}") from None

    def final(self, name: str) -> float:
        """The value that a setting with a schedule has at the end of the training."""
        return self._finals[name]


class Component(torch.nn.Module):
    """The base of all. Derive from Family, Prior, Likelihood or Objective instead.

    A class that needs no state has no ``__init__``; one that does takes ``build`` and hands it on: ``super().__init__(build)``.
    """

    kind: ClassVar[str] = ""                  #: set by the four classes
    settings: ClassVar[Dict[str, Any]] = {}   #: {"df": 5.0} or {"df": Setting(5.0, …)}: its parameters in configs
    build: Build                              #: sizes, dtype, device, settings

    def __init__(self, build: Build):
        super().__init__()
        self.build = build


class Family(Component):
    """Makes posteriors q(z|x) from the encoder's output.

    Needed:
      parameter_count(d) -> int: numbers per row that the encoder outputs, the same each time.
      posterior(parameters [B, parameter_count(d)], x [B, data…], known) -> an object with the functions of a posterior.
    Optional: support() -> (low, high): where its draws lie; finite_moments() -> int: the highest finite moment of its draws.

    A posterior is any object with
      location: [B, d], the mean where there is one, else a centre; a tensor, or a function that returns it.
      rsample(n, rng) -> z [n, B, d]: reparameterised draws, differentiable at fixed noise. It may return (z, state).
      log_prob(z [..., B or 1, d]) -> [..., B]. A function with a second argument gets the state of its own draw, else None.
    Optional, each of which opens more of the engine:
      entropy() -> [B]: with it and the prior's cross-entropy, KL is closed.
      covariance() -> [B, d, d], or the standard deviations [B, d] of independent latents; None where it is infinite. With
        it location is the mean.
      log_marginals(z) -> [..., B, d] of independent latents, whose sum is log_prob; a second argument as above.
    """

    kind = "family"


class Prior(Component):
    """p(z), or p(z|u) when it uses ``known.condition``.

    Needed:
      log_prob(z [..., B, d] or [d], known) -> [..., B] or [].
      sample(n, rng, known) -> [n, d]; need not be differentiable.
    Optional:
      cross_entropy(q, known) -> −E_q log p [B], or None for this q. q has location(), variance(), covariance(), entropy(),
        log_prob(z), and has("covariance") which says whether it knows it.
      gaussian(known) -> (mean [B or 1, d], covariance [B or 1, d, d] or standard deviations [B or 1, d]), or None.
      moments_needed() -> int: the highest moment of q that must be finite; support() -> (low, high).
    """

    kind = "prior"


class Likelihood(Component):
    """−log p(x|g) on the decoder's natural output g [..., B, n, data…] (logits, mean …; never squashed).

    Needed (the first two may be attributes):
      outputs: int, n. domain: "real", "unit interval", "binary", "count" or "categorical".
      nll(x [B, data…], g [..., B, n, data…], known) -> [..., B], summed over data values, constants kept.
      mean(g) -> E[x|g] [..., B, data…].
      sample(g, rng) -> one draw of x for each g [..., B, data…]; need not be differentiable.
    Optional:
      curvature_form(x, g [B, n, data…], t [T, B, n, data…] float64, which, known) -> tᵀH_ℓt [B, T, T]; which is "hessian" or
        "fisher". Needed by GRAE, L_Taylor, and the metrics of geometry and covariance.
      isotropic_curvature() -> c [] when ∂²ℓ/∂g² is c times the identity. noise_variance() -> σ² [] such that β_eff = βσ².
      admits_missing() -> bool: whether nll honours known.mask.
    """

    kind = "likelihood"


class Objective(Component):
    """The scalar that is trained.

    Needed:
      evaluate(model, batch) -> {"loss": [B] or [], "nll": …, "kl": …}: the loss, and parts for the log, in nats.
    Optional: beta() -> [] float64, the weight of KL now, and with it final_beta() -> float; uses_tangents() -> bool: whether it
    differentiates the decoder's pushforward.

    ``model`` is a variform.Model, ``batch`` a variform.Batch.
    """

    kind = "objective"


class Posterior:
    """q(z|x) of a batch, as an objective gets it from ``model.posterior`` and a prior as an argument."""

    def __init__(self, core):
        self._core = core

    def location(self) -> Tensor:
        """The mean where there is one, else a centre: [B, d]."""
        return self._core.location()

    def variance(self) -> Tensor:
        """The diagonal of Σ, [B or 1, d]. Raises NotImplementedError for a family that does not know it."""
        return self._core.variance()

    def covariance(self) -> Tensor:
        """Σ [B or 1, d, d]. Raises NotImplementedError for a family that does not know it."""
        return self._core.covariance()

    def entropy(self) -> Tensor:
        """[B] in nats. Raises NotImplementedError where it has no closed form."""
        return self._core.entropy()

    def has(self, what: str) -> bool:
        """Whether q knows its "entropy", its "covariance" or its "log_marginals"."""
        return self._core.has(what)

    def log_prob(self, z: Tensor) -> Tensor:
        """z [..., B or 1, d] -> [..., B] in nats."""
        return self._core.log_prob(z)

    def log_marginals(self, z: Tensor) -> Tensor:
        """z [..., B or 1, d] -> [..., B, d] in nats. Raises NotImplementedError for dependent latents."""
        return self._core.log_marginals(z)

    def rsample(self, n: int = 1) -> Tensor:
        """n reparameterised draws [n, B, d] from the model's own stream. For objectives."""
        return self._core.rsample(n)

    def kl(self, z: Tensor) -> Tensor:
        """KL to the prior [B] in nats: closed where it can be, else the mean over the draws z. For objectives."""
        return self._core.kl(z)

    @property
    def has_closed_kl(self) -> bool:
        return self._core.has_closed_kl()


class Model:
    """The model around an objective, for the time of one ``evaluate``. Every call between components goes through it, checked."""

    def __init__(self, core):
        self._core = core

    def posterior(self, x: Tensor, known: Known) -> Posterior:
        """q(z|x), x [B, data…]."""
        return Posterior(self._core.posterior(x, list(known)))

    def decode(self, z: Tensor, known: Known) -> Tensor:
        """g(z), z [..., B, d] -> [..., B, n, data…]."""
        return self._core.decode(z, list(known))

    def nll(self, x: Tensor, g: Tensor, known: Known) -> Tensor:
        """−log p(x|g) in nats, x [B, data…], g [..., B, n, data…] -> [..., B]."""
        return self._core.nll(x, g, list(known))

    def log_prior(self, z: Tensor, known: Known) -> Tensor:
        """log p(z) in nats, z [..., B, d] -> [..., B]."""
        return self._core.log_prior(z, list(known))

    def sample_prior(self, n: int, known: Known = Known()) -> Tensor:
        """n latents from the prior, [n, d]."""
        return self._core.sample_prior(n, list(known))

    def data_mean(self, g: Tensor) -> Tensor:
        """E[x|g], [..., B, n, data…] -> [..., B, data…]."""
        return self._core.data_mean(g)

    def jacobian(self, z: Tensor, known: Known) -> Tensor:
        """∂g/∂z, z [B, d] -> [B, n, data…, d]."""
        return self._core.jacobian(z, list(known))

    def latent_hessian(self, x: Tensor, z: Tensor, known: Known) -> Tensor:
        """H = JᵀH_ℓJ (theory §3), x [B, data…], z [B, d] -> [B, d, d] float64."""
        return self._core.latent_hessian(x, z, list(known))

    @property
    def rng(self) -> torch.Generator:
        """The only source of random numbers inside a step."""
        return self._core.rng()

    @property
    def latent(self) -> int:
        """d."""
        return self._core.latent()

    @property
    def step(self) -> int:
        """The training step; −1 outside a training."""
        return self._core.step()
