"""A file of one's own, from looking at it to a trained model, by the four lines of the README; data that change after a
training; folders of images in check, import and the run's log."""

import json
import os
import struct
import tomllib

import numpy

from program import SOURCE, ProgramTest, main
from test_data_import import write_png


class OwnFile(ProgramTest):
    def fill_folder(self):
        super().fill_folder()
        random = numpy.random.default_rng(0)
        numpy.savez(self.folder / "faces.npz", imgs=random.integers(0, 256, (60, 8, 8, 3), dtype=numpy.uint8),
                    labels=random.integers(0, 3, 60), mean=numpy.zeros(3))

    def test_the_way_of_the_readme(self):
        shown = self.run_program("data", "show", "faces.npz")
        for text in ("x = faces.npz:imgs, labels = faces.npz:labels", "not used: mean [3]",
                     "was taken for height x width x channels", "3 x 8 x 8", "unit interval", "rows by class:"):
            self.assertIn(text, shown.stdout)
        found = self.run_program("data", "show", "faces.npz", "data.test=0.1", "--json").json
        self.assertEqual([(split["split"], split["rows"]) for split in found["splits"]], [("train", 54), ("test", 6)])
        self.assertEqual((found["splits"][0]["least"], found["splits"][0]["most"]), (0, 1))
        quick = ["train.steps=3", "model.encoder.hidden=[8]", "model.decoder.hidden=[8]"]
        run = self.run_program("train", SOURCE / "configs" / "quickstart.toml", "data.dataset=faces.npz", "data.test=0.1",
                               *quick, "--no-figures")
        log = (self.folder / run.last_line / "log.txt").read_text()
        self.assertIn("data: faces, 54 training rows of shape [3, 8, 8] (unit interval), test: 6", log)
        self.assertIn("not used: mean [3]", log)
        evaluated = self.run_program("evaluate", run.last_line, "--importance-samples", 0, cwd=self.folder, code=0)
        self.assertIn("6 data of split test", evaluated.stdout)
        (self.folder / "faces.toml").write_text(self.run_program("data", "show", "faces.npz", "--describe").stdout)
        described = tomllib.loads((self.folder / "faces.toml").read_text())
        self.assertEqual((described["name"], described["domain"], described["x"]),
                         ("faces", "unit interval", "faces.npz:imgs"))
        again = self.run_program("train", SOURCE / "configs" / "quickstart.toml", "data.dataset=faces.toml", *quick,
                                 "--no-figures", "--folder", "again")
        self.assertIn("60 training rows of shape [3, 8, 8]", again.stderr)

    def test_from_another_folder(self):
        """The run knows its file by an absolute path."""
        run = self.train("data.dataset='faces.npz'", "data.test=0.1", config="small.toml")
        (self.folder / "elsewhere").mkdir()
        self.run_program("evaluate", run, "--importance-samples", 0, cwd=self.folder / "elsewhere")

    def test_what_is_not_there(self):
        result = self.run_program("data", "show", "facs.npz", code=2)
        self.assertIn("there is no file or folder facs.npz of data: looked beside the config, in the working folder",
                      result.stderr)
        self.assertIn("there is no data set \"facs\"", self.run_program("data", "show", "facs", code=2).stderr)

    def test_picture(self):
        self.run_program("data", "show", "faces.npz", "--picture", "p.png")
        header = (self.folder / "p.png").read_bytes()[16:24]
        width, height = struct.unpack(">II", header)
        self.assertGreater(min(width, height), 8 * 6)


