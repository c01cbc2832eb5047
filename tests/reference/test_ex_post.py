"""`--prior` held against PyTorch and scikit-learn: the density that is kept in a run's folder, rebuilt from its file, gives
−log p of held-out latents, KL and importance-weighted NLL to 1e-10; a Gaussian reaches the estimate in closed form, and
mixtures what scikit-learn's expectation–maximisation finds on the same latents.
"""

import json
import unittest

import torch
from sklearn.mixture import GaussianMixture
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from variform_reference import ReferenceTest, fashion_mnist, read_tensors, stream

ROWS, TRAIN = 24, 8000
PRIORS = {
    "gaussian": "{ type = 'gaussian', covariance = [1.0], learned = true }",
    "diagonal mixture": "mixture",
    "full mixture": "{ type = 'mixture', covariance = 'full' }",
}


def density(tensors):
    """The fitted distribution of z, from the file's tensors."""
    part = {name.removeprefix("model/prior/"): tensor.double() for name, tensor in tensors.items()}
    location, scale = part["buffers/location"], part["buffers/log_scale"].exp()

    def gaussian(mean, factor):  # of u, brought to z
        factor = scale[:, None] * factor
        covariance = factor @ factor.mT
        return MultivariateNormal(location + scale * mean, covariance)

    inner = {name.removeprefix("parameters/prior."): tensor for name, tensor in part.items()}
    if "logits" not in inner:
        return gaussian(inner["mean"], inner["below"].tril(-1) + inner["log_deviation"].exp().diag())
    deviation = torch.diag_embed(inner["log_deviations"].exp())
    below = inner["below"].tril(-1) if "below" in inner else torch.zeros_like(deviation)
    parts = gaussian(inner["means"], torch.linalg.inv(torch.eye(len(location)) + below) @ deviation)
    return MixtureSameFamily(Categorical(logits=inner["logits"][:, 0]), parts)


class ExPost(ReferenceTest):
    def setUp(self):
        self.run_folder = self.train([f"data.limit={TRAIN}", "train.steps=600"])
        model = self.model(self.run_folder)
        images = fashion_mnist()
        with torch.no_grad():
            self.held_out = torch.cat([
                model.draw(model.posterior(images[first : first + 250]), 1, stream(model.seed, "ex post", "test", first))[0]
                for first in range(0, len(images), 250)
            ])  # fmt: skip
            rng = torch.Generator().manual_seed(1)
            self.latents = model.draw(model.posterior(images[:TRAIN]), 1, rng)[0]

    def evaluate(self, prior):
        report, dump = self.run_folder / "report.json", self.run_folder / "dump.h5"
        self.variform(
            "evaluate", self.run_folder, "--prior", prior, "--limit", ROWS, "--samples", 4, "--importance-samples", 20,
            "--dump", dump, "--out", report,
        )  # fmt: skip
        (kept,) = (self.run_folder / "priors").glob("*.h5")
        fitted = density(read_tensors(kept)[0])
        kept.unlink()
        return fitted, json.loads(report.read_text()), read_tensors(dump)[0]

    def test_priors(self):
        for name, prior in PRIORS.items():
            with self.subTest(name), torch.no_grad():
                model = self.model(self.run_folder)
                fitted, report, dump = self.evaluate(prior)
                self.compare_values(model, fitted, report, dump)
                found = report["ex_post"]["latents_after"]
                if name == "gaussian":
                    closed = MultivariateNormal(self.latents.mean(0), torch.cov(self.latents.T, correction=0))
                    self.assertAlmostEqual(found, -closed.log_prob(self.held_out).mean().item(), delta=0.02)
                    self.assertEqual(report["kl"], "closed")
                else:
                    best = max(
                        GaussianMixture(10, covariance_type=name.split()[0].replace("diagonal", "diag"), random_state=seed)
                        .fit(self.latents.numpy())
                        .score(self.held_out.numpy())
                        for seed in range(3)
                    )
                    print(f"{name}: −log p {found:.3f} nats, scikit-learn's best of three {-best:.3f}")
                    self.assertLess(found, -best + 0.05)

    def compare_values(self, model, fitted, report, dump):
        """Everything that follows from the density, with the draws of the dump."""
        fit = report["ex_post"]
        self.assertEqual((fit["data"], fit["held_out"]), (TRAIN, "test"))
        self.assert_close(fit["latents_before"], -model.prior().log_prob(self.held_out).mean(), 1e-10, "before")
        self.assert_close(fit["latents_after"], -fitted.log_prob(self.held_out).mean(), 1e-10, "after")
        x = fashion_mnist()[:ROWS]
        q = model.posterior(x)
        z = dump["z"].transpose(0, 1)
        if isinstance(fitted, MultivariateNormal):
            kl = torch.distributions.kl_divergence(q, fitted)
        else:
            kl = (q.log_prob(z) - fitted.log_prob(z)).mean(0)
        self.assert_close(dump["terms/kl"], kl, 1e-10, "kl")
        model.prior = lambda: fitted
        is_nll, _ = model.importance(q, x, dump["importance_z"].transpose(0, 1))
        self.assert_close(dump["terms/is_nll"], is_nll, 1e-10, "is_nll")

    def test_notices_a_changed_mean(self):
        with torch.no_grad():
            model = self.model(self.run_folder)
            fitted, report, dump = self.evaluate(PRIORS["gaussian"])
            moved = MultivariateNormal(fitted.mean + 1e-6, fitted.covariance_matrix)
            with self.assertRaisesRegex(AssertionError, "beyond 1e-10"):
                self.compare_values(model, moved, report, dump)


if __name__ == "__main__":
    unittest.main(verbosity=2)
