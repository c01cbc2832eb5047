"""The mathematics of Variform a second time, in PyTorch, so that the program can be held against something that shares
no code with it. Models are rebuilt from a checkpoint alone: its tensors (h5py) and its `config` attribute (tomllib).

Everything here is computed in float64, also for a float32 checkpoint: a comparison then shows the program's rounding.
Jacobians are torch.func.jacfwd's, densities and KL divergences torch.distributions', gradients reverse-mode automatic
differentiation over them. Section numbers (§) are those of the theory.

Shapes: B data, K draws, d latents, P = product of the data's shape.
"""

import functools
import gzip
import json
import math
import os
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

import h5py
import numpy
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

# ------------------------------------------------------------------------------------------------------- files


def read_tensors(path):
    """All tensors of a checkpoint or dump, {path in the file: tensor}, and its attributes."""
    tensors = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            tensors[name] = torch.from_numpy(numpy.asarray(item[()]))

    with h5py.File(path) as file:
        file.visititems(visit)
        return tensors, dict(file.attrs)


@functools.cache
def fashion_mnist():
    """The test images [10000, 1, 28, 28] in [0, 1], float64, read without any code of the program; None where they are
    not. BASE trains on them too."""
    name = "t10k-images-idx3-ubyte"
    roots = [folder for folder in os.environ.get("VARIFORM_DATA", "").split(":") if folder] + ["/usr/share/datasets"]
    for root in roots:
        for folder in ("fashion-mnist", "FashionMNIST/raw"):
            for file, opener in ((name, open), (name + ".gz", gzip.open)):
                path = Path(root) / folder / file
                if path.is_file():
                    with opener(path, "rb") as opened:
                        pixels = numpy.frombuffer(opened.read(), numpy.uint8, offset=16)
                    return torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy()).double() / 255
    return None


# --------------------------------------------------------- random numbers, derived as variform/random.h documents it

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(x):
    x = (x + GOLDEN) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def hash_part(part):
    if isinstance(part, int):
        return mix(part)
    h = 0xCBF29CE484222325
    for byte in part.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return mix(h)


def derived(seed, *parts):
    h = mix(seed)
    for part in parts:
        h = mix(h ^ ((hash_part(part) + GOLDEN + (h << 6) + (h >> 2)) & MASK))
    return h


def stream(seed, *parts):
    """The generator of the stream that (seed, parts…) names."""
    return torch.Generator().manual_seed(derived(seed, *parts))


def permutation(size, state):
    order = list(range(size))
    for i in range(size, 1, -1):
        while True:
            product = mix(state) * i
            state = (state + GOLDEN) & MASK
            if (product & MASK) >= (1 << 64) % i:
                break
        order[i - 1], order[product >> 64] = order[product >> 64], order[i - 1]
    return order


