"""The metrics of disentanglement a second time, with numpy, scipy and scikit-learn, from their papers' definitions; and a
small model of dSprites whose evaluation is held against them.
"""

import json
import os
import unittest
from pathlib import Path

import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from variform_reference import ReferenceTest, derived, permutation, read_tensors

DSPRITES = [
    "data.dataset='dsprites-subset'", "data.limit=0", "data.train_split='train'", "model.latent=6",
    "model.encoder={type='mlp', hidden=[64]}", "model.decoder={type='mlp', hidden=[64]}",
    "model.likelihood={type='bernoulli'}", "objective.beta=1.0", "train.steps=500", "train.optimizer.lr=3e-3",
]  # fmt: skip


class DspritesTest(ReferenceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        roots = os.environ.get("VARIFORM_DATA", "").split(":")
        if not any((Path(root) / "dsprites" / "dsprites_downsampled.npz").is_file() for root in roots if root):
            how = "the dSprites subset is missing: see datasets/dsprites-subset.toml and VARIFORM_DATA"
            if os.environ.get("CI"):
                raise AssertionError(how)
            raise unittest.SkipTest(how)

    def evaluated(self):
        """Section, arrays and the rows that they were computed from, of a model trained for some steps."""
        run = self.train(DSPRITES)
        self.variform("evaluate", run, "--out", run / "e.json", "--importance-samples", 0, "--samples", 1)
        self.variform("encode", run, "--out", run / "codes.h5")
        result = json.loads((run / "e.json").read_text())
        tensors = read_tensors(run / "codes.h5")[0]
        codes, factors = tensors["h"].numpy(), tensors["factors"].numpy().astype(int)
        seed = derived(5, "evaluate", "test", "disentanglement")
        order = permutation(len(codes), derived(seed, "disentanglement rows"))
        train, test = order[: len(order) * 2 // 3], order[len(order) * 2 // 3 :]
        self.assertEqual(len(order), 4608)
        return result["disentanglement"], result["disentanglement_arrays"], codes, factors, train, test


def binned(column):
    return numpy.digitize(column, numpy.histogram(column, 20)[1][:-1])


def information(codes, factors):
    matrix = numpy.array([[mutual_info_score(binned(z), k) for k in factors.T] for z in codes.T])
    return matrix, numpy.array([mutual_info_score(k, k) for k in factors.T])


def gap(codes, factors):
    matrix, entropies = information(codes, factors)
    ordered = numpy.sort(matrix, 0)
    return numpy.mean((ordered[-1] - ordered[-2]) / entropies)


def modularity(matrix):
    squares = matrix**2
    best = squares.max(1)
    return numpy.mean(1 - (squares.sum(1) - best) / (best * (matrix.shape[1] - 1)))


def robustness(codes, factors):
    largest = numpy.abs(codes - codes.mean(0)).max(0)
    matrix = numpy.zeros((codes.shape[1], factors.shape[1]))
    for j, k in enumerate(factors.T):
        groups = [codes[k == value] for value in numpy.unique(k)]
        spread = [numpy.percentile(numpy.abs(group - group.mean(0)), 99, axis=0) for group in groups]
        matrix[:, j] = 1 - numpy.mean(spread, 0) / largest
    return matrix, numpy.average(matrix.max(1), weights=largest)


def jackknife(codes, factors, statistic, groups=20):
    n = len(codes)
    values = []
    for g in range(groups):
        kept = numpy.r_[0 : g * n // groups, (g + 1) * n // groups : n]
        values.append(statistic(codes[kept], factors[kept]))
    return numpy.sqrt((groups - 1) * numpy.var(values))


def svm_accuracies(x, k, x_test, k_test):
    def accuracy(i, j):
        classifier = LinearSVC(C=0.01, class_weight="balanced").fit(x[:, [i]], k[:, j])
        return classifier.score(x_test[:, [i]], k_test[:, j])

    return numpy.array([[accuracy(i, j) for j in range(k.shape[1])] for i in range(x.shape[1])])


def explicitness(x, k, x_test, k_test):
    areas = []
    for j in range(k.shape[1]):
        classifier = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(x, k[:, j])
        scores = classifier.predict_proba(x_test)
        areas.append(roc_auc_score(k_test[:, j], scores, multi_class="ovr", average="macro"))
    return numpy.array(areas)


class Batches:
    """Rows that share one factor's value, drawn with replacement."""

    def __init__(self, factors, seed):
        self.factors, self.random = factors, numpy.random.default_rng(seed)
        self.order = numpy.argsort(factors, axis=0, kind="stable")  # of each factor, its values together
        self.sorted = numpy.sort(factors, axis=0)

    def like(self, rows, j):
        """For each of some rows one whose factor j has the same value."""
        values = self.factors[rows, j]
        first = numpy.searchsorted(self.sorted[:, j], values, side="left")
        last = numpy.searchsorted(self.sorted[:, j], values, side="right")
        return self.order[self.random.integers(first, last), j]

    def draws(self, count):
        for _ in range(count):
            yield self.random.integers(self.factors.shape[1]), self.random.integers(len(self.factors))


def factor_vae_score(codes, factors, seed=0):
    active = numpy.flatnonzero(codes.var(0, ddof=1) >= 0.05)
    codes = codes[:, active] / codes[:, active].std(0, ddof=1)
    batches = Batches(factors, seed)
    points = [(codes[batches.like(numpy.full(64, row), j)].var(0, ddof=1).argmin(), j) for j, row in batches.draws(15000)]
    votes = numpy.zeros((len(active), factors.shape[1]))
    for i, j in points[:10000]:
        votes[i, j] += 1
    return numpy.mean([votes[i].argmax() == j for i, j in points[10000:]])


def beta_vae_score(codes, factors, seed=0):
    batches = Batches(factors, seed)
    points, fixed = [], []
    for j, _ in batches.draws(15000):
        first = batches.random.integers(len(codes), size=64)
        points.append(numpy.abs(codes[first] - codes[batches.like(first, j)]).mean(0))
        fixed.append(j)
    points, fixed = numpy.array(points), numpy.array(fixed)
    classifier = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(points[:10000], fixed[:10000])
    return classifier.score(points[10000:], fixed[10000:])


def concentration(shares):
    """1 − entropy of each column with the number of rows as base, averaged with the columns' sums as weights."""
    p = (shares + 1e-11) / (shares + 1e-11).sum(0)
    return numpy.average(1 + (p * numpy.log(p)).sum(0) / numpy.log(len(p)), weights=shares.sum(0))
