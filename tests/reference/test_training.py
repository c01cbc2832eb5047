"""The training itself held against PyTorch: from the checkpoint of one step to that of a later one, in float64. The
rows of each batch, latent draws and Jacobian columns are derived from the seed as the program documents, losses and gradients
are reverse-mode differentiation of the reference, and updates are torch.optim.Adam's. Above all this shows that the
gradient of GRAE's regularizer, through pushforward, Gram matrix and Cholesky factor, is right. The reference's own
gradient is held against central differences of its values, since automatic differentiation through Jacobians can be
wrong without a word.
"""

import json
import unittest

import torch

from variform_reference import COVERING, ReferenceTest, batch_rows, changes_of, fashion_mnist, power_iterations, scheduled, stream

LIMIT = 64
GRADIENT, PARAMETER = 1e-10, 1e-9  # of the largest magnitude in a tensor
# Adam divides by a gradient's own size, which makes rounding of any gradient near zero as large as a step unless eps
# is above that rounding.
COMMON = [
    "train.optimizer={type='adam', lr=2e-3, eps=1e-6}",
    f"data.limit={LIMIT}",
    "model.encoder.activation='tanh'",
]  # central differences must not cross 64 × 64 kinks


class Training(ReferenceTest):
    def loss(self, model, step):
        """The trained loss of a step: the mean over its batch."""
        train = model.config["train"]
        rows = batch_rows(model.seed, model.config["data"]["limit"], train["batch"], step)
        return model.loss(self.images[rows], stream(model.seed, "step", step), model.beta(step)).mean()

    def optimizer(self, model):
        """torch.optim.Adam as the checkpoint left it."""
        spec = model.config["train"]["optimizer"]
        adam = torch.optim.Adam(
            model.parameters.values(), betas=(spec["beta1"], spec["beta2"]), eps=spec["eps"], foreach=False
        )
        for name, parameter in model.parameters.items():
            adam.state[parameter] = {
                part: model.tensors[f"optimizer/{name}/{part}"].clone() for part in ("step", "exp_avg", "exp_avg_sq")
            }
        return adam

    def replay(self, model, steps):
        """Trains the reference model; its losses and the last gradients."""
        adam, losses = self.optimizer(model), []
        for step in range(model.step, model.step + steps):
            for group in adam.param_groups:
                group["lr"] = scheduled(model.config["train"]["optimizer"]["lr"], step, model.horizon)
            adam.zero_grad()
            for network in (model.encoder, model.decoder):
                power_iterations(network)
            loss = self.loss(model, step)
            loss.backward()
            losses.append(loss.item())
            adam.step()
        return adam, losses

    def compare(self, model, adam, after):
        self.assertEqual(set(model.parameters), set(after.parameters))
        for name, parameter in model.parameters.items():
            for part in ("exp_avg", "exp_avg_sq"):
                self.assert_close(
                    after.tensors[f"optimizer/{name}/{part}"],
                    adam.state[parameter][part],
                    GRADIENT,
                    f"{part} of {name}",
                )
            self.assert_close(after.parameters[name], parameter, PARAMETER, name)
        for slot, network in (("encoder", model.encoder), ("decoder", model.decoder)):
            for name, buffer in network.named_buffers():
                stored = after.tensors[f"model/{slot}/buffers/network.{name}"]
                self.assert_close(stored, buffer, PARAMETER, f"buffer {name} of the {slot}")

    def check_reference(self, model, step):
        """One directional derivative of the reference's loss by central differences."""
        parameters = list(model.parameters.values())
        gradients = torch.autograd.grad(self.loss(model, step), parameters)
        rng = torch.Generator().manual_seed(step)
        direction = [torch.randn(p.shape, generator=rng) for p in parameters]
        values = []
        with torch.no_grad():
            for sign in (1, -2, 1):
                for parameter, along in zip(parameters, direction):
                    parameter += sign * 1e-6 * along
                values.append(self.loss(model, step))
        slope = (values[0] - values[1]) / 2e-6
        predicted = sum((g * v).sum() for g, v in zip(gradients, direction))
        scale = sum(g.square().sum() for g in gradients).sqrt()
        self.assert_close(predicted, slope, 1e-6, "the reference's own gradient", scale)

    def check(self, changes, start, steps):
        """Trains to step `start`, then `steps` more, and replays those."""
        run = self.train([*changes, *COMMON], "--stop-at", start)
        before = self.model(run)
        self.assertEqual(before.step, start)
        if before.objective["type"] != "beta-vae":
            self.check_reference(self.model(run), start)
        self.variform("resume", run, "--stop-at", start + steps)
        after = self.model(run)
        self.assertEqual(after.step, start + steps)
        adam, losses = self.replay(before, steps)
        self.compare(before, adam, after)
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        logged = [line["loss"] for line in lines if line["split"] == "train"][start:]
        self.assert_close(logged, losses, GRADIENT, "losses")
        return run, after

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images = fashion_mnist()[:LIMIT]

    def test_first_steps(self):
        """Three Adam steps from the start."""
        for case in COVERING:
            with self.subTest(case):
                self.check([*changes_of(*case), "train.batch=64"], 0, 3)

    def test_spectral_norms(self):
        """Of all three kinds of linear map, under an objective that differentiates tangents; two power iterations."""
        for changes in (
            [
                *changes_of("beta-vae-diagonal", "fixed", "relu"),
                "model.encoder={type='conv', channels=[4, 6], hidden=[32], activation='tanh', normalisation='spectral'}",
            ],
            [*changes_of("grae", "learned", "conv"), "model.decoder.normalisation='spectral'"],
        ):
            with self.subTest(changes):
                self.check([*changes, "train.batch=24"], 2, 2)

    def test_later_step(self):
        """One step in the middle of a training: batches that cross epochs, schedules, other structures and layers."""
        later = ["train.batch=24", "objective.beta={schedule='linear', from=0.1, to=0.9, steps=60}"]
        cosine = "train.optimizer.lr={schedule='cosine', from=3e-3, to=1e-4}"
        prior = "model.prior={type='gaussian', mean=[0.3], deviation=[1.5, 0.5, 1, 2, 1, 0.7, 1.2, 0.9]}"
        for changes in (
            [*changes_of("beta-vae-full", "learned", "tanh"), prior],
            [*changes_of("grae", "bernoulli", "conv"), "objective={type='grae', structure='block', block=3}", prior],
            ["objective={type='grae', structure='isotropic'}", *changes_of("grae", "learned", "tanh")[1:]],
            [
                "objective={type='grae'}",
                "model.family.type='optimal'",
                "model.decoder={type='mlp', hidden=[32, 32], activation='tanh', normalisation='layer'}",
            ],
            [
                "objective={type='grae-approx', columns=3, per_sample=true}",
                "model.family={type='optimal', structure='diagonal'}",
                prior,
                "model.decoder={type='conv', channels=[8, 4], hidden=[32], activation='softplus'}",
                "model.decoder.normalisation='group'",
                "model.decoder.groups=2",
            ],
        ):
            with self.subTest(changes):
                self.check([*changes, *later, cosine], 37, 1)

    def test_notices_a_changed_gradient(self):
        """The comparison itself: a regularizer that is wrong by a millionth is seen."""
        run = self.train([*changes_of("grae", "fixed", "tanh"), *COMMON], "--stop-at", 1)
        before = self.model(run)
        self.variform("resume", run, "--stop-at", 2)
        h = before.hessian
        before.hessian = lambda z: (1 + 1e-6) * h(z)
        adam, _ = self.replay(before, 1)
        with self.assertRaisesRegex(AssertionError, "beyond"):
            self.compare(before, adam, self.model(run))


if __name__ == "__main__":
    unittest.main(verbosity=2)
