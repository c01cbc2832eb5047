"""What docs/results.md rests on: the closed form of the linear β-VAE against a direct evaluation of that model, and the
demand that its table states.
"""

import pathlib
import sys
import unittest

import numpy

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests" / "reference"))
sys.dont_write_bytecode = True

import linear_bound  # noqa: E402


class ClosedForm(unittest.TestCase):
    def direct(self, train, y, beta, d):
        """The loss on y of the linear model with the weights that are optimal on `train` (theory §4, end)."""
        mean, covariance = linear_bound.moments(train)
        values, vectors = linear_bound.spectrum(covariance)
        k = linear_bound.optimum(values, beta, d)[1]
        scale = numpy.sqrt(values[:k] - beta)
        w = vectors[:, :k] * scale
        h = (y - mean) @ vectors[:, :k] * scale / values[:k]
        variances = beta / values[:k]
        reconstruction = 0.5 * ((y - mean - h @ w.T) ** 2).sum(1) + 0.5 * (variances * (w**2).sum(0)).sum()
        kl = 0.5 * (h**2 + variances - 1 - numpy.log(variances)).sum(1)
        return (reconstruction + beta * kl).mean()

    def test_against_the_model(self):
        random = numpy.random.default_rng(0)
        mix = random.normal(size=(6, 6))
        train = random.normal(size=(500, 6)) @ mix + 1
        test = random.normal(size=(300, 6)) @ mix * 1.1 + 1.3
        for beta, d in ((0.7, 4), (0.05, 3), (4.0, 6)):
            values = linear_bound.spectrum(linear_bound.moments(train)[1])[0]
            found = linear_bound.optimum(values, beta, d)[0]
            self.assertAlmostEqual(found, self.direct(train, train, beta, d), places=10)
            found = linear_bound.transferred(linear_bound.moments(train), linear_bound.moments(test), beta, d)
            self.assertAlmostEqual(found, self.direct(train, test, beta, d), places=10)
            own = linear_bound.optimum(linear_bound.spectrum(linear_bound.moments(test)[1])[0], beta, d)[0]
            self.assertLess(own, found)


class Table(unittest.TestCase):
    def test_ten_per_cent(self):
        rows = [line for line in (SOURCE / "docs" / "results.md").read_text().splitlines() if line.startswith("| `")]
        for row in rows:
            cells = [cell.strip() for cell in row.strip("|").split(" | ")]
            self.assertEqual(len(cells), 10, row)
            loss, lower = float(cells[6].split(" ± ")[0]), min(float(cells[7]), float(cells[8]))
            self.assertLessEqual(loss, 0.9 * lower, row)
            self.assertAlmostEqual(float(cells[9].removesuffix(" %")), 100 * (1 - loss / lower), delta=0.1)


class Plugins(unittest.TestCase):
    def test_limits(self):
        """What is promised of plugins: built within 15 s on one core, a hundred of them listed within one."""
        text = (SOURCE / "docs" / "results.md").read_text()
        rows = {row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ")[-1] for row in text.splitlines() if row.startswith("| ")}
        (build,) = [value for name, value in rows.items() if name.startswith("to configure it, and to build it")]
        (listing,) = [value for name, value in rows.items() if name.startswith("listing with 100 more plugins")]
        self.assertLess(float(build.split(", ")[1].split()[0]), 15)
        self.assertLess(float(listing.split()[0]), 1)


if __name__ == "__main__":
    unittest.main()
