#!/usr/bin/env python3
"""What a linear β-VAE can reach at best on a data set, in closed form (docs/theory.md, §4, end): unit-variance Gaussian
likelihood, constants dropped, in nats per example.

    linear_bound.py DATASET [--beta 0.1] [--latent 16] [--data DIR]... [--json]

DATASET is a description of idx files in datasets/ (mnist, fashion-mnist). With λ the eigenvalues of a set's covariance
and k = min(d, number of λ above β),

    L* = ½ Σ_{i>k} λ_i + (β/2) Σ_{i≤k} [1 + log(λ_i/β)].

Printed are L* of the training set; the loss on the test set of the model that attains it; and L* of the test set's own
spectrum, below which no linear model gets on the test set, whatever it was trained on. numpy only; reads the files
without any code of the program.
"""

import argparse
import gzip
import json
import os
import pathlib
import tomllib

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEBIAN = "/usr/share/datasets"


def read_images(folders, description, split):
    """The pixels of a split in [0, 1], [N, P] float32."""
    name = description["splits"][split]["x"]
    for folder in folders:
        for below in [*description.get("folders", []), "."]:
            for file, opener in ((name, open), (name + ".gz", gzip.open)):
                path = pathlib.Path(folder) / below / file
                if path.is_file():
                    with opener(path, "rb") as opened:
                        content = opened.read()
                    if content[:3] != b"\x00\x00\x08":
                        raise SystemExit(f"{path}: expected an idx file of bytes.")
                    shape = numpy.frombuffer(content, ">i4", count=content[3], offset=4)
                    pixels = numpy.frombuffer(content, numpy.uint8, offset=4 + 4 * content[3])
                    return pixels.reshape(shape[0], -1).astype(numpy.float32) / 255
    raise SystemExit(f"{name}[.gz] was not found in {', '.join(map(str, folders))}: {description['obtain']}")


def moments(x):
    """Mean and covariance, float64."""
    mean = x.mean(0, dtype=numpy.float64)
    return mean, (x.T @ x).astype(numpy.float64) / len(x) - numpy.outer(mean, mean)


def spectrum(covariance):
    """Eigenvalues, largest first, and the eigenvectors as columns."""
    values, vectors = numpy.linalg.eigh(covariance)
    return numpy.maximum(values[::-1], 0), vectors[:, ::-1]


def optimum(values, beta, d):
    """L* and k."""
    k = min(d, int((values > beta).sum()))
    return float(0.5 * values[k:].sum() + beta / 2 * (1 + numpy.log(values[:k] / beta)).sum()), k


def transferred(train, test, beta, d):
    """The loss on the test set of the optimum of the training set. With m_i the mean square of the test data's i-th
    principal coordinate about the training mean: ½ Σ_{i>k} m_i + (β/2) Σ_{i≤k} [m_i/λ_i + log(λ_i/β)]."""
    (mean, covariance), (test_mean, test_covariance) = train, test
    values, vectors = spectrum(covariance)
    k = optimum(values, beta, d)[1]
    second = test_covariance + numpy.outer(test_mean - mean, test_mean - mean)
    m = numpy.einsum("ij,ik,kj->j", vectors[:, :k], second, vectors[:, :k])
    active = beta / 2 * (m / values[:k] + numpy.log(values[:k] / beta)).sum()
    return float(0.5 * (numpy.trace(second) - m.sum()) + active)


def bounds(dataset, beta, d, folders=()):
    folders = [*folders, *filter(None, os.environ.get("VARIFORM_DATA", "").split(":")), DEBIAN]
    with open(ROOT / "datasets" / f"{dataset}.toml", "rb") as file:
        description = tomllib.load(file)
    images = {split: read_images(folders, description, split) for split in ("train", "test")}
    train, test = moments(images["train"]), moments(images["test"])
    on_train, active = optimum(spectrum(train[1])[0], beta, d)
    own, own_active = optimum(spectrum(test[1])[0], beta, d)
    return {"dataset": dataset, "beta": beta, "latent": d, "train": on_train, "active": active,
            "test_fitted_on_train": transferred(train, test, beta, d), "test_own_spectrum": own,
            "test_own_active": own_active, "test_size": len(images["test"])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="NAME of datasets/NAME.toml")
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--latent", type=int, default=16)
    parser.add_argument("--data", action="append", default=[], metavar="DIR", help="also VARIFORM_DATA")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.beta <= 0 or arguments.latent < 1:
        parser.error("--beta must be above 0, and --latent at least 1.")
    found = bounds(arguments.dataset, arguments.beta, arguments.latent, arguments.data)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{arguments.dataset}, linear β-VAE, d = {arguments.latent}, β = {arguments.beta:g}, nats per example without constants")
    print(f"L* of the training set                         {found['train']:9.4f}  ({found['active']} active latents)")
    print(f"its optimum, on the test set                   {found['test_fitted_on_train']:9.4f}")
    print(f"L* of the test set's own spectrum              {found['test_own_spectrum']:9.4f}  ({found['test_own_active']} active latents)")


if __name__ == "__main__":
    main()
