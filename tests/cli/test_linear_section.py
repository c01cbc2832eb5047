"""`evaluate --linear`: the closed form of the linear β-VAE on the data in hand, against numpy."""

import json

import numpy

from program import ProgramTest, checkpoint, main


class LinearSection(ProgramTest):
    def setUp(self):
        super().setUp()
        self.x = numpy.load(self.folder / "images.npy").reshape(256, -1).astype(numpy.float64)[:192] / 255

    def evaluated(self, *overrides):
        run = self.train("model.encoder={type=\"linear\"}",
                         "model.decoder={type=\"linear\", init_bias=\"data-mean\", examples=192}", "objective.beta=0.02",
                         "train.precision=\"float64\"", "train.batch=192", *overrides)
        self.run_program("evaluate", run, "--split", "train", "--samples", 64, "--importance-samples", 0, "--linear")
        return run, json.loads((run / "evaluation-train.json").read_text())

    def optimum(self, beta, variance=1.0, d=4):
        values, vectors = numpy.linalg.eigh(numpy.cov(self.x.T, bias=True))
        values, vectors = values[::-1], vectors[:, ::-1]
        effective = beta * variance
        k = min(d, int((values > effective).sum()))
        loss = 0.5 * values[k:].sum() + effective / 2 * (1 + numpy.log(values[:k] / effective)).sum()
        return loss / variance, k, vectors[:, :k]

    def test_closed_form_and_directions(self):
        run, found = self.evaluated("train.steps=3000", "train.optimizer.lr=1e-2", "train.evaluate_every=0",
                                    "train.checkpoint_every=0")
        section, values = found["linear"], found["values"]
        loss, k, principal = self.optimum(0.02)
        constant = 32 * numpy.log(2 * numpy.pi)
        self.assertEqual(section["linear_active"]["value"], k)
        self.assertAlmostEqual(section["linear_loss_no_constant"]["value"], loss, delta=1e-9)
        self.assertAlmostEqual(section["linear_loss"]["value"], loss + constant, delta=1e-9)
        above = values["loss_beta"]["mean"] - constant - loss
        self.assertAlmostEqual(section["above_linear"]["value"], above, delta=1e-9)
        self.assertAlmostEqual(section["above_linear_percent"]["value"], 100 * above / loss, delta=1e-6)
        self.assertLess(abs(above), 0.01 * loss + 4 * values["loss_beta"]["se"])  # it has been reached

        # The decoder is linear: its Jacobian is its weight.
        (weight,) = [w for name, w in checkpoint(run).of("model/decoder/parameters/").items() if name.endswith("weight")]
        lengths = numpy.linalg.norm(weight, axis=0)
        cosines = numpy.abs(principal.T @ (weight / lengths)).max(0)
        self.assertAlmostEqual(section["principal_columns"]["value"], numpy.average(cosines, weights=lengths**2), delta=1e-8)
        leading = numpy.linalg.svd(weight)[0][:, :k]
        angles = numpy.linalg.svd(principal.T @ leading, compute_uv=False)
        self.assertAlmostEqual(section["principal_subspace"]["value"], angles.min(), delta=1e-8)
        self.assertGreater(section["principal_subspace"]["value"], 0.999)

    def test_variances(self):
        # A full family on a linear model: in the optimum its covariance has the eigenvalues β/λ, whatever the rotation.
        run, found = self.evaluated("model.family.type=full", "objective.beta=0.2", "train.steps=4000", "train.evaluate_every=0",
                                    "train.checkpoint_every=0",
                                    "train.optimizer.lr={schedule=\"cosine\", from=1e-2, to=1e-5}")
        values = numpy.linalg.eigvalsh(numpy.cov(self.x.T, bias=True))[::-1]
        expected = numpy.minimum(1, 0.2 / values[:4])
        arrays = found["linear_arrays"]
        numpy.testing.assert_allclose(arrays["optimal_variances"], expected, rtol=1e-9)
        numpy.testing.assert_allclose(arrays["learned_variances"], expected, rtol=0.05)

    def test_another_variance_is_another_beta(self):
        _, found = self.evaluated("train.steps=5", "model.likelihood.variance=0.25")
        loss, k, _ = self.optimum(0.02, 0.25)
        self.assertEqual(found["linear"]["linear_active"]["value"], k)
        self.assertAlmostEqual(found["linear"]["linear_loss_no_constant"]["value"], loss, delta=1e-9)

    def test_where_there_is_none_it_says_why(self):
        _, found = self.evaluated("train.steps=5", 'model.likelihood={type="bernoulli"}')
        self.assertIn("Gaussian likelihood", found["linear"]["linear_loss"]["undefined"])


if __name__ == "__main__":
    main()
