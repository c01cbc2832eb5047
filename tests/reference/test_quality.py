"""Sample quality held against scipy (matrix square root) and scikit-learn (nearest neighbours), with everything recomputed
from two checkpoints, the model's and the classifier's; and the classifier's loss and gradient against PyTorch."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from sklearn.neighbors import NearestNeighbors

from variform_reference import batch_rows, read_tensors, stream

BINARY = os.environ["VARIFORM_BINARY"]
TRAINED, TESTED, CLASSES, LATENT, IMAGES = 400, 600, 3, 3, 500

DATA = """
[data.dataset]
name = "squares"
domain = "unit interval"
splits.train = { x = "squares.npy", labels = "labels.npy", rows = [0, 400] }
splits.test = { x = "squares.npy", labels = "labels.npy", rows = [400, 1000] }
"""
MODEL = """
seed = 3
[model]
latent = 3
encoder = { type = "mlp", hidden = [16], activation = "tanh" }
decoder = { type = "mlp", hidden = [16], activation = "tanh" }
family = { type = "diagonal" }
prior = { type = "gaussian" }
likelihood = { type = "gaussian", variance = 0.1 }
[objective]
type = "beta-vae"
beta = 0.2
[train]
steps = 300
batch = 40
precision = "float64"
device = "cpu"
optimizer = { type = "adam", lr = 1e-2 }
"""
NETWORK = """
name = "net"
seed = 5
[model]
latent = 4
encoder = { type = "conv", channels = [4], hidden = [8], activation = "tanh" }
decoder = { type = "linear" }
family = { type = "point" }
prior = { type = "gaussian" }
likelihood = { type = "gaussian" }
[objective]
type = "classifier"
classes = 3
[train]
steps = 200
batch = 40
precision = "float64"
threads = 1
device = "cpu"
optimizer = { type = "adam", lr = 1e-2 }
"""


def start(*arguments, cache="cache"):
    environment = dict(os.environ, OMP_NUM_THREADS="1", VARIFORM_HOME=os.environ["VARIFORM_SOURCE"],
                       VARIFORM_DATA=str(FOLDER), XDG_CACHE_HOME=str(FOLDER / cache))
    return subprocess.Popen([BINARY, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment)


def variform(*arguments):
    process = start(*arguments)
    output, errors = process.communicate()
    if process.returncode != 0:
        raise AssertionError(f"variform {arguments} ended with {process.returncode}:\n{errors}")
    return output.strip().splitlines()


def setUpModule():
    global FOLDER, X, Y
    FOLDER = Path(tempfile.mkdtemp(prefix="variform-quality-"))
    rng = np.random.default_rng(5)
    X = 0.05 * rng.random((TRAINED + TESTED, 1, 8, 8))
    Y = rng.integers(0, CLASSES, len(X))
    for image, label in zip(X, Y):
        side = 2 + label
        row, column = rng.integers(0, 9 - side, 2)
        image[0, row : row + side, column : column + side] += 0.5 + 0.4 * rng.random()
    np.save(FOLDER / "squares.npy", X)
    np.save(FOLDER / "labels.npy", Y.astype(np.int64))
    X, Y = torch.from_numpy(X), torch.from_numpy(Y)
    (FOLDER / "model.toml").write_text(MODEL + DATA)
    (FOLDER / "net.toml").write_text(NETWORK + DATA)


def tearDownModule():
    shutil.rmtree(FOLDER, ignore_errors=True)


def parameters(checkpoint):
    """{"encoder/network.1.weight": …}"""
    tensors, _ = read_tensors(checkpoint)
    return {"/".join(name.split("/")[1:4:2]): tensor for name, tensor in tensors.items() if "/parameters/" in name}


def linear(w, name, x):
    return torch.nn.functional.linear(x, w[name + ".weight"], w[name + ".bias"])


def perceptron(w, names, x):
    return linear(w, names[1], torch.tanh(linear(w, names[0], x)))


def features(w, x):
    hidden = torch.nn.functional.conv2d(x, w["encoder/network.0.weight"], w["encoder/network.0.bias"], stride=2, padding=1)
    return perceptron(w, ("encoder/network.3", "encoder/network.5"), torch.tanh(hidden).flatten(1))


def frechet(a, b):
    a, b = a.numpy(), b.numpy()
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(c1 @ c2)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * root.real)


def jackknife(a, b):
    def left(rows, group):
        return rows[[i for i in range(len(rows)) if i % 10 != group]]

    values = np.array([frechet(left(a, group), left(b, group)) for group in range(10)])
    return np.sqrt(9 / 10 * ((values - values.mean()) ** 2).sum())


def share_within(points, centres, k=3):
    distances, _ = NearestNeighbors(n_neighbors=k + 1).fit(centres.numpy()).kneighbors(centres.numpy())
    radius = distances[:, k]  # the first is the row itself
    return (torch.cdist(points, centres) <= torch.from_numpy(radius)).any(1).double().mean().item()


class Quality(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run = Path(variform("train", FOLDER / "model.toml", "--runs", FOLDER / "runs", "--no-figures")[-1])
        variform("evaluate", run, f"--quality={IMAGES}", "--features", FOLDER / "net.toml", "--limit", 50)
        cls.section = json.loads((run / "evaluation-test.json").read_text())["quality"]
        network = parameters(next((FOLDER / "cache").rglob("last.h5")))
        cls.features = staticmethod(lambda x: features(network, x))
        model = parameters(run / "checkpoints" / "last.h5")
        decode = lambda z: perceptron(model, ("decoder/network.0", "decoder/network.2"), z).view(-1, 1, 8, 8).clamp(0, 1)
        chosen = X[TRAINED + torch.arange(IMAGES) * TESTED // IMAGES]
        h = perceptron(model, ("encoder/network.1", "encoder/network.3"), chosen.flatten(1))[:, :LATENT]
        z = [torch.randn(min(256, IMAGES - first), LATENT, generator=stream(3, "evaluate", "quality", first))
             for first in range(0, IMAGES, 256)]
        cls.real = cls.features(chosen)
        cls.samples, cls.reconstructions = cls.features(decode(torch.cat(z))), cls.features(decode(h))
        noise = torch.rand(IMAGES, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        cls.noise = cls.features(noise)

    def entry(self, start):
        [entry] = [entry for name, entry in self.section.items() if name.startswith(start + "[squares-net-")]
        return entry

    def close(self, found, expected, tolerance):
        self.assertLess(abs(found - expected), tolerance * abs(expected))

    def test_frechet(self):
        for name, rows in (("samples", self.samples), ("reconstructions", self.reconstructions)):
            with self.subTest(name):
                entry = self.entry("frechet_" + name)
                self.close(entry["value"], frechet(self.real, rows), 1e-8)
                self.close(entry["se"], jackknife(self.real, rows), 1e-6)
        # The training split has fewer images than were asked for.
        self.assertIn("no other 500 images", self.entry("frechet_real")["undefined"])

    def test_precision_and_recall(self):
        for name, points, centres in (("precision", self.samples, self.real), ("recall", self.real, self.samples)):
            with self.subTest(name):
                expected = share_within(points, centres)
                self.assertGreater(expected, 0.05)
                self.assertLess(expected, 0.999)
                self.assertAlmostEqual(self.entry(name)["value"], expected, 12)
                self.close(self.entry(name)["se"], (expected * (1 - expected) / IMAGES) ** 0.5, 1e-10)

    def test_order(self):
        """A distance that sorts: other real images, those of the model, noise."""
        real = frechet(self.real, self.features(X[:TRAINED]))
        for rows in (self.reconstructions, self.samples):
            self.assertLess(5 * real, frechet(self.real, rows))
            self.assertLess(5 * frechet(self.real, rows), frechet(self.real, self.noise))

    def test_stock_network(self):
        """Without --features the classifier that comes with the program; rows and reasons are in the table."""
        run = next((FOLDER / "runs").iterdir())
        table = variform("evaluate", run, "--quality=50", "--limit", 50, "--out", FOLDER / "stock.json")
        [line] = [line for line in table if line.startswith("frechet_samples[squares-conv-")]
        self.assertIn("classifier conv of squares, test accuracy", line)
        self.assertTrue(any(line.startswith("precision_real[squares-conv-") for line in table))
        run = variform("train", FOLDER / "model.toml", "data.dataset={name='bare', x='squares.npy'}", "train.steps=1",
                       "--runs", FOLDER / "bare", "--no-figures")[-1]
        table = variform("evaluate", run, "--quality", "--limit", 50)
        [line] = [line for line in table if "frechet_samples" in line]
        self.assertIn("not defined: the data have no labels, which the classifier is trained on.", line)

    def test_two_at_once(self):
        """Two processes that need the network train it once."""
        run = next((FOLDER / "runs").iterdir())
        files = [FOLDER / "one.json", FOLDER / "two.json"]
        both = [start("evaluate", run, "--quality=50", "--features", FOLDER / "net.toml", "--limit", 50, "--out", file,
                      cache="both") for file in files]
        said = [process.communicate()[1] for process in both]
        self.assertEqual([process.returncode for process in both], [0, 0], said)
        self.assertEqual(sum(text.count("training the feature network 'net'") for text in said), 1)
        self.assertEqual(*[json.loads(file.read_text())["quality"] for file in files])

    def test_limit_of_images(self):
        run = next((FOLDER / "runs").iterdir())
        variform("evaluate", run, "--quality=300", "--features", FOLDER / "net.toml", "--limit", 50,
                 "--out", FOLDER / "few.json")
        section = json.loads((FOLDER / "few.json").read_text())["quality"]
        [real] = [entry for name, entry in section.items() if name.startswith("frechet_real")]
        index = torch.arange(300)
        expected = frechet(self.features(X[TRAINED + index * TESTED // 300]), self.features(X[index * TRAINED // 300]))
        self.close(real["value"], expected, 1e-8)


class Classifier(unittest.TestCase):
    def test_loss_and_gradient(self):
        """The first Adam step leaves a tenth of the gradient as its first moment."""
        run = Path(variform("train", FOLDER / "net.toml", "--runs", FOLDER / "plain", "--no-figures", "--stop-at", 0)[-1])
        last = run / "checkpoints" / "last.h5"
        w = {name: tensor.requires_grad_() for name, tensor in parameters(last).items()}
        variform("resume", run, "--stop-at", 1)
        after, _ = read_tensors(last)

        def loss(x, y):
            logits = linear(w, "objective/head", features(w, x))
            return torch.nn.functional.cross_entropy(logits, y), (logits.argmax(1) == y).double().mean()

        rows = batch_rows(5, TRAINED, 40, 0)
        names = [name for name in w if name.startswith(("encoder/", "objective/"))]
        for name, expected in zip(names, torch.autograd.grad(loss(X[rows], Y[rows])[0], [w[name] for name in names])):
            found = after[f"optimizer/{name}/exp_avg"] / 0.1
            self.assertGreater(expected.abs().max(), 0, name)
            self.assertLess((found - expected).abs().max() / expected.abs().max(), 1e-10, name)
        for name in set(w) - set(names):  # the decoder's, which the objective leaves alone
            self.assertEqual(after[f"optimizer/{name}/exp_avg"].abs().max(), 0)

        variform("resume", run, "--no-figures")
        w = parameters(last)
        line = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
        expected, accuracy = loss(X[TRAINED:], Y[TRAINED:])
        self.assertLess(abs(line["nll"] - expected.item()), 1e-10 * expected.item())
        self.assertAlmostEqual(line["accuracy"], accuracy.item(), 12)
        self.assertGreater(line["accuracy"], 0.6)


if __name__ == "__main__":
    unittest.main(verbosity=2)
