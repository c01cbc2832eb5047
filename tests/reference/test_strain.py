"""The five small plugins of tests/plugins, which strain the SDK most, trained by the program and held against PyTorch.

For each: 50 steps of real training with a falling loss; the same 50 steps interrupted twice, bit for bit; the gradient
of the first step and the value of the loss after the last, recomputed from the checkpoint's weights. The latent draws
are recomputed too: every stream of random numbers is seeded with a hash (variform/random.h), and PyTorch has the same
generators. What is compared is written here with torch.distributions and automatic differentiation, not copied.
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
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from variform_reference import batch_rows, stream

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

BINARY = os.environ["VARIFORM_BINARY"]
LATENT, ROWS, TRAINED, BATCH = 3, 256, 192, 32
VARIANCE = 0.1

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

# ------------------------------------------------------------------------------------------- the model, in PyTorch


class Weights(dict):
    """Tensors of a checkpoint, {"encoder/network.1.weight": …}, ready to collect gradients."""

    def linear(self, name, x):
        return torch.nn.functional.linear(x, self[name + ".weight"], self[name + ".bias"])

    def encode(self, x):  # [B, 1, 8, 8] -> [B, n]
        return self.linear("encoder/network.3", torch.tanh(self.linear("encoder/network.1", x.flatten(1))))

    def decode(self, z):  # [..., d] -> [..., P]
        return self.linear("decoder/network.2", torch.tanh(self.linear("decoder/network.0", z)))

    def nll(self, x, z):  # [..., B]
        return -Normal(self.decode(z), math.sqrt(VARIANCE)).log_prob(x.flatten(1)).sum(-1)

    def gaussian(self, x):
        mean, log_variance = self.encode(x).chunk(2, -1)
        return Normal(mean, (0.5 * log_variance).exp())

    def draw(self, x, samples, rng):
        q = self.gaussian(x)
        return q, q.mean + q.stddev * torch.randn(samples, *q.mean.shape, generator=rng)


def standard():
    return Normal(torch.zeros(LATENT), torch.ones(LATENT))


def log_mean_exp(values, dim):
    return values.exp().mean(dim).log()


# Each gives {name: value} of the losses whose gradients stand side by side; the trained loss is their sum.


def vamp_prior(w, x, rng, size):
    q, z = w.draw(x, 2, rng)
    parts = Independent(w.gaussian(w["prior/pseudo_inputs"]), 1)
    prior = MixtureSameFamily(Categorical(logits=torch.zeros(len(w["prior/pseudo_inputs"]))), parts)
    kl = (q.log_prob(z).sum(-1) - prior.log_prob(z)).mean(0)
    return {"model": (w.nll(x, z).mean(0) + 0.5 * kl).mean()}


def planar(params, noise):
    """One datum's draw through its two maps: z and log q, the latter from the Jacobian of the whole map."""
    mean, log_variance = params[:LATENT], params[LATENT : 2 * LATENT]

    def whole(start):
        z = mean + (0.5 * log_variance).exp() * start
        for t in range(2):
            u, w, b = params[2 * LATENT + t * (2 * LATENT + 1) :][: 2 * LATENT + 1].split([LATENT, LATENT, 1])
            bound = torch.log1p(torch.exp(w @ u + math.log(math.e - 1))) - 1  # wᵀû of an invertible map
            u = u + (bound - w @ u) * w / (w @ w)
            z = z + u * torch.tanh(w @ z + b)
        return z

    jacobian = torch.func.jacrev(whole)(noise)
    return whole(noise), standard().log_prob(noise).sum() - torch.linalg.slogdet(jacobian)[1]


def planar_flow(w, x, rng, size):
    params = w.encode(x)
    noise = torch.randn(2, len(x), LATENT, generator=rng)
    z, log_q = torch.func.vmap(torch.func.vmap(planar), in_dims=(None, 0))(params, noise)
    kl = (log_q - standard().log_prob(z).sum(-1)).mean(0)
    return {"model": (w.nll(x, z).mean(0) + 0.5 * kl).mean()}


