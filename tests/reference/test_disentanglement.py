"""`variform evaluate` on dSprites held against scikit-learn: mutual information gap, modularity and interventional
robustness to 1e-10, SAP within 0.03, scores that draw batches within their sampling error. And `variform compare` held
against scipy: MCC, UDR and the fitted angle. DCI is in test_disentanglement_slow.py.
"""

import itertools
import json
import unittest

import numpy
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso

import disentanglement_reference as reference
from variform_reference import ReferenceTest, read_tensors


class Disentanglement(reference.DspritesTest):
    def test_metrics(self):
        section, arrays, codes, factors, train, test = self.evaluated()
        x, k, x_test, k_test = codes[train], factors[train], codes[test], factors[test]
        close = lambda found, expected, tolerance, what: self.assert_close(found, expected, tolerance, what, scale=1.0)

        matrix, entropies = reference.information(x, k)
        close(arrays["mutual_information"], matrix, 1e-10, "mutual information")
        close(arrays["factor_entropies"], entropies, 1e-10, "entropies")
        close(section["mig"]["value"], reference.gap(x, k), 1e-10, "MIG")
        close(section["mig"]["se"], reference.jackknife(x, k, reference.gap), 1e-10, "error of MIG")
        close(section["modularity"]["value"], reference.modularity(matrix), 1e-10, "modularity")
        matrix, score = reference.robustness(x, k)
        close(arrays["interventional_robustness"], matrix, 1e-10, "robustness")
        close(section["irs"]["value"], score, 1e-10, "IRS")
        close(arrays["variances"], codes.var(0, ddof=1), 1e-10, "variances")

        accuracies = reference.svm_accuracies(x, k, x_test, k_test)
        close(arrays["svm_accuracies"], accuracies, 0.01, "accuracies of linear SVMs")
        ordered = numpy.sort(accuracies, 0)
        close(section["sap"]["value"], numpy.mean(ordered[-1] - ordered[-2]), 0.03, "SAP")
        self.assertIn(", 3,072 + 1,536 points of 4,608 rows (test)", section["sap"]["what"])
        areas = reference.explicitness(x, k, x_test, k_test)
        close(arrays["explicitness"], areas, 0.01, "areas under curves")
        close(section["explicitness"]["value"], areas.mean(), 0.01, "explicitness")

        for name, score in (
            ("factor_vae_score", reference.factor_vae_score(codes, factors)),
            ("beta_vae_score", reference.beta_vae_score(codes, factors)),
        ):
            error = section[name]["se"]
            self.assertAlmostEqual(error, (score * (1 - score) / 5000) ** 0.5, delta=0.002, msg=name)
            # The classifiers' training points differ too.
            self.assertLess(abs(section[name]["value"] - score), 5 * error + 0.01, name)


TOY = [
    "data={dataset={type='model', latent=2, fresh=true, test=400, shape=[6], decoder={type='linear'}, "
    "prior={type='gaussian'}, likelihood={type='gaussian', variance=0.1}}}",
    "data.limit=0", "model.latent=2", "model.encoder={type='mlp', hidden=[16]}", "model.decoder={type='linear'}",
    "model.likelihood.variance=0.1", "objective.beta=1.0", "train.steps=150", "train.optimizer.lr=1e-2",
]  # fmt: skip


def mcc(matrix):
    rows, columns = linear_sum_assignment(-numpy.abs(matrix))
    return numpy.abs(matrix)[rows, columns].mean()


def pearson(a, b):
    return numpy.corrcoef(a.T, b.T)[: a.shape[1], a.shape[1] :]


def spearman(a, b):
    return spearmanr(a, b)[0][: a.shape[1], a.shape[1] :]


def lasso(a, b):
    a, b = (a - a.mean(0)) / a.std(0), (b - b.mean(0)) / b.std(0)
    return numpy.array([Lasso(alpha=0.1, tol=1e-14, max_iter=100000).fit(a, y).coef_ for y in b.T]).T


def udr(similarity):
    r = numpy.abs(similarity)
    return (numpy.sum(r.max(0) ** 2 / r.sum(0)) + numpy.sum(r.max(1) ** 2 / r.sum(1))) / sum(r.shape)


def angle(a, b):
    rotation = orthogonal_procrustes(a - a.mean(0), b - b.mean(0))[0]
    degrees = numpy.degrees(numpy.arctan2(abs(rotation[0, 1]), abs(rotation[0, 0])))
    return min(degrees, 90 - degrees)


class Agreement(ReferenceTest):
    def test_compare(self):
        runs = [self.train([*TOY, f"seed={seed}"]) for seed in (1, 2, 3)]
        codes, truth = [], None
        for run in runs:
            self.variform("encode", run, "--out", run / "codes.h5")
            tensors = read_tensors(run / "codes.h5")[0]
            codes.append(tensors["h"].numpy())
            truth = tensors["latents"].numpy()
        file = self.folder / "comparison.json"
        table = self.variform("compare", *runs, "--out", file)
        self.assertIn("mcc_truth", table)
        result = json.loads(file.read_text())
        section, arrays = result["agreement"], result["agreement_arrays"]
        self.assertEqual(result["informative"], [2, 2, 2])  # so that udr() above need not leave out any

        measures = {
            "mcc": lambda a, b: mcc(pearson(a, b)), "mcc_spearman": lambda a, b: mcc(spearman(a, b)),
            "udr": lambda a, b: udr(spearman(a, b)), "udr_lasso": lambda a, b: udr(lasso(a, b)), "angle": angle,
        }  # fmt: skip
        for name, measure in measures.items():
            scale = 45.0 if name == "angle" else 1.0
            pairs = {}
            for a, b in itertools.combinations(range(3), 2):
                pairs[a, b] = measure(codes[a], codes[b])
                self.assert_close(arrays[name][a][b], pairs[a, b], 1e-10, f"{name} of {a} and {b}", scale=scale)
                self.assertEqual(arrays[name][a][b], arrays[name][b][a])
            # With two others a run's median is its mean, and either mean over the runs the mean over the pairs.
            self.assert_close(section[name]["value"], numpy.mean(list(pairs.values())), 1e-10, name, scale=scale)
            # Without one run one pair is left.
            error = (2 * numpy.var(list(pairs.values()))) ** 0.5
            self.assert_close(section[name]["se"], error, 1e-10, f"error of {name}", scale=scale)
        for name, measure in (
            ("mcc_truth", measures["mcc"]), ("mcc_truth_spearman", measures["mcc_spearman"]), ("angle_truth", angle),
        ):  # fmt: skip
            values = [measure(code, truth) for code in codes]
            self.assert_close(arrays[name], values, 1e-10, name, scale=45.0)
            self.assert_close(section[name]["value"], numpy.mean(values), 1e-10, name, scale=45.0)
            error = numpy.std(values, ddof=1) / 3**0.5
            self.assert_close(section[name]["se"], error, 1e-10, f"error of {name}", scale=45.0)

        other = self.train([*TOY, "data.dataset.latent=3", "model.latent=3"])
        with self.assertRaisesRegex(AssertionError, "runs are compared on the same data"):
            self.variform("compare", runs[0], other)


if __name__ == "__main__":
    unittest.main()
