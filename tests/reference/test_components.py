"""Components in a model that the program trains, held against PyTorch: gradient of the first step and value of the loss,
recomputed from the checkpoint's weights.

The latent draws are recomputed too: every stream of random numbers is seeded with a hash (variform/random.h), and PyTorch
has the same generators. What is compared with is in component_losses.py. Five that strain the SDK most (class Strain) are also trained for 50 steps with a falling loss, and the same 50 steps
interrupted twice, bit for bit.
"""

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
import numpy as np
import torch

from component_losses import CASES, Weights, beta_tcvae, factor_vae, iwae, planar_flow, vamp_prior
from variform_reference import batch_rows, stream

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

BINARY = os.environ["VARIFORM_BINARY"]
ROWS, TRAINED, BATCH = 256, 192, 32

CONFIG = """
name = "strain"
seed = 3
[data]
[data.dataset]
name = "squares"
splits.train = { x = "squares.npy", rows = [0, 192] }
splits.test = { x = "squares.npy", rows = [192, 256] }
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
batch = 32
log_every = 10
evaluate_every = 25
checkpoint_every = 0
precision = "float64"
device = "cpu"
optimizer = { type = "adam", lr = 1e-2 }
"""

# --------------------------------------------------------------------------------------------------- the program


def variform(*arguments, fails=False):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT)
    if (done.returncode == 0) == fails:
        raise AssertionError(f"variform {arguments} ended with {done.returncode}:\n{done.stderr}")
    return done.stderr if fails else done.stdout


def tensors(file):
    found = {}
    with h5py.File(file) as h5:
        h5.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def weights(checkpoint):
    found = Weights()
    for name, value in checkpoint.items():
        parts = name.split("/")
        if parts[0] == "model" and parts[2] == "parameters":
            found[f"{parts[1]}/{parts[3]}"] = torch.tensor(value, requires_grad=True)
    return found


def setUpModule():
    global FOLDER, IMAGES, ENVIRONMENT
    FOLDER = Path(tempfile.mkdtemp(prefix="variform-strain-"))
    # Squares of three sizes and grey values anywhere in 8×8 images, with a little noise.
    rng = np.random.default_rng(5)
    images = 0.05 * rng.random((ROWS, 1, 8, 8))
    for image in images:
        side = rng.integers(2, 5)
        row, column = rng.integers(0, 9 - side, 2)
        image[0, row : row + side, column : column + side] += 0.5 + 0.4 * rng.random()
    np.save(FOLDER / "squares.npy", images)
    np.save(FOLDER / "counts.npy", np.floor(8 * images).astype(np.int64))
    np.save(FOLDER / "classes.npy", np.floor(3 * images).astype(np.int64))
    IMAGES = torch.from_numpy(images)
    (FOLDER / "base.toml").write_text(CONFIG)
    ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", VARIFORM_DATA=str(FOLDER))
    

def tearDownModule():
    shutil.rmtree(FOLDER, ignore_errors=True)


def train(runs, changes, *options, fails=False):
    """The run folder, or what the program says when it refuses."""
    output = variform("train", FOLDER / "base.toml", *changes, "--runs", FOLDER / runs, *options, fails=fails)
    return output if fails else Path(output.strip().splitlines()[-1])


class Held(unittest.TestCase):
    """What is recomputed, of any run."""

    def check_gradient(self, reference, before, after, images):
        """The first Adam step leaves a tenth of the gradient as its first moment."""
        order = batch_rows(3, TRAINED, BATCH, 0)
        w = weights(before)
        losses = reference(w, images[order], stream(3, "step", 0), TRAINED)
        critics = [name for name in w if name.startswith("objective/")]
        for player, loss in losses.items():
            names = critics if player == "critic" else [name for name in w if name not in critics]
            gradients = torch.autograd.grad(loss, [w[name] for name in names], retain_graph=True)
            for name, expected in zip(names, gradients):
                found = torch.tensor(after[f"optimizer/{name}/exp_avg"]) / 0.1
                error = (found - expected).abs().max() / expected.abs().max()
                self.assertGreater(expected.abs().max(), 0, name)
                self.assertLess(error, 1e-10, name)

    def check_value(self, reference, checkpoint, dump, images):
        x = torch.tensor(dump["x"])
        self.assertTrue(torch.equal(x, images[TRAINED:]))
        losses = reference(weights(checkpoint), x, stream(3, "evaluate", "test", "objective", 0), TRAINED)
        expected, found = sum(losses.values()).item(), dump["terms/objective"].mean()
        self.assertLess(abs(found - expected), 1e-10 * abs(expected))


