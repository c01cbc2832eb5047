"""import variform: the objective and its gradients of every stock family, prior, likelihood and objective, and of a stranger's
plugin.

In float32 they are held against the program: the first Adam step of a training leaves a tenth of the gradient as its first
moment. In float64 they are held against PyTorch code that shares nothing with Variform (reference/component_losses.py), for
values and for gradients in the parameters and in x.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy
import torch

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
os.environ["VARIFORM_PREFIX"] = str(BUILD)
sys.path[:0] = [str(SOURCE / "python"), str(SOURCE / "tests/reference")]
if not (BUILD / "lib/libvariform_python.so").is_file():
    sys.exit(77)

import component_losses as losses  # noqa: E402
import variform  # noqa: E402
from variform_reference import batch_rows, stream  # noqa: E402

torch.set_default_dtype(torch.float32)  # variform_reference sets another
KINDS = ("family", "prior", "likelihood", "objective")
ROWS, TRAINED, BATCH, SEED = 96, 64, 16, 3
CHOSEN = os.environ.get("VARIFORM_CASE", "")
STRANGER = BUILD / "test-plugins/cli/throws-late.so"

CONFIG = """
name = "python"
seed = 3
[data.dataset]
name = "squares"
splits.train = { x = "squares.npy", labels = "labels.npy", rows = [0, 64] }
splits.test = { x = "squares.npy", labels = "labels.npy", rows = [64, 96] }
[model]
latent = 3
encoder = { type = "mlp", hidden = [16], activation = "tanh" }
decoder = { type = "mlp", hidden = [16], activation = "tanh" }
family = { type = "diagonal" }
prior = { type = "gaussian" }
likelihood = { type = "gaussian", variance = 0.1 }
[objective]
type = "beta-vae"
[train]
steps = 50
batch = 16
evaluate_every = 50
checkpoint_every = 0
device = "cpu"
optimizer = { type = "adam", lr = 1e-2 }
"""

# Components that need more than their name, beside those of component_losses.CASES.
MORE = {
    ("family", "optimal"): ["objective={type='grae', beta=0.5}", "model.family.type='optimal'"],
    ("prior", "uniform"): ["model.family.type='uniform'", "model.prior.type='uniform'"],
    ("prior", "conditional"): ["data.condition='labels'", "model.encoder.condition=true", "model.decoder.condition=true",
                               "model.prior={type='conditional', hidden=[4]}"],
    ("likelihood", "bernoulli"): ["model.likelihood={type='bernoulli'}", *losses.UNIT],
    ("objective", "classifier"): ["objective.type='classifier'", "model.latent=4", "model.family.type='point'"],
}

OTHER_CASES = {
    "prior-vamp": (losses.vamp_prior, ["model.prior={type='vamp', pseudo_inputs=8}", "objective.samples=2", "objective.beta=0.5"]),
    "family-planar": (losses.planar_flow, ["model.family={type='planar', maps=2}", "objective.samples=2", "objective.beta=0.5"]),
    "objective-factor-vae": (losses.factor_vae, ["objective={type='factor-vae', gamma=4.0, critic_hidden=[8, 8]}"]),
    "objective-beta-tcvae": (losses.beta_tcvae, ["objective={type='beta-tcvae', beta=6.0}"]),
    "objective-iwae": (losses.iwae, ["objective={type='iwae', samples=5}"]),
}


def setUpModule():
    global FOLDER, IMAGES, LABELS, ENVIRONMENT
    FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="variform-python-"))
    rng = numpy.random.default_rng(5)
    images = 0.05 * rng.random((ROWS, 1, 8, 8))
    for image in images:
        side = rng.integers(2, 5)
        row, column = rng.integers(0, 9 - side, 2)
        image[0, row : row + side, column : column + side] += 0.5 + 0.4 * rng.random()
    IMAGES, LABELS = torch.from_numpy(images), torch.arange(ROWS) % 4
    for name, values in (("squares", images), ("counts", numpy.floor(8 * images).astype(numpy.int64)),
                         ("classes", numpy.floor(3 * images).astype(numpy.int64)), ("labels", LABELS.numpy())):
        numpy.save(FOLDER / f"{name}.npy", values)
    (FOLDER / "base.toml").write_text(CONFIG)
    ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", VARIFORM_DATA=str(FOLDER), HOME=str(FOLDER))


def tearDownModule():
    shutil.rmtree(FOLDER, ignore_errors=True)


def program(*arguments):
    done = subprocess.run([os.environ["VARIFORM_BINARY"], *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode != 0:
        raise AssertionError(f"variform {arguments} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def untrained(name, changes, *options):
    """A run's folder at step 0."""
    return pathlib.Path(program(*options, "train", FOLDER / "base.toml", *changes, "--runs", FOLDER / "runs", "--folder",
                                FOLDER / name, "--no-figures", "--no-check", "--stop-at", 0).strip().splitlines()[-1])


