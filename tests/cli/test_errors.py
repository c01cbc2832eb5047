"""A plugin that fails in the middle of a training: the run ends with the culprit's name and the step, its last
checkpoint stays, and it goes on from there as soon as the plugin is mended.
"""

import os
import pathlib
import unittest

from program import ProgramTest, checkpoint, main

PLUGIN = pathlib.Path(os.environ["VARIFORM_TEST_PLUGINS"]) / "cli" / "throws-late.so"
STEP = 5   # as in plugins/throws_late.cpp

CONFIG = """
name = "late"
seed = 3
[data.dataset]
name = "blobs"
splits.train = { x = "images.npy", rows = [0, 192] }
splits.test = { x = "images.npy", rows = [192, 256] }
[model]
latent = 3
encoder = { type = "late" }
decoder = { type = "late" }
family = { type = "late" }
prior = { type = "late" }
likelihood = { type = "late" }
[objective]
type = "late"
[train]
steps = 12
batch = 20
evaluate_every = 0
checkpoint_every = 2
log_every = 3
threads = 1
device = "cpu"
"""

# Everything that a component computes in a step. What the engine asks of a component for its log counts, too.
METHODS = ["encoder.encode", "decoder.decode", "decoder.pushforward", "family.posterior", "family.location",
           "family.rsample", "family.log_prob", "family.log_marginals", "family.entropy", "family.covariance",
           "prior.log_prob", "prior.sample", "prior.cross_entropy", "likelihood.nll", "likelihood.curvature_form",
           "likelihood.mean", "likelihood.sample", "likelihood.noise_variance", "objective.evaluate",
           "objective.beta"]


class Errors(ProgramTest):
    def setUp(self):
        super().setUp()
        (self.folder / "late.toml").write_text(CONFIG)

    def late(self, command, *arguments, fail=None, **options):
        env = {"VARIFORM_PLUGIN_PATH": str(PLUGIN.parent), "VARIFORM_TEST_FAIL": fail}
        return self.run_program(command, *arguments, "--no-figures", env=env, **options)

    def fails(self, method, way, *says, runs):
        """A training that fails so; its run. `says` is what the message must contain besides the culprit's name."""
        slot, name = method.split(".")
        result = self.late("train", "late.toml", "--runs", runs, fail=f"{method} {way}", code=1)
        (run,) = (self.folder / runs).glob("late-*")
        for text in (f"{slot} late (org.variform.test.throws-late", f"in {name}", f"at step {STEP}", *says):
            self.assertIn(text, result.stderr)
            self.assertIn(text, (run / "FAILED").read_text())
        self.assertEqual(result.stdout, "")
        self.assertFalse((run / "DONE").exists())
        self.assertEqual(checkpoint(run).step, STEP - 1)
        return run

    def test_an_exception_in_every_method(self):
        for number, method in enumerate(METHODS):
            with self.subTest(method):
                self.fails(method, "throw", "the sensor fell off", runs=f"runs-{number}")

    def test_denormal_numbers_are_zero_in_the_program(self):
        self.late("train", "late.toml", "--runs", "runs", fail="objective.evaluate denormal")

    def test_other_exceptions(self):
        for slot in ("encoder.encode", "family.rsample", "likelihood.noise_variance", "objective.evaluate"):
            with self.subTest(slot):
                self.fails(slot, "int", "does not derive from std::exception", runs=f"int-{slot}")
                self.fails(slot, "torch", "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", runs=f"torch-{slot}")

    def test_wrong_shapes(self):
        expected = {"encoder.encode": ("[1, 20, 6]", "[20, 6]"), "decoder.decode": ("[1, 20, 1, 8, 8]", "[20, 1, 8, 8]"),
                    "decoder.pushforward": ("[1, 3, 20, 1, 8, 8]", "[3, 20, 1, 8, 8]"),
                    "family.rsample": ("[1, 1, 20, 3]", "[1, 20, 3]"), "family.entropy": ("[1, 20]", "[20]"),
                    "prior.log_prob": ("[1, 20]", "[20]"), "likelihood.nll": ("[1, 1, 20]", "[1, 20]"),
                    "likelihood.curvature_form": ("[1, 20, 3, 3]", "[20, 3, 3]"), "objective.evaluate": ("[1, 20]", "[B]")}
        for method, (found, right) in expected.items():
            with self.subTest(method):
                self.fails(method, "shape", found, right, "expected" if "objective" not in method else "must be",
                           runs=f"shape-{method}")
        self.fails("prior.cross_entropy", "undefined", "undefined tensor", runs="undefined")

    def test_an_exception_in_the_backward_pass(self):
        """The graph does not say whose it is; the message says what it can."""
        result = self.late("train", "late.toml", fail="encoder.backward throw", code=1)
        for text in ("the backward pass", f"at step {STEP}", "the sensor fell off"):
            self.assertIn(text, result.stderr)
        (run,) = (self.folder / "runs").glob("late-*")
        self.assertEqual(checkpoint(run).step, STEP - 1)

    def test_on_with_a_mended_plugin(self):
        whole = self.folder / self.late("train", "late.toml", "--runs", "whole").last_line
        for number, (method, way) in enumerate((("decoder.decode", "throw"), ("family.rsample", "int"),
                                                ("objective.evaluate", "shape"))):
            with self.subTest(method):
                run = self.fails(method, way, runs=f"mended-{number}")
                self.late("resume", run)
                self.assertFalse((run / "FAILED").exists())
                self.assert_same_checkpoint(run / "checkpoints" / "last.h5", whole / "checkpoints" / "last.h5")
                self.assertEqual((run / "metrics.jsonl").read_text(), (whole / "metrics.jsonl").read_text())


if __name__ == "__main__":
    main()