class Strain(Held):
    def check(self, name, reference, changes):
        straight = train(f"{name}-straight", changes, "--no-figures")
        self.check_learning(straight)

        run = train(f"{name}-parts", changes, "--no-figures", "--stop-at", 0)
        last = run / "checkpoints" / "last.h5"
        start = tensors(last)
        variform("resume", run, "--stop-at", 1)
        self.check_gradient(reference, start, tensors(last), IMAGES)
        variform("resume", run, "--no-figures")
        self.assertEqual(last.read_bytes(), (straight / "checkpoints" / "last.h5").read_bytes())
        self.assertEqual((run / "metrics.jsonl").read_bytes(), (straight / "metrics.jsonl").read_bytes())

        variform("evaluate", run, "--samples", 1, "--importance-samples", 0, "--dump", FOLDER / f"{name}.h5")
        self.check_value(reference, tensors(last), tensors(FOLDER / f"{name}.h5"), IMAGES)
        return start, tensors(last)

    def check_learning(self, run):
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        part = tomllib.loads((run / "config.resolved.toml").read_text())["train"].get("best", "loss")
        values = [line[part] for line in lines if line["split"] == "train"]
        self.assertEqual(len(values), 5)
        self.assertTrue(all(math.isfinite(value) for line in lines for key, value in line.items() if key not in ("split", "check")))
        self.assertLess(values[-1], values[0] - 1, f"'{part}' does not fall: {values}")

    def test_vamp_prior(self):
        start, end = self.check("vamp", vamp_prior, ["model.prior={type='vamp', pseudo_inputs=8}",
                                                     "objective.samples=2", "objective.beta=0.5"])
        name = "model/prior/parameters/pseudo_inputs"
        np.testing.assert_array_equal(start[name], IMAGES[:8].numpy())  # they begin as data …
        self.assertGreater(np.abs(end[name] - start[name]).max(), 1e-2)  # … and are trained

    def test_planar_flow(self):
        self.check("planar", planar_flow, ["model.family={type='planar', maps=2}", "objective.samples=2",
                                           "objective.beta=0.5"])

    def test_factor_vae(self):
        self.check("factor", factor_vae, ["objective={type='factor-vae', gamma=4.0, critic_hidden=[8, 8], "
                                          "optimizer={type='adam', lr=1e-3}}", "train.best='elbo'"])

    def test_beta_tcvae(self):
        self.check("tcvae", beta_tcvae, ["objective={type='beta-tcvae', beta=6.0}"])

    def test_iwae(self):
        self.check("iwae", iwae, ["objective={type='iwae', samples=5}"])


class Components(Held):
    def test_each(self):
        chosen = os.environ.get("VARIFORM_CASE", "")
        for name, (reference, changes, *levels) in CASES.items():
            if chosen not in name:
                continue
            with self.subTest(name):
                images = torch.floor(levels[0] * IMAGES) if levels else IMAGES
                run = train(name, changes, "--no-figures", "--stop-at", 0)
                last = run / "checkpoints" / "last.h5"
                start = tensors(last)
                variform("resume", run, "--stop-at", 1)
                self.check_gradient(reference, start, tensors(last), images)
                variform("evaluate", run, "--samples", 1, "--importance-samples", 0, "--dump", FOLDER / f"{name}.h5")
                self.check_value(reference, tensors(last), tensors(FOLDER / f"{name}.h5"), images)


class Composition(unittest.TestCase):
    def test_together(self):
        """Two or three of them in one model; samples of the prior and other pictures are drawn at the end."""
        vamp, full = "model.prior={type='vamp', pseudo_inputs=8}", "model.family={type='full'}"
        flow = "model.family={type='planar'}"
        for i, changes in enumerate([[vamp, full, "objective={type='iwae'}"], [vamp, "objective={type='beta-tcvae'}"],
                                     [flow, "objective={type='factor-vae'}"]]):
            with self.subTest(changes=changes):
                run = train(f"together-{i}", [*changes, "train.steps=3", "train.precision='float32'"])
                self.assertTrue((run / "DONE").exists())
                self.assertTrue((run / "figures" / "samples.png").exists())

    def test_refused(self):
        """What a component lacks is said before the training, and no run is left."""
        flow = "model.family={type='planar'}"
        for changes, sentence in [
            ([flow, "model.prior={type='vamp', pseudo_inputs=8}"], "knows its density at its own draws only"),
            ([flow, "objective={type='beta-tcvae'}"], "has no marginal densities"),
        ]:
            with self.subTest(changes=changes):
                said = train("refused", changes, fails=True)
                self.assertIn(sentence, said)
                self.assertIn("family planar (org.variform.families 2.0.0)", said)
                self.assertFalse((FOLDER / "refused").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
