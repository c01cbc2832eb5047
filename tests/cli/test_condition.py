"""A conditional model from the command line: what is drawn of it, what is refused, and what an export takes."""

import json
import sys

import h5py
import numpy
import torch

from program import ProgramTest, main

CONDITIONED = ("data.condition=labels", "model.encoder.condition=true", "model.decoder.condition=true")


class Conditioned(ProgramTest):
    def test_pictures(self):
        run = self.train(*CONDITIONED)
        self.assertIn("condition: labels (4 numbers)", self.run_program("describe", run).stdout)
        pictures = {}
        for condition in ("0", "3", "0,3"):
            self.run_program("sample", run, "--condition", condition, "--n", 6, "--out", "sample.png")
            pictures[condition] = (self.folder / "sample.png").read_bytes()
        self.assertEqual(len(set(pictures.values())), 3)
        for command in ("reconstruct", "traverse", "interpolate"):
            own = self.run_program(command, run, "--out", "own.png")
            self.run_program(command, run, "--condition", "2", "--out", "other.png")
            self.assertNotEqual((self.folder / "own.png").read_bytes(), (self.folder / "other.png").read_bytes(), own)
        for wrong in ("4", "-1", "x", "1,,2"):
            refused = self.run_program("sample", run, "--condition", wrong, code=1)
            self.assertIn("expected classes from 0 to 3", refused.stderr)

    def test_refusals(self):
        run = self.train()
        self.assertIn("no component of this one has condition = true",
                      self.run_program("sample", run, "--condition", "1", code=1).stderr)
        unused = self.run_program("train", "small.toml", "data.condition=labels", "--folder", "unused")
        self.assertIn("no component uses it", unused.stderr)
        alone = self.run_program("train", "small.toml", "model.decoder.condition=true", "--folder", "alone", code=2)
        self.assertIn('condition = "labels", "factors" or "array" in [data]', alone.stderr)
        vamp = self.run_program("train", "small.toml", *CONDITIONED, "model.prior={type='vamp', pseudo_inputs=4}",
                                "--folder", "vamp", code=2)
        self.assertIn("pseudo-inputs, which have no condition", vamp.stderr)

    def test_evaluation(self):
        run = self.train(*CONDITIONED, "model.prior={type='conditional', hidden=[4]}")
        values = self.run_program("evaluate", run, "--json").json
        self.assertGreater(values["values"]["kl"]["mean"], 0)
        self.assertIn("differs from row to row", json.dumps(values["information"]["aggregate_kl"], ensure_ascii=False))
        # Data that lack the last classes are shown to the model all the same.
        images, labels = numpy.load(self.folder / "images.npy"), numpy.load(self.folder / "labels.npy")
        numpy.savez(self.folder / "few.npz", x=images[labels < 2], labels=labels[labels < 2])
        self.assertIn('"kl"', self.run_program("evaluate", run, "--on", "few.npz", "--json", "--out", "few.json").stdout)

    def test_data_from_a_conditional_run(self):
        """The run's classes are those of the data, in turn; a model of these data may be conditioned on them."""
        run = self.train(*CONDITIONED)
        for more in ("size = 100", "fresh = true"):
            drawn = f'data.dataset={{ type = "model", from = "{run}", test = 30, {more} }}'
            second = self.train(drawn, *CONDITIONED, "train.steps=5", "train.evaluate_every=5", "name=second",
                                runs=more.partition(" ")[0])
            self.run_program("encode", second, "--out", "codes.h5")
            with h5py.File(self.folder / "codes.h5") as codes:
                self.assertEqual(codes["labels"][:].tolist(), [row % 4 for row in range(30)])
                self.assertEqual(codes["condition"][:].argmax(1).tolist(), [row % 4 for row in range(30)])
                self.assertEqual(codes["latents"].shape, (30, 4))
        plain = self.train("name=plain")
        refused = self.run_program("train", "small.toml", *CONDITIONED, "--folder", "none",
                                   f'data.dataset={{ type = "model", from = "{plain}", size = 100 }}', code=None)
        self.assertIn("the model that the data are drawn from has none", refused.stderr)
        unused = self.run_program("train", "small.toml", "--folder", "unused",
                                  f'data.dataset={{ type = "model", from = "{plain}", size = 100, classes = 3 }}', code=None)
        self.assertIn("needs a prior or a decoder that is conditioned on them", unused.stderr)

    def test_export(self):
        run = self.train(*CONDITIONED)
        self.run_program("export", run, "--out", "exported.pt")
        self.run_program("encode", run, "--split", "train", "--out", "codes.h5")
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        import exported
        encoder, decoder = exported.load()
        with h5py.File(self.folder / "codes.h5") as codes:
            h, condition, labels, index = (torch.tensor(codes[name][:]) for name in ("h", "condition", "labels", "index"))
        self.assertTrue(torch.equal(condition, torch.nn.functional.one_hot(labels, 4).to(condition.dtype)))
        x = torch.tensor(numpy.load(self.folder / "images.npy")[index.numpy()] / 255).to(condition.dtype)
        mean = encoder(x, condition)[:, : h.shape[1]]
        self.assertLess((mean - h).abs().max().item(), 1e-5)
        other = decoder(h, condition.roll(1, 1))
        self.assertGreater((decoder(h, condition) - other).abs().max().item(), 1e-4)


if __name__ == "__main__":
    main()
