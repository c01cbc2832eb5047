"""variform.search on a toy of β × learning rate: nearly the grid's best with a quarter of its steps."""

import os
import pathlib
import sys
import tempfile
import unittest

import numpy

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
os.environ["VARIFORM_PREFIX"] = str(BUILD)
sys.path.insert(0, str(SOURCE / "python"))
if not (BUILD / "lib/libvariform_python.so").is_file():
    sys.exit(77)

import variform  # noqa: E402

STEPS, RUNGS = 240, (20, 60)
CONFIG = f"""
name = "toy"
seed = 1
[data.dataset]
name = "plane"
splits.train = {{ x = "plane.npy", rows = [0, 512] }}
splits.test = {{ x = "plane.npy", rows = [512, 640] }}
[model]
latent = 3
encoder = {{ type = "mlp", hidden = [32] }}
decoder = {{ type = "mlp", hidden = [32] }}
family = {{ type = "diagonal" }}
prior = {{ type = "gaussian" }}
likelihood = {{ type = "gaussian", variance = 0.1 }}
[objective]
type = "beta-vae"
[train]
steps = {STEPS}
batch = 64
evaluate_every = 20
checkpoint_every = 0
threads = 1
"""
BETAS, RATES = numpy.geomspace(0.03, 30, 6), numpy.geomspace(1e-5, 1e-1, 6)
SPACE = {"objective.beta": {"low": 0.03, "high": 30, "log": True},
         "train.optimizer.lr": {"low": 1e-5, "high": 1e-1, "log": True}}


def bound(parts):
    """−ELBO, which does not depend on the β of the training, as its loss does."""
    return parts["nll"] + parts["kl"]


class Searches(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="variform-search-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        random = numpy.random.default_rng(1)
        x = random.normal(size=(640, 3)) @ random.normal(size=(3, 12)) + 0.3 * random.normal(size=(640, 12))
        numpy.save(self.folder / "plane.npy", x.astype(numpy.float32))
        (self.folder / "toy.toml").write_text(CONFIG)
        self.options = {"runs": self.folder / "runs", "value": bound}

    def search(self, trials, **options):
        return variform.search(self.folder / "toy.toml", SPACE, trials=trials, **{**self.options, **options})

    def test_beside_a_grid(self):
        import optuna

        grid = self.search(len(BETAS) * len(RATES), sampler=optuna.samplers.GridSampler(
            {"objective.beta": list(map(float, BETAS)), "train.optimizer.lr": list(map(float, RATES))}), runs=self.folder / "grid")
        self.assertEqual(grid.steps, STEPS * len(BETAS) * len(RATES))
        found = self.search(22, rungs=RUNGS)
        print(f"grid: {grid}\nsearch: {found}")
        self.assertLessEqual(found.steps, grid.steps / 4)
        self.assertLessEqual(found.best["value"], grid.best["value"] + 0.05 * abs(grid.best["value"]))
        # A trial that went on past its rungs is the run that never stopped.
        overrides = {**found.best["overrides"], "name": "again"}
        again = variform.train(self.folder / "toy.toml", overrides, progress=False, runs=self.folder / "runs", no_figures=True)
        best = found.load()
        for name, tensor in best.state_dict().items():
            self.assertTrue((tensor == again.state_dict()[name]).all(), name)

    def test_goes_on(self):
        """Trials that are there already are not trained again, and are the same."""
        first = self.search(3)
        files = {file: file.stat().st_mtime_ns for file in (self.folder / "runs").glob("*/checkpoints/last.h5")}
        more = self.search(5)
        self.assertEqual(len(files), 3)
        for file, changed in files.items():
            self.assertEqual(file.stat().st_mtime_ns, changed, file)
        self.assertEqual([trial.value for trial in more.study.trials[:3]], [trial.value for trial in first.study.trials])

    def test_refusals(self):
        for space, sentence in (({"objective.beta": 3}, "the space of objective.beta is a list"),
                                ({"objective.bta": [1, 2]}, "bta")):
            with self.assertRaisesRegex(ValueError, sentence):
                variform.search(self.folder / "toy.toml", space, trials=1, **self.options)
        with self.assertRaisesRegex(ValueError, "no part 'elbo'; they have"):
            self.search(1, value="elbo")
        with self.assertRaisesRegex(ValueError, "set train.evaluate_every to the first rung"):
            self.search(1, rungs=(5,))


if __name__ == "__main__":
    unittest.main()