def changes_for(kind, name):
    """What a config needs for a component."""
    if (kind, name) in MORE:
        return MORE[kind, name], None
    place = "objective" if kind == "objective" else f"model.{kind}"
    for _, changes, *levels in losses.CASES.values():
        if any(re.match(rf"{place}(=\{{type=|\.type=)'{name}'", change) for change in changes):
            return changes, levels[0] if levels else None
    return [f"{place}.type='{name}'"], None


def first_batch(levels, dtype):
    order = torch.as_tensor(batch_rows(SEED, TRAINED, BATCH, 0))
    images = torch.floor(levels * IMAGES) if levels else IMAGES
    return images[order].to(dtype), {"labels": LABELS[order], "index": order}


class OfTheProgram(unittest.TestCase):
    """float32, 1e-6."""

    def check(self, folder, levels=None, *, options=(), plugins=()):
        x, known = first_batch(levels, torch.float32)
        run = variform.load(folder, plugins=plugins)
        value = run.objective(x, step=0, **known)
        value.backward()
        again = run.objective(x, step=0, **known)
        self.assertEqual(value.item(), again.item(), "the same step, another value")
        program(*options, "resume", folder, "--stop-at", 1, "--no-figures", "--no-check")
        with h5py.File(folder / "checkpoints/last.h5") as file:
            found = 0
            for name, parameter in run.named_parameters():
                slot, _, rest = name.partition(".")
                path = f"optimizer/{slot}/{rest}/exp_avg"
                if path not in file:
                    continue
                expected = torch.tensor(file[path][()]) / 0.1
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                self.assertLessEqual((gradient - expected).abs().max().item(), 1e-6 * max(1.0, expected.abs().max().item()), name)
                found += 1
        self.assertGreater(found, 0)
        after = variform.load(folder, plugins=plugins)
        self.assertEqual(after.step, 1)
        if any(p.requires_grad for p in run.parameters()):
            self.assertNotEqual(after.objective(x, step=0, **known).item(), value.item())

    def test_every_stock_component(self):
        listed = [(item["kind"], item["id"]) for item in json.loads(program("list", "--json")) if item["kind"] in KINDS]
        self.assertGreater(len(listed), 45)
        for kind, name in listed:
            if CHOSEN not in f"{kind} {name}":
                continue
            with self.subTest(f"{kind} {name}"):
                changes, levels = changes_for(kind, name)
                self.check(untrained(f"{kind}-{name}", changes), levels)

    def test_a_strangers_plugin(self):
        changes = [f"model.{kind}.type='late'" for kind in ("encoder", "decoder", "family", "prior", "likelihood")]
        changes += ["objective={type='late'}"]
        options = ("--plugin", STRANGER)
        self.check(untrained("stranger", changes, *options), options=options, plugins=[STRANGER])
        with self.assertRaisesRegex(ValueError, "late"):  # it is not found by itself
            variform.load(FOLDER / "stranger")
        # A path in the config finds it, as it does in the program.
        named = untrained("named", [*changes, f"plugins.paths=['{STRANGER}']"])
        run = variform.load(named)
        self.assertEqual(run.facts["plugins"], [str(STRANGER)])
        self.assertIn("values", run.evaluate(table=False, importance_samples=0))


class OfPyTorch(unittest.TestCase):
    """float64, 1e-10: what is computed from the tensors of ``named_parameters()`` by other code."""

    def check(self, name, reference, changes, levels):
        run = variform.load(untrained(f"{name}-64", [*changes, "train.precision='float64'"]))
        own, theirs = (first_batch(levels, torch.float64)[0].requires_grad_() for _ in range(2))
        value = run.objective(own, step=0)
        gradients = torch.autograd.grad(value, [*run.parameters(), own], allow_unused=True)
        weights = losses.Weights()
        for name, parameter in run.named_parameters():
            weights[name.replace(".", "/", 1)] = parameter.detach().clone().requires_grad_()
        torch.set_default_dtype(torch.float64)
        try:
            values = reference(weights, theirs, stream(SEED, "step", 0), TRAINED)
            expected = sum(values.values())
            # An adversary's loss is that of its own parameters alone.
            model, critic = (torch.autograd.grad(values[player], [*weights.values(), theirs], retain_graph=True, allow_unused=True)
                             if player in values else None for player in ("model", "critic"))
            others = [critic[i] if critic and each.startswith("objective/") else model[i] for i, each in enumerate([*weights, "x"])]
        finally:
            torch.set_default_dtype(torch.float32)
        self.assertLess(abs(value.item() - expected.item()), 1e-10 * abs(expected.item()))
        for name, found, other in zip([*weights, "x"], gradients, others):
            if name == "x" and other is None:
                continue
            self.assertLess((found - other).abs().max().item(), 1e-10 * max(1e-6, other.abs().max().item()), name)

    def test_each(self):
        for name, (reference, changes, *levels) in {**losses.CASES, **OTHER_CASES}.items():
            if CHOSEN not in name:
                continue
            with self.subTest(name):
                self.check(name, reference, changes, levels[0] if levels else None)


if __name__ == "__main__":
    unittest.main()