class Sorted(ProgramTest):
    def test_first_rows_of_one_class(self):
        """T8: a file that is sorted by label, where the first rows are taken."""
        images = numpy.load(self.folder / "images.npy")
        numpy.savez(self.folder / "sorted.npz", x=images, y=numpy.arange(len(images)) // 64)
        run = self.train("data.dataset='sorted.npz'", "model.prior={ type = 'vamp', pseudo_inputs = 10 }")
        self.assertIn("A component starts from the first 10 training rows, which are all of one class",
                      (run / "log.txt").read_text())
        sentence = "the first 60 rows are all of one class: the file is sorted, and these values are of that class"
        limited = self.run_program("evaluate", run, "--importance-samples", 0, "--limit", 60)
        self.assertIn(sentence, " ".join(limited.stdout.split()))
        whole = self.run_program("evaluate", run, "--importance-samples", 0, "--limit", 100)
        self.assertNotIn("all of one class", whole.stdout)


class Folders(ProgramTest):
    def test_account(self):
        """Training, check and import say the same of a folder; the run's log keeps it."""
        pixels = numpy.random.default_rng(0).integers(0, 256, (9, 8, 8), dtype=numpy.uint8)
        for i, image in enumerate(pixels[:8]):
            write_png(self.folder / "f" / "ab"[i % 2] / f"{i}.png", image)
        write_png(self.folder / "f" / "preview.png", pixels[8])
        write_png(self.folder / "f" / ".ipynb_checkpoints" / "0.png", pixels[8])
        os.symlink("nowhere", self.folder / "f" / "a" / "gone.png")
        account = ["took 8 images (8 .png) of 2 classes: a 4, b 4.",
                   "left out 1 image beside the folders of the classes (preview.png).",
                   "left out 1 hidden or left-over entry (.ipynb_checkpoints).",
                   "left out 1 link to nothing (a/gone.png)."]
        run = self.train("data.dataset='f/'")
        for text in ((run / "log.txt").read_text(), self.run_program("check", "small.toml", "data.dataset='f'").stdout,
                     self.run_program("data", "show", "f").stdout,
                     self.run_program("data", "import", "f", "--size", 8, "--labels", "folders", "--test", 0).stderr):
            for sentence in account:
                self.assertIn(sentence, text)
        self.assertEqual(self.run_program("data", "import", "f", "--size", 8, "--labels", "folders", "--overwrite",
                                          "--json").json["account"], account)


class ChangedData(ProgramTest):
    """H6: a data file that is replaced after the training."""

    def setUp(self):
        super().setUp()
        self.run_folder = self.train()
        self.environment_json = json.loads((self.run_folder / "environment.json").read_text())

    def replace(self):
        images = numpy.load(self.folder / "images.npy")
        images[100, 0, 0] = 1 - images[100, 0, 0] if images.dtype.kind == "f" else 255 - images[100, 0, 0]
        numpy.save(self.folder / "images.npy", images)

    def test_resume_refuses_and_evaluate_warns(self):
        self.assertEqual(len(self.environment_json["data_fingerprint"]), 32)
        same = self.run_program("evaluate", self.run_folder, "--importance-samples", 0)
        self.assertNotIn("not what the run was trained on", same.stderr)
        evaluation = json.loads((self.run_folder / "evaluation-test.json").read_text())
        self.assertEqual(evaluation["data_fingerprint"], self.environment_json["data_fingerprint"])
        self.replace()
        before = (self.run_folder / "config.resolved.toml").read_bytes()
        refused = self.resume(self.run_folder, "train.steps=40", code=1)
        self.assertIn('the data set "blobs" is not what the run was trained on: the files hold other values', refused.stderr)
        self.assertEqual((self.run_folder / "config.resolved.toml").read_bytes(), before)
        warned = self.run_program("evaluate", self.run_folder, "--importance-samples", 0)
        self.assertIn('warning: the data set "blobs" is not what the run was trained on', warned.stderr)
        other = self.run_program("evaluate", self.run_folder, "--importance-samples", 0, "data.limit=50")
        self.assertNotIn("not what the run was trained on", other.stderr)  # other data were asked for

    def test_study_makes_the_cell_again(self):
        (self.folder / "study.toml").write_text("""
            include = ["small.toml"]
            name = "grid"
            [study.axes]
            seed = [1]
            [study.evaluate.final]
            samples = 2
            importance_samples = 0
            [[study.tables]]
            name = "losses"
            rows = ["seed"]
            metrics = ["loss_beta"]
            """)
        self.run_program("study", "study.toml")
        os.utime(self.folder / "images.npy")  # another time alone is no other file
        self.assertNotIn("made again", self.run_program("study", "study.toml").stderr)
        first = (self.folder / "studies" / "grid" / "results.csv").read_text()
        self.replace()
        again = self.run_program("study", "study.toml")
        self.assertIn("is made again: the data file", again.stderr)
        self.assertNotEqual((self.folder / "studies" / "grid" / "results.csv").read_text(), first)

    def test_known_sha256(self):
        path = self.folder / "small.toml"
        path.write_text(path.read_text() + '\n[data.dataset.files."images.npy"]\nsha256 = "' + "0" * 64 + '"\n')
        refused = self.run_program("train", "small.toml", "--folder", "other", code=1)
        self.assertIn("images.npy: expected SHA-256 0000", refused.stderr)
        self.assertFalse((self.folder / "other").exists())


if __name__ == "__main__":
    main()
