"""The studies of the project in their quick variants: the same code on real data, from the file to tables and figures.
What is checked of the numbers holds after a hundred steps as well: orders, closed forms, ranges."""

import collections
import csv
import os
import pathlib
import shutil
import tempfile
import unittest

from program import ProgramTest, main, missing_data

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])


class QuickStudies(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.cache = tempfile.mkdtemp(prefix="variform-cache-")  # the classifier of MNIST is trained once for all studies
        cls.addClassCleanup(shutil.rmtree, cls.cache, ignore_errors=True)
        # The stock one with a fiftieth of its steps, which would be a fifth of all that is computed here.
        stock = (SOURCE / "configs/features/conv.toml").read_text()
        cls.features = pathlib.Path(cls.cache) / "conv.toml"
        cls.features.write_text(stock.replace("epochs = 6", "steps = 60"))

    def with_features(self, *evaluations):
        return [f"study.evaluate.{evaluation}.features={self.features}" for evaluation in evaluations]

    def results(self, name, *overrides):
        """Runs it: every table, figure and the page are there. Values by metric and labels: {metric: {labels: [value]}},
        labels being the stage, those of the axes but for the seed, the evaluation and the epoch."""
        file = SOURCE / "configs" / "studies" / f"{name}.toml"
        result = self.run_program("study", file, *overrides, "--jobs", 2, code=None, timeout=1800, env=dict(XDG_CACHE_HOME=self.cache))
        if result.code and (missing := missing_data(result.stderr)):
            self.skipTest(f"the data set {missing} is not here")
        self.assertEqual(result.code, 0, str(result))
        folder = self.folder / "studies" / name.replace("_", "-")
        for figure in (folder / "figures").glob("*.gp"):
            self.assertGreater(figure.with_suffix(".png").stat().st_size, 1000, figure.name)
            self.assertTrue(figure.with_suffix(".svg").exists(), figure.name)
        self.assertTrue((folder / "report.html").exists())
        values = collections.defaultdict(lambda: collections.defaultdict(list))
        with open(folder / "results.csv", newline="") as rows:
            reader = csv.DictReader(rows)
            axes = reader.fieldnames[1:reader.fieldnames.index("evaluation")]
            for row in reader:
                self.assertTrue(row["commit"] or not row["hash"], row)  # comparisons are of several runs
                labels = (row["stage"], *(row[axis] for axis in axes if axis != "seed"), row["evaluation"], row["epoch"])
                values[row["metric"]][labels].append(float(row["value"]))
        return values

    def figures(self, name):
        return {figure.stem for figure in (self.folder / "studies" / name / "figures").glob("*.png")}

    def test_linear(self):
        found = self.results("linear_quick")
        above = found["above_linear_percent"]
        self.assertEqual(len(above), 2)
        for labels, (percent,) in above.items():  # a tenth of the training: near, and never below
            self.assertGreater(percent, -0.01, labels)
            self.assertLess(percent, 3, labels)
        self.assertEqual({value for values in found["linear_active"].values() for value in values}, {6})

    def test_objectives(self):
        found = self.results("objectives_quick")
        self.assertEqual(len({labels[2] for labels in found["L_GRAE"]}), 5)
        for labels, (value,) in found["L_GRAE"].items():  # §4, on one decoder
            (diagonal,), (isotropic,) = found["diagonal bound"][labels], found["isotropic bound"][labels]
            self.assertLessEqual(value, diagonal + 1e-6, labels)
            self.assertLessEqual(diagonal, isotropic + 1e-6, labels)
            (taylor,) = found["L_Taylor"][labels]
            self.assertGreaterEqual(taylor, value - 1e-3, labels)
        self.assertTrue({"along-grae", "values", "relative", "ratio-r", "rate-distortion", "variances"}
                        <= self.figures("objectives-quick"))

    def test_structure(self):
        found = self.results("structure_quick")
        for labels, (within,) in found["within blocks"].items():
            (across,), (both,) = found["across blocks"][labels], found["among active latents"][labels]
            self.assertAlmostEqual(within + across, both, delta=1e-6)
        self.assertEqual(self.figures("structure-quick"), {"metric", "against-beta"})

    def test_equal_terms(self):
        found = self.results("equal_terms_quick")
        self.assertEqual(len(found["L_β"]), 9)
        for labels, (more,) in found["L_β − diagonal's"].items():  # larger families have learned as much by then
            self.assertLess(abs(more), 0.3, labels)

    def test_taylor(self):
        found = self.results("taylor_quick")
        rest = {labels[2]: max(map(abs, values)) for labels, values in found["gauss_newton_rest"].items()}
        self.assertLess(rest["relu"], 1e-5)  # §3: Gauss–Newton is all of the Hessian of a piecewise-linear decoder
        self.assertGreater(rest["tanh"], 1e-3)

    def test_estimators(self):
        noise = {labels[1]: values[0] for labels, values in self.results("estimators_quick")["gradient_noise"].items()}
        self.assertLess(noise["all 16"], 1e-3 * noise["1 a step"])
        self.assertLess(noise["1 a sample"], noise["1 a step"])
        self.assertLess(noise["4 a step"], noise["2 a step"])

    def test_samples(self):
        found = self.results("samples_quick", *self.with_features("prior", "ex-post-gaussian", "ex-post-mixture"))
        names = [metric for metric in found if metric.startswith("frechet_samples[mnist-conv-")]
        self.assertEqual(len(names), 1)
        self.assertEqual({labels[-2] for labels in found[names[0]]}, {"prior", "ex-post-gaussian", "ex-post-mixture"})
        for values in found[names[0]].values():
            self.assertGreater(values[0], 0)
        self.assertTrue({"samples", "ex-post-mixture", "reconstructions", "frechet"} <= self.figures("samples-quick"))

    def test_frey_samples(self):
        self.assertEqual(len(self.results("frey_samples_quick")["is_nll"]), 4)
        names = {f"{name}-{size}" for name in ("samples", "ex-post-gaussian", "reconstructions") for size in ("small", "large")}
        self.assertTrue(names <= self.figures("frey-samples-quick"))

    def test_autoencoders(self):
        found = self.results("autoencoders_quick", *self.with_features("prior", "ex-post-gaussian", "ex-post-mixture"))
        self.assertEqual(len([labels for labels in found["distortion at the mean"] if "final" in labels]), 7)

    def test_uniqueness(self):
        found = self.results("uniqueness_quick")
        self.assertEqual(len(found["angle_truth"]), 16)
        for values in found["angle_truth"].values():
            self.assertGreaterEqual(values[0], 0)
            self.assertLessEqual(values[0], 45)
        self.assertEqual(self.figures("uniqueness-quick"), {"angles", "angles-between-seeds"})

    def test_ivae(self):
        found = self.results("ivae_quick")
        self.assertEqual(len(found["mcc_truth"]), 4)
        for values in found["mcc_truth"].values():
            self.assertGreater(values[0], 0.2)
            self.assertLessEqual(values[0], 1)
        self.assertEqual(self.figures("ivae-quick"), {"mcc"})

    def test_linear_rotation(self):
        """§7: trained encoders meet the closed form; A ∝ I and the full family cost nothing."""
        found = self.results("linear_rotation_quick")
        compared = 0
        for labels, (gap,) in found["trained"].items():
            (expected,) = [0] if "full" in labels else found["closed form"][labels]
            self.assertAlmostEqual(gap, expected, delta=0.06, msg=str(labels))
            compared += 1
        self.assertEqual(compared, 20)
        self.assertGreater(max(value for (value,) in found["closed form"].values()), 0.3)
        self.assertLess(max(value for labels, (value,) in found["closed form"].items() if "A ∝ I" in str(labels)), 1e-6)

    def test_rotation(self):
        found = self.results("rotation_quick")
        at = {labels[1]: sum(values) / len(values) for labels, values in found["trained"].items()
              if labels[0] == "refit" and "mean-field" in labels}
        self.assertEqual(set(at), {"0", "45"})
        self.assertGreater(at["45"], at["0"] + 0.2)
        for labels, values in found["closed form"].items():
            if labels[0] == "refit":
                self.assertAlmostEqual(sum(values), sum(found["trained"][labels]), delta=0.15, msg=str(labels))
        self.assertTrue(found["angle_truth"])

    def test_disentanglement(self):
        found = self.results("disentanglement_quick")
        self.assertFalse(found["factor_vae_score"])  # not defined: after ten steps no latent has a variance of 0.05
        for metric in ("mig", "sap", "dci_disentanglement", "beta_vae_score"):
            scores = {labels: values for labels, values in found[metric].items() if "scores" in labels}
            self.assertEqual(len(scores), 2)
            for values in scores.values():
                self.assertGreaterEqual(values[0], 0)
                self.assertLessEqual(values[0], 1)


if __name__ == "__main__":
    main()