def critic(w, z):
    for layer in (0, 2):
        z = torch.nn.functional.leaky_relu(w.linear(f"objective/critic.{layer}", z), 0.01)
    return w.linear("objective/critic.4", z).squeeze(-1)


def factor_vae(w, x, rng, size):
    q, z = w.draw(x, 1, rng)
    z = z[0]
    order = torch.rand(z.shape, generator=rng).argsort(0)
    permuted = torch.stack([z[order[:, i], i] for i in range(LATENT)], 1)
    kl = torch.distributions.kl_divergence(q, standard()).sum(-1)
    odds, odds_permuted = critic(w, z), critic(w, permuted)
    labels = torch.cat([torch.ones(len(x)), torch.zeros(len(x))])
    return {
        "model": (w.nll(x, z) + kl + 4.0 * odds).mean(),
        "critic": torch.nn.functional.binary_cross_entropy_with_logits(torch.cat([odds, odds_permuted]), labels),
    }


def beta_tcvae(w, x, rng, size):
    q, z = w.draw(x, 1, rng)
    z = z[0]
    log_size = math.log(len(x) * size)
    log_q, log_product = [], []
    for one in z:  # of each draw, under every datum of the batch
        densities = q.log_prob(one)  # [M, d]
        log_q.append(densities.sum(-1).exp().sum().log() - log_size)
        log_product.append((densities.exp().sum(0).log() - log_size).sum())
    tc = torch.stack(log_q) - torch.stack(log_product)
    kl = q.log_prob(z).sum(-1) - standard().log_prob(z).sum(-1)
    return {"model": (w.nll(x, z) + kl + (6.0 - 1) * tc).mean()}


def iwae(w, x, rng, size):
    q, z = w.draw(x, 5, rng)
    log_weight = standard().log_prob(z).sum(-1) - w.nll(x, z) - q.log_prob(z).sum(-1)
    # The largest is taken out: likelihoods of 64 values underflow.
    top = log_weight.max(0).values.detach()
    return {"model": -(log_mean_exp(log_weight - top, 0) + top).mean()}


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
    IMAGES = torch.from_numpy(images)
    (FOLDER / "base.toml").write_text(CONFIG)
    ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", VARIFORM_DATA=str(FOLDER))
    ENVIRONMENT["VARIFORM_PLUGIN_PATH"] = os.environ["VARIFORM_TEST_PLUGINS"]


def tearDownModule():
    shutil.rmtree(FOLDER, ignore_errors=True)


def train(runs, changes, *options, fails=False):
    """The run folder, or what the program says when it refuses."""
    output = variform("train", FOLDER / "base.toml", *changes, "--runs", FOLDER / runs, *options, fails=fails)
    return output if fails else Path(output.strip().splitlines()[-1])


