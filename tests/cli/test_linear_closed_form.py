"""The first end-to-end test of a trainer is a closed form on real data (theory §4, end): a linear β-VAE on MNIST reaches
L* = ½ Σ_{i>k} λ_i + (β/2) Σ_{i≤k} [1 + log(λ_i/β)] on its training data, with exactly k active latents.
"""

import functools
import gzip
import os
import pathlib

import h5py
import numpy

from program import ProgramTest, checkpoint, main

NAME = "train-images-idx3-ubyte"


def find_mnist():
    for folder in filter(None, os.environ.get("VARIFORM_DATA", "").split(":")):
        for place in (pathlib.Path(folder) / "mnist", pathlib.Path(folder)):
            for name in (NAME, NAME + ".gz"):
                if (place / name).is_file():
                    return place / name
    return None


@functools.cache
def training_data():
    """The pixels in [0, 1], [60000, 784], read without any code of the program."""
    path = find_mnist()
    with (gzip.open if path.suffix == ".gz" else open)(path) as file:
        content = file.read()
    return numpy.frombuffer(content, numpy.uint8, offset=16).reshape(-1, 784).astype(numpy.float32) / 255


@functools.cache
def spectrum():
    """Eigenvalues of the data's covariance, largest first."""
    x = training_data()
    mean = x.mean(0, dtype=numpy.float64)
    covariance = (x.T @ x).astype(numpy.float64) / len(x) - numpy.outer(mean, mean)
    return numpy.maximum(numpy.linalg.eigvalsh(covariance)[::-1], 0)


def closed_form(beta, d):
    values = spectrum()
    k = min(d, int((values > beta).sum()))
    return 0.5 * values[k:].sum() + beta / 2 * (1 + numpy.log(values[:k] / beta)).sum(), k


class LinearMnist(ProgramTest):
    def setUp(self):
        if find_mnist() is None:
            how = f"{NAME}[.gz] is in no folder of VARIFORM_DATA: put MNIST's four files into FOLDER/mnist and set it to FOLDER"
            if os.environ.get("CI"):
                self.fail(how)
            self.skipTest(how)
        super().setUp()

    def trained(self, beta):
        """The loss on all training data without its constant, and the variances of the latents' means."""
        run = self.train(f"objective.beta={beta}", config="configs/models/linear_mnist.toml")
        self.run_program("encode", run, "--split", "train", "--out", "codes.h5")
        with h5py.File(self.folder / "codes.h5") as file:
            h, variances = file["h"][()].astype(numpy.float64), file["variances"][()].astype(numpy.float64)
        decoder = checkpoint(run).of("model/decoder/parameters/")
        (w,) = [values for name, values in decoder.items() if name.endswith("weight")]
        (b,) = [values for name, values in decoder.items() if name.endswith("bias")]
        self.assertEqual((h.shape, w.shape), ((60000, 16), (784, 16)))
        # E_q of a quadratic form is exact: no draws.
        residual = training_data() - (h.astype(numpy.float32) @ w.T + b)
        reconstruction = 0.5 * numpy.square(residual).sum(1, dtype=numpy.float64) + 0.5 * variances @ numpy.square(w).sum(0)
        kl = 0.5 * (h**2 + variances - 1 - numpy.log(variances)).sum(1)
        return (reconstruction + beta * kl).mean(), h.var(0)

    def check(self, beta):
        optimum, k = closed_form(beta, 16)
        loss, variances = self.trained(beta)
        print(f"beta {beta}: loss {loss:.4f}, closed form {optimum:.4f}, {100 * (loss / optimum - 1):.3f} % above; "
              f"variances of the means {numpy.sort(variances)[::-1].round(4).tolist()}", flush=True)
        self.assertLess(loss, 1.005 * optimum)
        self.assertGreater(loss, (1 - 1e-4) * optimum)   # nothing beats the optimum; that would be a wrong loss
        return k, int((variances > 0.01).sum())

    def test_beta_2(self):
        self.assertEqual(self.check(2.0), (6, 6))

    def test_beta_0_6(self):
        k, active = self.check(0.6)
        self.assertEqual(active, k)


if __name__ == "__main__":
    main()
