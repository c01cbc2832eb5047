"""Data with missing values from the command line: what is said, trained, evaluated, refused and imputed."""

import json
import sys

import h5py
import numpy

from program import ProgramTest, main


class Missing(ProgramTest):
    def holes(self, share=0.3):
        """Small images of which a share of the pixels is missing, beside a mask that says so."""
        images = numpy.load(self.folder / "images.npy")
        mask = numpy.random.default_rng(1).uniform(size=images.shape) > share
        numpy.save(self.folder / "mask.npy", mask)
        text = (self.folder / "small.toml").read_text()
        (self.folder / "holes.toml").write_text(text.replace('labels = "labels.npy"', 'labels = "labels.npy"\nmask = "mask.npy"'))
        return images, mask

    def test_trained_and_evaluated(self):
        images, mask = self.holes()
        refused = self.run_program("train", "holes.toml", "--folder", "refused", code=1)
        self.assertIn('write missing = "mask" in [data]', refused.stderr)
        run = self.train("data.missing=mask", config="holes.toml")
        self.assertIn("values are missing", self.run_program("describe", run).stdout)
        report = self.run_program("evaluate", run, "--json").json
        values, observed = report["values"], mask[192:].sum() / 64
        self.assertAlmostEqual(report["constant"], 0.5 * observed * numpy.log(2 * numpy.pi), places=6)
        # The values that are missing have no say: the same numbers whatever stands there.
        images[~mask] = 255 - images[~mask]
        numpy.save(self.folder / "images.npy", images)
        again = self.run_program("evaluate", run, "--json", "--out", "again.json").json
        self.assertEqual(again["values"], values)
        self.run_program("reconstruct", run, "--out", "seen.png")
        self.run_program("sample", run)

    def test_refusals(self):
        self.holes()
        whole = self.train()
        self.assertIn("lacks no values", self.run_program("reconstruct", whole, "--impute", code=1).stderr)
        grey = self.run_program("train", "holes.toml", "data.missing=mask", "data.channels=colour", "--folder", "grey", code=1)
        self.assertIn("exclude each other", grey.stderr)
        odd = self.run_program("train", "small.toml", "data.missing=drop", "--folder", "odd", code=2)
        self.assertIn('"mask"', odd.stderr)
        run = self.train("data.missing=mask", config="holes.toml", runs="linear")
        linear = self.run_program("evaluate", run, "--linear", "--json").json
        self.assertIn("data that lack no values", json.dumps(linear))

    def test_imputed_as_the_closed_form(self):
        """Probabilistic PCA with holes: E[missing | observed] by the exported weights against the file's."""
        random = numpy.random.default_rng(2)
        x = (random.normal(size=(600, 2)) @ random.normal(size=(2, 6)) + 0.3 * random.normal(size=(600, 6)) + 1)
        x[random.uniform(size=x.shape) < 0.25] = numpy.nan
        numpy.savetxt(self.folder / "table.csv", x, delimiter=",", header="a,b,c,d,e,f", comments="")
        text = (self.folder / "table.csv").read_text().replace("nan", "")
        (self.folder / "table.csv").write_text(text)
        (self.folder / "pca.toml").write_text("""
name = "pca"
[data]
missing = "mask"
[data.dataset]
x = "table.csv"
[model]
latent = 2
encoder = { type = "mlp", hidden = [32] }
decoder = { type = "linear" }
family = { type = "full" }
prior = { type = "gaussian" }
likelihood = { type = "gaussian", variance = 0.09 }
[objective]
type = "beta-vae"
beta = 1
[train]
steps = 1000
batch = 100
threads = 1
optimizer = { type = "adam", lr = 0.01 }
""")
        run = self.train(config="pca.toml", runs="pca")
        shown = self.run_program("data", "show", "table.csv", "data.missing=mask").stdout
        self.assertIn(f"missing values: {numpy.isnan(x).sum()}", shown)
        said = self.run_program("reconstruct", run, "--impute", "--n", 3000, "--out", "imputed.h5")
        self.assertIn("effective on average", said.stderr)
        self.run_program("export", run, "--out", "exported.pt")
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        import exported
        decoder = exported.load()[1]
        parameters = {name: value.detach().double().numpy() for name, value in decoder.named_parameters()}
        weight, bias = (next(v for v in parameters.values() if v.ndim == n) for n in (2, 1))
        with h5py.File(self.folder / "imputed.h5") as file:
            imputed, mask, sd = file["x"][:], file["mask"][:].astype(bool), file["sd"][:]
            effective = file["effective"][:]
        self.assertTrue(numpy.array_equal(mask, ~numpy.isnan(x)))
        self.assertTrue(numpy.allclose(imputed[mask], x[mask], atol=1e-5))
        self.assertEqual(sd[mask].max(), 0)
        error, spread = [], []
        enough = effective > 500  # of the others the estimate is rough
        self.assertGreater(enough.mean(), 0.5)
        for row, seen, found, deviation in zip(x[enough], mask[enough], imputed[enough], sd[enough]):
            w = weight[seen]
            precision = w.T @ w / 0.09 + numpy.eye(2)
            mean = bias + weight @ numpy.linalg.solve(precision, w.T @ (row[seen] - bias[seen]) / 0.09)
            exact = numpy.sqrt(numpy.einsum("pi,ij,pj->p", weight, numpy.linalg.inv(precision), weight))
            error += list((found - mean)[~seen])
            spread += list((deviation / exact)[~seen])
        self.assertLess(numpy.median(numpy.abs(error)), 0.02)
        self.assertLess(numpy.abs(numpy.array(spread) - 1).max(), 0.3)
        self.assertLess(abs(numpy.median(spread) - 1), 0.01)


if __name__ == "__main__":
    main()