class Strain(unittest.TestCase):
    def check(self, name, reference, changes):
        straight = train(f"{name}-straight", changes, "--no-figures")
        self.check_learning(straight)

        run = train(f"{name}-parts", changes, "--no-figures", "--stop-at", 0)
        last = run / "checkpoints" / "last.h5"
        start = tensors(last)
        variform("resume", run, "--stop-at", 1)
        self.check_gradient(reference, start, tensors(last))
        variform("resume", run, "--no-figures")
        self.assertEqual(last.read_bytes(), (straight / "checkpoints" / "last.h5").read_bytes())
        self.assertEqual((run / "metrics.jsonl").read_bytes(), (straight / "metrics.jsonl").read_bytes())

        variform("evaluate", run, "--samples", 1, "--importance-samples", 0, "--dump", FOLDER / f"{name}.h5")
        self.check_value(reference, tensors(last), tensors(FOLDER / f"{name}.h5"))
        return start, tensors(last)

    def check_learning(self, run):
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        part = tomllib.loads((run / "config.resolved.toml").read_text())["train"].get("best", "loss")
        values = [line[part] for line in lines if line["split"] == "train"]
        self.assertEqual(len(values), 5)
        self.assertTrue(all(math.isfinite(value) for line in lines for key, value in line.items() if key != "split"))
        self.assertLess(values[-1], values[0] - 1, f"'{part}' does not fall: {values}")

    def check_gradient(self, reference, before, after):
        """The first Adam step leaves a tenth of the gradient as its first moment."""
        order = batch_rows(3, TRAINED, BATCH, 0)
        w = weights(before)
        losses = reference(w, IMAGES[order], stream(3, "step", 0), TRAINED)
        critics = [name for name in w if name.startswith("objective/")]
        for player, loss in losses.items():
            names = critics if player == "critic" else [name for name in w if name not in critics]
            gradients = torch.autograd.grad(loss, [w[name] for name in names], retain_graph=True)
            for name, expected in zip(names, gradients):
                found = torch.tensor(after[f"optimizer/{name}/exp_avg"]) / 0.1
                error = (found - expected).abs().max() / expected.abs().max()
                self.assertGreater(expected.abs().max(), 0, name)
                self.assertLess(error, 1e-10, name)

    def check_value(self, reference, checkpoint, dump):
        x = torch.tensor(dump["x"])
        self.assertTrue(torch.equal(x, IMAGES[TRAINED:]))
        losses = reference(weights(checkpoint), x, stream(3, "evaluate", "test", "objective", 0), TRAINED)
        expected, found = sum(losses.values()).item(), dump["terms/objective"].mean()
        self.assertLess(abs(found - expected), 1e-10 * abs(expected))

    def test_vamp_prior(self):
        start, end = self.check("vamp", vamp_prior, ["model.prior={type='vamp', pseudo_inputs=8}",
                                                     "objective.samples=2", "objective.beta=0.5"])
        name = "model/prior/parameters/pseudo_inputs"
        np.testing.assert_array_equal(start[name], IMAGES[:8].numpy())  # they begin as data …
        self.assertGreater(np.abs(end[name] - start[name]).max(), 1e-2)  # … and are trained

    def test_planar_flow(self):
        self.check("planar", planar_flow, ["model.family={type='planar-flow', maps=2}", "objective.samples=2",
                                           "objective.beta=0.5"])

    def test_factor_vae(self):
        self.check("factor", factor_vae, ["objective={type='factor-vae', gamma=4.0, critic_hidden=[8, 8], "
                                          "optimizer={type='adam', lr=1e-3}}", "train.best='elbo'"])

    def test_beta_tcvae(self):
        self.check("tcvae", beta_tcvae, ["objective={type='beta-tcvae', beta=6.0}"])

    def test_iwae(self):
        self.check("iwae", iwae, ["objective={type='iwae', samples=5}"])


class Composition(unittest.TestCase):
    def test_together(self):
        """Two or three of them in one model; samples of the prior and other pictures are drawn at the end."""
        vamp, full = "model.prior={type='vamp', pseudo_inputs=8}", "model.family={type='full'}"
        flow = "model.family={type='planar-flow'}"
        for i, changes in enumerate([[vamp, full, "objective={type='iwae'}"], [vamp, "objective={type='beta-tcvae'}"],
                                     [flow, "objective={type='factor-vae'}"]]):
            with self.subTest(changes=changes):
                run = train(f"together-{i}", [*changes, "train.steps=3", "train.precision='float32'"])
                self.assertTrue((run / "DONE").exists())
                self.assertTrue((run / "figures" / "samples.png").exists())

    def test_refused(self):
        """What a component lacks is said before the training, and no run is left."""
        flow = "model.family={type='planar-flow'}"
        for changes, sentence in [
            ([flow, "model.prior={type='vamp', pseudo_inputs=8}"], "knows its density at its own draws only"),
            ([flow, "objective={type='beta-tcvae'}"], "has no marginal densities"),
        ]:
            with self.subTest(changes=changes):
                said = train("refused", changes, fails=True)
                self.assertIn(sentence, said)
                self.assertIn("family planar-flow (org.variform.test.planar-flow 1.0.0)", said)
                self.assertFalse((FOLDER / "refused").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
