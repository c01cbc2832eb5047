"""`variform export` as a user of PyTorch meets it: torch.load(weights_only=True), the generated Python module, and
outputs that agree to 1e-5 of the largest with those of the model rebuilt from the checkpoint.
"""

import importlib.util
import subprocess
import sys
import tomllib
import unittest

import torch

from variform_reference import ReferenceTest, changes_of, fashion_mnist


def imported(path):
    specification = importlib.util.spec_from_file_location("exported", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Export(ReferenceTest):
    def check(self, changes):
        run = self.train([*changes, "train.steps=100"])
        model = self.model(run)
        weights = run / "model.pt"
        self.variform("export", run, "--out", weights)

        state = torch.load(weights, weights_only=True)
        stored = {}
        for name, tensor in model.tensors.items():
            if name.startswith("model/"):
                _, slot, _, rest = name.split("/")
                stored[f"{slot}.{rest}"] = tensor
        self.assertEqual(set(state), set(stored))
        for name, tensor in stored.items():
            self.assertTrue(torch.equal(state[name], tensor), name)
        self.assertEqual(tomllib.loads(state.metadata["config"]), model.config)

        x = fashion_mnist()[:32]
        z = torch.randn(32, model.d, generator=torch.Generator().manual_seed(1))
        encoder, decoder = imported(weights.with_suffix(".py")).load()
        with torch.no_grad():
            for name, network, own, given in (
                ("encoder", encoder, model.encoder, x),
                ("decoder", decoder, model.decoder, z),
            ):
                found = network(given.to(model.dtype))
                self.assertEqual(found.dtype, model.dtype)
                self.assert_close(found, own(given), 1e-5 if model.dtype == torch.float32 else 1e-12, name)
        return weights, model, decoder, z

    def test_networks(self):
        norm = "activation='leaky-relu', normalisation='group', groups=2"
        conv = f"model.encoder={{type='conv', channels=[4, 6, 8], hidden=[32], {norm}}}"
        for changes in (
            changes_of("beta-vae-diagonal", "fixed", "relu"),
            [*changes_of("grae", "learned", "conv"), conv, "train.precision='float32'"],
            [
                "model.decoder={type='mlp', hidden=[32, 32], activation='gelu', normalisation='layer'}",
                "train.precision='float32'",
            ],
            [
                *changes_of("beta-vae-diagonal", "fixed", "conv"),
                "model.encoder={type='conv', channels=[4, 6], hidden=[32], normalisation='spectral'}",
                "model.decoder.normalisation='spectral'",
                "train.precision='float32'",
            ],
        ):
            with self.subTest(changes):
                self.check(changes)

    def test_notices_a_changed_weight(self):
        """The comparison itself; and the module in a Python of its own, moved to another folder with its weights."""
        weights, model, decoder, z = self.check(
            [*changes_of("beta-vae-full", "bernoulli", "tanh"), "train.precision='float32'"]
        )
        with torch.no_grad():
            decoder.network[0].weight[0, 0] += 1e-2
            with self.assertRaisesRegex(AssertionError, "beyond 1e-05"):
                self.assert_close(decoder(z.float()), model.decoder(z), 1e-5, "decoder")
        moved = self.folder / "moved"
        moved.mkdir()
        for suffix in (".pt", ".py"):
            weights.with_suffix(suffix).rename(moved / f"model{suffix}")
        program = (
            "import model, torch; encoder, decoder = model.load(); print(list(decoder(torch.zeros(3, 8)).shape))"
        )
        done = subprocess.run([sys.executable, "-c", program], cwd=moved, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "[3, 1, 28, 28]")


if __name__ == "__main__":
    unittest.main(verbosity=2)
