"""The comparisons of test_evaluation for all objectives with all likelihoods and all decoders, in both precisions."""

import itertools
import unittest

from test_evaluation import EvaluationTest
from variform_reference import DECODERS, LIKELIHOODS, OBJECTIVES, changes_of


class Whole(EvaluationTest):
    def test_cross_product(self):
        for *case, precision in itertools.product(OBJECTIVES, LIKELIHOODS, DECODERS, ("float64", "float32")):
            with self.subTest(case=case, precision=precision):
                self.check([*changes_of(*case), f"train.precision='{precision}'"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