def batch_rows(seed, size, batch, step):
    """Rows of a step's batch, cut from the endless concatenation of the epochs' permutations."""
    rows = range(step * batch, (step + 1) * batch)
    epochs = {row // size: None for row in rows}
    orders = {epoch: permutation(size, derived(seed, "epoch", epoch)) for epoch in epochs}
    return [orders[row // size][row % size] for row in rows]


# --------------------------------------------------------------------------------------------------- schedules


def scheduled(value, step, horizon):
    """A number of the config at a step: a constant, or a linear or cosine schedule."""
    if not isinstance(value, dict):
        return value
    elapsed = max(step - value.get("delay", 0), 0)
    u = min(elapsed / value.get("steps", horizon - value.get("delay", 0)), 1.0)
    if value["schedule"] == "cosine":
        u = (1 - math.cos(math.pi * u)) / 2
    else:
        assert value["schedule"] == "linear", value
    return value["from"] + u * (value["to"] - value["from"])


# ---------------------------------------------------------------------------------------------------- networks


class ComposedLayerNorm(torch.nn.Module):
    """torch.nn.LayerNorm of elementary operations: the gradient of a loss on the fused one's tangents is wrong."""

    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(width))
        self.bias = torch.nn.Parameter(torch.zeros(width))

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * self.weight + self.bias


ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "leaky-relu": torch.nn.LeakyReLU,
    "leaky-relu-0.2": lambda: torch.nn.LeakyReLU(0.2),
    "tanh": torch.nn.Tanh,
    "elu": torch.nn.ELU,
    "silu": torch.nn.SiLU,
    "gelu": torch.nn.GELU,
    "softplus": torch.nn.Softplus,
    "identity": torch.nn.Identity,
}
PIECEWISE_LINEAR = ("relu", "leaky-relu", "leaky-relu-0.2", "identity")


def block(spec, channels, image):
    """What stands between two linear maps: a normalisation, if any, and the activation."""
    normalisation = spec["normalisation"]
    layers = []
    if normalisation == "layer":
        layers.append(torch.nn.GroupNorm(1, channels) if image else ComposedLayerNorm(channels))
    elif normalisation == "group":
        layers.append(torch.nn.GroupNorm(spec["groups"], channels))
    return [*layers, ACTIVATIONS[spec["activation"]]()]


def linear_map(spec, layer):
    """The layer, or the same spectrally normalised, by PyTorch's own parametrization."""
    if spec["normalisation"] == "spectral":
        return torch.nn.utils.parametrizations.spectral_norm(layer)
    return layer


def power_iterations(network):
    """One of every spectral norm: PyTorch does one whenever a weight is read in training mode."""
    for module in network.modules():
        if torch.nn.utils.parametrize.is_parametrized(module, "weight"):
            module.train()
            module.weight  # noqa: B018
            module.eval()


def hidden_layers(spec, width):
    layers = []
    for next_width in spec["hidden"]:
        layers += [linear_map(spec, torch.nn.Linear(width, next_width)), *block(spec, next_width, image=False)]
        width = next_width
    return layers, width


def halvings(shape, count):
    """Sides of an image before, between and after `count` halvings."""
    sides = [tuple(shape[1:])]
    for _ in range(count):
        sides.append((sides[-1][0] // 2, sides[-1][1] // 2))
    return sides


def encoder_network(spec, shape, outputs):
    layers = []
    channels, sides = shape[0], tuple(shape[1:])
    if spec["type"] == "conv":
        for count in spec["channels"]:
            layers += [linear_map(spec, torch.nn.Conv2d(channels, count, 4, 2, 1)), *block(spec, count, image=True)]
            channels = count
        sides = halvings(shape, len(spec["channels"]))[-1]
    else:
        assert spec["type"] == "mlp", spec
    hidden, width = hidden_layers(spec, channels * math.prod(sides))
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), *hidden, linear_map(spec, torch.nn.Linear(width, outputs)))


def decoder_network(spec, shape, latent):
    assert spec["output"] == "none", spec
    layers, width = hidden_layers(spec, latent)
    if spec["type"] == "mlp":
        last = linear_map(spec, torch.nn.Linear(width, math.prod(shape)))
        return torch.nn.Sequential(*layers, last, torch.nn.Unflatten(1, shape))
    assert spec["type"] == "conv", spec
    channels = [*spec["channels"], shape[0]]
    sides = halvings(shape, len(spec["channels"]))[::-1]
    start = (channels[0], *sides[0])
    layers += [
        linear_map(spec, torch.nn.Linear(width, math.prod(start))),
        torch.nn.Unflatten(1, start),
        *block(spec, channels[0], image=True),
    ]
    for i in range(len(spec["channels"])):
        rounded = tuple(after - 2 * before for before, after in zip(sides[i], sides[i + 1]))
        up = torch.nn.ConvTranspose2d(channels[i], channels[i + 1], 4, 2, 1, output_padding=rounded)
        layers.append(linear_map(spec, up))
        if i + 2 < len(channels):
            layers += block(spec, channels[i + 1], image=True)
    return torch.nn.Sequential(*layers)


# --------------------------------------------------------------------------- optimal covariances and what they leave, §4


def block_sizes(structure, d, size=0):
    """Sizes of the covariance's blocks; None for the isotropic structure."""
    if structure == "isotropic":
        return None
    size = {"full": d, "diagonal": 1, "block": size}[structure]
    return [min(size, d - start) for start in range(0, d, size)]


def diagonal_blocks(matrix, sizes):
    start = 0
    for size in sizes:
        yield matrix[..., start : start + size, start : start + size]
        start += size


def optimal_covariance(sizes, hessian, beta, precision):
    """Σ* [B, d, d] inside the structure, for a Gaussian prior of the given precision Q."""
    a = precision + hessian / beta
    d = a.shape[-1]
    if sizes is None:
        trace = a.diagonal(dim1=-2, dim2=-1).sum(-1)
        return (d / trace)[:, None, None] * torch.eye(d)
    return torch.stack(
        [torch.block_diag(*(torch.linalg.inv(part) for part in diagonal_blocks(one, sizes))) for one in a]
    )


def penalty(sizes, hessian, beta, precision):
    """The left-over [B]: (β/2)(log det Λ + log det of (Q + H/β) within the structure)."""
    a = precision + hessian / beta
    d = a.shape[-1]
    if sizes is None:
        log_det = d * (a.diagonal(dim1=-2, dim2=-1).sum(-1) / d).log()
    else:
        log_det = sum(torch.linalg.slogdet(part)[1] for part in diagonal_blocks(a, sizes))
    return 0.5 * beta * (log_det - torch.linalg.slogdet(precision)[1])


# ------------------------------------------------------------------------------------------------------- model


class Model:
    """A model as its checkpoint has it. `parameters` holds every trained tensor by the name that the optimizer's state
    uses ("decoder/network.0.weight"), ready to be differentiated by."""

    def __init__(self, path):
        self.tensors, attributes = read_tensors(path)
        self.config = config = tomllib.loads(attributes["config"])
        self.shape = tuple(json.loads(attributes["data_shape"]))
        self.seed, self.d = config["seed"], config["model"]["latent"]
        self.step = int(self.tensors["progress/step"])
        self.horizon = config["train"]["steps"]
        self.dtype = {"float32": torch.float32, "float64": torch.float64}[config["train"]["precision"]]
        self.family, self.likelihood = config["model"]["family"], config["model"]["likelihood"]
        self.objective = config["objective"]
        outputs = {"diagonal": 2 * self.d, "full": self.d + self.d * (self.d + 1) // 2, "optimal": self.d}
        self.encoder = encoder_network(config["model"]["encoder"], self.shape, outputs[self.family["type"]])
        self.decoder = decoder_network(config["model"]["decoder"], self.shape, self.d)
        self.parameters = {}
        for slot, network in (("encoder", self.encoder), ("decoder", self.decoder)):
            own = self.stored(slot) | self.stored(slot, "buffers")
            network.load_state_dict(
                {name.removeprefix("network."): value for name, value in own.items()}, strict=True
            )
            network.eval()
            self.parameters |= {f"{slot}/network.{name}": value for name, value in network.named_parameters()}
        if self.likelihood.get("learned"):
            self.parameters["likelihood/log_variance"] = self.stored("likelihood")["log_variance"].requires_grad_()

    def stored(self, slot, kind="parameters"):
        place = f"model/{slot}/{kind}/"
        found = {name.removeprefix(place): value for name, value in self.tensors.items() if name.startswith(place)}
        for value in found.values():
            assert value.dtype == self.dtype, (slot, value.dtype, self.dtype)
        return {name: value.double() for name, value in found.items()}

    def beta(self, step=None):
        """At a step, or at the end of training."""
        return scheduled(self.objective["beta"], self.horizon if step is None else step, self.horizon)

    # ---- likelihood: ℓ, its second derivative, its variance (§2, §3)

    def variance(self):
        if "likelihood/log_variance" in self.parameters:
            return self.parameters["likelihood/log_variance"].exp()
        return torch.tensor(self.likelihood.get("variance", 1.0))

    def nll(self, x, g):
        """x [B, data…], g [..., B, data…] -> nats [..., B]."""
        if self.likelihood["type"] == "bernoulli":
            nats = torch.nn.functional.binary_cross_entropy_with_logits(g, x.expand_as(g), reduction="none")
        else:
            nats = -Normal(g, self.variance().sqrt()).log_prob(x)
        return nats.flatten(-len(self.shape)).sum(-1)

    def curvature(self, g):
        """∂²ℓ/∂g² of every value; the likelihoods here have no mixed derivatives."""
        if self.likelihood["type"] == "bernoulli":
            return torch.sigmoid(g) * torch.sigmoid(-g)
        return 1 / self.variance() * torch.ones_like(g)

    # ---- decoder

    def decode(self, z):
        """z [..., d] -> g [..., data…]."""
        return self.decoder(z.reshape(-1, self.d)).reshape(*z.shape[:-1], *self.shape)

    def jacobian(self, z):
        """z [B, d] -> J [B, P, d]."""
        return torch.func.vmap(torch.func.jacfwd(lambda one: self.decode(one).flatten()))(z)

    def hessian(self, z):
        """H = Jᵀ H_ℓ J [B, d, d] (§1): the Gauss–Newton part."""
        jacobian = self.jacobian(z)
        return jacobian.mT @ (self.curvature(self.decode(z)).flatten(1).unsqueeze(-1) * jacobian)

    def whole_hessian(self, x, z):
        """∇² of F_x(z) = ℓ(x, g(z)), no Gauss–Newton (§3)."""

        def f(one_x, one_z):
            return self.nll(one_x.unsqueeze(0), self.decode(one_z).unsqueeze(0)).squeeze(0)

        return torch.func.vmap(torch.func.jacrev(torch.func.jacrev(f, argnums=1), argnums=1))(x, z)

    # ---- prior and posterior

    def prior_moments(self):
        """Mean m [d] and precision Q [d, d]."""
        spec = self.config["model"]["prior"]
        assert spec["type"] == "gaussian", spec
        mean, deviation = (
            torch.tensor(spec[key] or [other]).expand(self.d) for key, other in (("mean", 0.0), ("deviation", 1.0))
        )
        return mean, torch.diag(deviation**-2)

    def prior(self):
        mean, precision = self.prior_moments()
        return MultivariateNormal(mean, precision_matrix=precision)

    def sizes(self):
        """Blocks of the posterior's covariance."""
        if self.family["type"] == "optimal":
            return block_sizes(self.family["structure"], self.d, self.family["block"])
        return block_sizes(self.family["type"], self.d)

    def posterior(self, x):
        """q(z|x), batched over B."""
        params = self.encoder(x)
        mean, rest = params[:, : self.d], params[:, self.d :]
        if self.family["type"] == "optimal":
            beta = self.family["beta"] or self.beta()
            covariance = optimal_covariance(self.sizes(), self.hessian(mean), beta, self.prior_moments()[1])
            return MultivariateNormal(mean, covariance)
        factor = torch.diag_embed((0.5 * rest[:, : self.d]).exp())
        if self.family["type"] == "full":
            row, column = torch.tril_indices(self.d, self.d, -1)
            relative = 0.1 / math.sqrt(len(row)) * rest[:, self.d :]  # to the row's deviation (theory §11)
            below = (0.5 * rest[:, : self.d]).exp()[:, row] * relative
            factor = factor.index_put((torch.arange(len(x))[:, None], row, column), below)
        return MultivariateNormal(mean, scale_tril=self.family["deviation"] * factor)

    def draw(self, posterior, count, rng):
        """z [K, B, d], with noise of the program's own precision and stream."""
        noise = torch.randn(count, *posterior.mean.shape, generator=rng, dtype=self.dtype).double()
        return posterior.mean + torch.einsum("bij,kbj->kbi", posterior.scale_tril, noise)

    def kl(self, posterior):
        return kl_divergence(posterior, self.prior())

    def importance(self, posterior, x, z):
        """Importance-weighted −log p(x) (§10) and the effective number of draws, both [B]."""
        log_weight = self.prior().log_prob(z) - self.nll(x, self.decode(z)) - posterior.log_prob(z)
        weight = torch.softmax(log_weight, 0)
        return math.log(len(z)) - log_weight.logsumexp(0), 1 / weight.square().sum(0)

    # ---- objectives (§2, §5): the trained loss of every row [B]

    def encoding_norm(self, h, beta):
        mean, precision = self.prior_moments()
        return 0.5 * beta * torch.einsum("bi,ij,bj->b", h - mean, precision, h - mean)

    def beta_vae(self, x, rng, beta):
        posterior = self.posterior(x)
        z = self.draw(posterior, self.objective["samples"], rng)
        return self.nll(x, self.decode(z)).mean(0) + beta * self.kl(posterior)

    def grae(self, x, h, sizes, beta):
        left = penalty(sizes, self.hessian(h), beta, self.prior_moments()[1])
        return self.nll(x, self.decode(h)) + self.encoding_norm(h, beta) + left

    def column_contributions(self, h, beta):
        """c [B, d]: what each Jacobian column adds to the diagonal row; the program's prior has a diagonal Q."""
        q = self.prior_moments()[1].diagonal()
        return 0.5 * beta * torch.log1p(self.hessian(h).diagonal(dim1=1, dim2=2) / (beta * q))

    def grae_sampled(self, x, h, rng, beta):
        count = self.objective["columns"]
        rows = len(x) if self.objective["per_sample"] else 1
        chosen = torch.rand(rows, self.d, generator=rng, dtype=self.dtype).argsort(1)[:, :count]
        contributions = self.column_contributions(h, beta).gather(1, chosen.expand(len(x), count))
        return self.nll(x, self.decode(h)) + self.encoding_norm(h, beta) + self.d / count * contributions.sum(1)

    def loss(self, x, rng, beta):
        if self.objective["type"] == "beta-vae":
            return self.beta_vae(x, rng, beta)
        h = self.posterior_mean(x)
        if self.objective["columns"]:
            return self.grae_sampled(x, h, rng, beta)
        return self.grae(x, h, block_sizes(self.objective["structure"], self.d, self.objective["block"]), beta)

    def posterior_mean(self, x):
        return self.encoder(x)[:, : self.d]


# ------------------------------------------------------------------------------------------------- the program

BASE = """
name = "reference"
seed = 5
[data]
dataset = "fashion-mnist"
train_split = "test"   # a sixth of the bytes to unpack, at each of a hundred starts
limit = 1000
[model]
latent = 8
encoder = { type = "mlp", hidden = [64] }
decoder = { type = "mlp", hidden = [64] }
family = { type = "diagonal" }
prior = { type = "gaussian" }
likelihood = { type = "gaussian" }
[objective]
type = "beta-vae"
beta = 0.4
[train]
steps = 200
batch = 64
log_every = 1
evaluate_every = 0
checkpoint_every = 0
precision = "float64"
device = "cpu"
optimizer = { type = "adam", lr = 2e-3 }
evaluation = { limit = 64 }
"""

OBJECTIVES = {
    "beta-vae-diagonal": ["objective.type='beta-vae'", "objective.samples=2", "model.family.type='diagonal'"],
    "beta-vae-full": ["objective.type='beta-vae'", "model.family.type='full'", "model.family.deviation=0.5"],
    "grae": ["objective.type='grae'", "model.family.type='optimal'"],
    "grae-approx": ["objective.type='grae-approx'", "model.family={type='optimal', structure='diagonal'}"],
}
LIKELIHOODS = {
    "fixed": ["model.likelihood={type='gaussian', variance=0.5}"],
    "learned": ["model.likelihood={type='gaussian', variance=0.2, learned=true}"],
    "bernoulli": ["model.likelihood={type='bernoulli'}"],
}
DECODERS = {
    "relu": ["model.decoder={type='mlp', hidden=[64]}"],
    "tanh": ["model.decoder={type='mlp', hidden=[64, 48], activation='tanh'}"],
    # Three doublings: 28 = 2·14, 14 = 2·7 and 7 = 2·3 + 1, so that output padding matters.
    "conv": [
        "model.decoder={type='conv', channels=[8, 6, 4], hidden=[32], activation='tanh'}",
        "train.steps=60",
        "train.batch=32",
    ],
}
# Every objective with every likelihood and every decoder, and every likelihood with every decoder.
COVERING = [
    ("beta-vae-diagonal", "fixed", "relu"), ("beta-vae-diagonal", "learned", "tanh"),
    ("beta-vae-diagonal", "bernoulli", "conv"),
    ("beta-vae-full", "fixed", "tanh"), ("beta-vae-full", "learned", "conv"), ("beta-vae-full", "bernoulli", "relu"),
    ("grae", "fixed", "conv"), ("grae", "learned", "relu"), ("grae", "bernoulli", "tanh"),
    ("grae-approx", "fixed", "tanh"), ("grae-approx", "learned", "conv"), ("grae-approx", "bernoulli", "relu"),
]  # fmt: skip


def changes_of(objective, likelihood, decoder):
    return [*OBJECTIVES[objective], *LIKELIHOODS[likelihood], *DECODERS[decoder]]


class ReferenceTest(unittest.TestCase):
    """A folder for each test class, the program run in it, and comparisons."""

    @classmethod
    def setUpClass(cls):
        if fashion_mnist() is None:
            how = "Fashion-MNIST is missing: install Debian's package dataset-fashion-mnist (or see VARIFORM_DATA)"
            if os.environ.get("CI"):
                raise AssertionError(how)
            raise unittest.SkipTest(how)
        cls.folder = Path(tempfile.mkdtemp(prefix="variform-reference-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        (cls.folder / "base.toml").write_text(BASE)

    def variform(self, *arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [os.environ["VARIFORM_BINARY"], *map(str, arguments)], capture_output=True, text=True, env=environment
        )
        self.assertEqual(done.returncode, 0, f"variform {' '.join(map(str, arguments))}:\n{done.stderr}")
        return done.stdout

    def train(self, changes, *options):
        """The run folder of a training of BASE with changes."""
        self.runs = getattr(self, "runs", 0) + 1
        place = self.folder / f"{self.id()}-{self.runs}"
        output = self.variform(
            "train", self.folder / "base.toml", *changes, "--runs", place, "--no-figures", *options
        )
        return Path(output.strip().splitlines()[-1])

    def model(self, run):
        return Model(run / "checkpoints" / "last.h5")

    def assert_close(self, found, expected, tolerance, what, scale=None):
        """The largest difference, relative to the largest magnitude in the tensor (or `scale`)."""
        found, expected = torch.as_tensor(found).detach().double(), torch.as_tensor(expected).detach().double()
        self.assertEqual(found.shape, expected.shape, what)
        largest = expected.abs().max() if scale is None else torch.as_tensor(scale).detach().abs().max()
        difference = (found - expected).abs().max()
        if not difference <= tolerance * largest:  # not >: a NaN must fail
            self.fail(
                f"{what}: differs by {difference:.3e}, largest magnitude {largest:.3e}, "
                f"ratio {difference / largest:.1e} beyond {tolerance:.0e}"
            )
        return float(difference / largest) if largest > 0 else 0.0
