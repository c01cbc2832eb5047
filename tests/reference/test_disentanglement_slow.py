"""DCI by xgboost held against scikit-learn's GradientBoostingClassifier on a model of dSprites: disentanglement,
completeness and informativeness within 0.03.
"""

import unittest

import numpy
from sklearn.ensemble import GradientBoostingClassifier

import disentanglement_reference as reference


class Importance(reference.DspritesTest):
    def test_dci(self):
        section, arrays, codes, factors, train, test = self.evaluated()
        shares, accuracies = [], []
        for j in range(factors.shape[1]):
            trees = GradientBoostingClassifier(random_state=0).fit(codes[train], factors[train, j])
            shares.append(trees.feature_importances_)
            accuracies.append(trees.score(codes[test], factors[test, j]))
        shares = numpy.array(shares).T
        for name, expected, tolerance in (
            ("dci_disentanglement", reference.concentration(shares.T), 0.03),
            ("dci_completeness", reference.concentration(shares), 0.03),
            ("dci_informativeness", numpy.mean(accuracies), 0.03),
        ):
            print(f"{name}: {section[name]['value']:.4f}, scikit-learn {expected:.4f}")
            self.assertLess(abs(section[name]["value"] - expected), tolerance, name)
        self.assert_close(arrays["importance"], shares, 0.1, "importances", scale=1.0)
        found = numpy.array(arrays["importance"])
        self.assertAlmostEqual(section["dci_disentanglement"]["value"], reference.concentration(found.T), delta=1e-9)
        self.assertAlmostEqual(section["dci_completeness"]["value"], reference.concentration(found), delta=1e-9)


if __name__ == "__main__":
    unittest.main()
