"""Every config that comes with the program composes: it is built, and one step runs on two rows. What cannot train is
refused before the first step, with the reason."""

import os
import pathlib
import subprocess
import unittest
import unittest.mock

from program import ProgramTest, missing_data

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BINARY = os.environ["VARIFORM_BINARY"]


class Configs(unittest.TestCase):
    def test_each(self):
        configs = sorted(config for config in (SOURCE / "configs").rglob("*.toml") if config.parent.name not in ("studies", "multirun"))
        self.assertGreater(len(configs), 20)
        checked = 0
        for config in configs:
            with self.subTest(config.name):
                environment = dict(os.environ, VARIFORM_HOME=str(SOURCE))
                done = subprocess.run([BINARY, "check", config], capture_output=True, text=True, env=environment)
                if done.returncode and missing_data(done.stderr):
                    continue
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("one step on two rows ran", done.stdout)
                checked += 1
        self.assertGreater(checked, 15)


class Names(ProgramTest):
    def test_own_configs_by_name(self):
        """A name without a file is the program's own config; a file of that name comes first."""
        named = self.run_program("config", "print", "quickstart").stdout
        self.assertEqual(named, self.run_program("config", "print", SOURCE / "configs/quickstart.toml").stdout)
        (self.folder / "quickstart").write_text((SOURCE / "configs/quickstart.toml").read_text().replace("quickstart", "another"))
        self.assertIn("another", self.run_program("config", "print", "quickstart").stdout)
        self.assertIn('Cannot read "quickstar": expected a file', self.run_program("config", "print", "quickstar", code=2).stderr)


class MissingData(ProgramTest):
    def test_what_excuses(self):
        """A data set that is not there is told from every other mistake, and excuses nothing where it should be there."""
        nowhere = dict(VARIFORM_DATA=None)
        absent = self.run_program("check", "configs/models/mnist_mlp.toml", code=1, env=nowhere).stderr
        mistaken = self.run_program("check", "configs/models/mnist_mlp.toml", "data.split=3", code=2, env=nowhere).stderr
        faces = absent.replace("mnist", "celeba-64")
        for ci, excused in ((None, ["mnist", None, "celeba-64"]), ("true", [None, None, "celeba-64"])):
            with unittest.mock.patch.dict(os.environ, {"CI": ci or ""}):
                self.assertEqual([missing_data(text) for text in (absent, mistaken, faces)], excused, absent)


class Studies(ProgramTest):
    def test_each(self):
        studies = sorted((SOURCE / "configs" / "studies").glob("*.toml"))
        self.assertGreater(len(studies), 1)
        for study in studies:
            with self.subTest(study.name):
                self.assertIn("to do", self.run_program("study", study, "--list").stdout)
                as_config = self.run_program("train", study, code=2)
                self.assertIn("describes a study; run: variform study", as_config.stderr)


class Refusals(ProgramTest):
    def refused(self, *overrides):
        result = self.run_program("train", "small.toml", *overrides, "--runs", "runs", "--no-figures", code=None)
        self.assertIn(result.code, (1, 2), str(result))
        return result.stderr

    def test_infinite_divergences(self):
        """Theory §2: draws where the prior has no density, and a Gaussian prior on a posterior without second moment."""
        unbounded = self.refused('model.prior={ type = "uniform" }')
        self.assertIn("family diagonal", unbounded)
        self.assertIn("has no density, so that KL(q || p) is infinite", unbounded)
        for df in (1.5, 2):
            heavy = self.refused(f'model.family={{ type = "student-t", df = {df} }}')
            self.assertIn("finite moments up to order 1 only, and prior gaussian", heavy)
            self.assertIn("needs order 2", heavy)
            self.assertIn("so that KL(q || p) is infinite", heavy)
        self.train('model.family={ type = "student-t", df = 2.5 }', "train.steps=1")
        self.train('model.family={ type = "student-t", df = 2 }', 'model.prior={ type = "student-t" }', "train.steps=1",
                   runs="heavy")

    def test_negative_curvature(self):
        """Theory §4: a curvature of the Student-t likelihood that is negative leaves no optimum; Fisher's does."""
        outliers = ('model.likelihood={ type = "student-t", scale = 0.001 }', "train.steps=1")
        text = self.refused('objective={ type = "grae", beta = 0.01 }', *outliers)
        self.assertIn("before the first step the term 'penalty' of the loss of objective grae", text)
        self.assertIn("likelihood student-t", text)
        self.train('objective={ type = "grae", beta = 0.01, curvature = "fisher" }', *outliers)


if __name__ == "__main__":
    unittest.main()
