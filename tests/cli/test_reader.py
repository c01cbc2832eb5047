"""sdk/python/variform_reader.py reads what the program wrote; its Student quantiles against scipy's."""

import json
import os
import pathlib
import sys

import numpy
import scipy.stats

from program import ProgramTest, checkpoint, main, metrics

sys.path.insert(0, str(pathlib.Path(os.environ["VARIFORM_SOURCE"]) / "sdk" / "python"))
import variform_reader  # noqa: E402

STUDY = """
include = ["small.toml"]
name = "pair"
[study.axes]
"model.family.type" = ["diagonal", "full"]
seed = [1, 2]
[study.evaluate.final]
samples = 2
importance_samples = 0
[study.evaluate.along]
epochs = [0, 1]
at_end = false
samples = 2
importance_samples = 0
[study.compare.seeds]
over = "seed"
[study.draw.samples]
command = "sample"
n = 4
"""


class Reader(ProgramTest):
    def test_run(self):
        folder = self.train()
        self.run_program("encode", folder)
        run = variform_reader.Run(folder)
        self.assertTrue(run.done)
        self.assertEqual(run.config["objective"]["beta"], 0.5)
        steps, loss = run.metric("loss")
        self.assertEqual(list(zip(steps, loss)), [(line["step"], line["loss"]) for line in metrics(folder, "test")])
        with self.assertRaisesRegex(KeyError, "it has: .*kl"):
            run.metric("elbow")
        expected = checkpoint(folder).of("model/decoder/parameters/")
        found = run.parameters("decoder")
        self.assertEqual({f"model/decoder/parameters/{name}" for name in found}, set(expected))
        self.assertEqual(run.codes()["h"].shape, (64, 4))
        with self.assertRaisesRegex(FileNotFoundError, "variform evaluate"):
            run.evaluation()
        with self.assertRaisesRegex(FileNotFoundError, "expected a run folder"):
            variform_reader.Run(self.folder)

    def test_study(self):
        (self.folder / "pair.toml").write_text(STUDY)
        self.run_program("study", "pair.toml", "--jobs", 2)
        study = variform_reader.Study(self.folder / "studies" / "pair", self.folder / "runs")
        self.assertEqual(study.axes, ["model.family.type", "seed"])
        self.assertEqual(len(study.runs()), 4)
        ((labels, run),) = study.runs(model_family_type="full", seed=2)
        self.assertEqual((labels["seed"], run.config["seed"], run.config["model"]["family"]["type"]), ("2", 2, "full"))
        rows = study.rows("kl", {"model.family.type": "full"})
        self.assertEqual(len(rows), 2)
        mean, half, values = study.interval("kl", {"model.family.type": "full"})
        self.assertEqual(sorted(values), sorted(row["value"] for row in rows))
        low, high = scipy.stats.t.interval(0.95, 1, mean, scipy.stats.sem(values))
        self.assertAlmostEqual(mean + half, high, delta=1e-6 * abs(high - low))
        self.assertEqual(len(study.table(metric="kl")), 4)

        self.assertEqual({row["seed"] for row in study.rows("kl", {"seed": [1, 2], "stage": "main"})}, {"1", "2"})
        self.check_arrays(study)

    def check_arrays(self, study):
        metric = study.array("geometry_arrays.metric.mean", {"model.family.type": "full"}, evaluation="final")
        self.assertEqual(metric.shape, (2, 4, 4))
        for (labels, run), expected in zip(study.runs(model_family_type="full"), metric):
            (entry,) = [entry for cell in study.summary["cells"] if dict(cell["labels"]) == labels
                        for entry in cell["evaluations"] if entry["epoch"] == "end"]
            written = json.loads((run.folder / entry["file"]).read_text())["geometry_arrays"]["metric"]["mean"]
            self.assertEqual(expected.tolist(), written)
        self.assertEqual(study.array("values.kl.mean", epoch=1, evaluation="along").shape, (4,))
        along = study.arrays("information_arrays.latent_kl", {"seed": 2, "model.family.type": "full"}, epoch=None)
        self.assertEqual([(labels["epoch"], array.shape) for labels, array in along], [("0", (4,)), ("1", (4,)), ("end", (4,))])
        with self.assertRaisesRegex(ValueError, "different evaluations: .'along', 'final'"):
            study.array("values.kl.mean", epoch=None)
        with self.assertRaisesRegex(KeyError, "has 'geometry_arrays.metrics'"):
            study.array("geometry_arrays.metrics")
        self.assertEqual([labels for labels, _ in study.evaluations(evaluation="seeds")],
                         [{"model.family.type": "diagonal"}, {"model.family.type": "full"}])
        self.assertEqual(study.array("agreement_arrays.mcc", {"model.family.type": "full"}, "seeds").shape[0], 1)
        pictures = study.pictures("samples", {"seed": 1})
        self.assertEqual([labels["model.family.type"] for labels, _ in pictures], ["diagonal", "full"])
        for _, file in pictures:
            self.assertEqual(file.read_bytes()[:4], b"\x89PNG")

    def test_intervals(self):
        for n in (2, 3, 10, 31, 32, 60, 200):
            values = numpy.random.default_rng(n).normal(size=n)
            mean, half, _ = variform_reader.interval(values)
            expected = scipy.stats.t.ppf(0.975, n - 1) * scipy.stats.sem(values)
            self.assertAlmostEqual(half / expected, 1, delta=1e-5 if n > 31 else 1e-7)
        self.assertTrue(numpy.isnan(variform_reader.interval([1.0])[1]))


if __name__ == "__main__":
    main()
