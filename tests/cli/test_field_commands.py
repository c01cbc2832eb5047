"""Commands on a trained model where things are as they are for people: places that may not be written to, work that takes
long and is interrupted, data that are somewhere else (issue "files as people have them", E7 to E9)."""

import hashlib
import json
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import zlib

import h5py
import numpy

from program import BINARY, ProgramTest, blobs, checkpoint, main, metrics
from test_data_import import write_png

NOBODY = 65534
LINES = {"VARIFORM_PROGRESS_SECONDS": "1e-9"}  # a line at every step, where it is one a minute

STUDY = """
include = ["small.toml"]
name = "grid"
[study.axes]
seed = [1, 2]
[study.evaluate.final]
samples = 2
importance_samples = 0
[[study.tables]]
name = "losses"
rows = ["seed"]
metrics = ["loss_beta"]
"""


class Trained(ProgramTest):
    """Has a run of 22 steps in self.run_folder."""

    def setUp(self):
        super().setUp()
        self.run_folder = self.train()

    def files(self, folder=None):
        return sorted(str(path.relative_to(self.folder)) for path in (folder or self.folder).rglob("*"))

    def start_with_lines(self, *arguments):
        return self.start(*arguments, env=LINES)

    def interrupt_at(self, process, pattern):
        """Ctrl-C as soon as a line of stderr matches; what the program ended with, and all its stderr."""
        lines = []
        for line in process.stderr:
            lines.append(line)
            if re.search(pattern, line):
                break
        else:
            process.communicate()
            self.fail(f"no line matched {pattern}:\n{''.join(lines)}")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
        return process.returncode, stdout, "".join(lines) + stderr


class Places(Trained):
    """E8: what will be written is tried to be written before the work."""

    def refused(self, reason, *arguments, **options):
        before = self.files()
        result = self.run_program(*arguments, code=1, **options)
        self.assertEqual(result.stdout, "", str(result))
        self.assertIn(reason, result.stderr)
        self.assertIn("Nothing has been done yet", result.stderr)
        self.assertEqual(self.files(), before)
        return result

    def test_a_folder_that_is_not_there(self):
        run = self.run_folder
        why = "cannot write nodir/{}: No such file or directory; create the folder \"nodir\" first, or name another place with {}"
        for name, option, command in [
                ("e.json", "--out", ["evaluate", run]), ("d.h5", "--dump", ["evaluate", run]),
                ("c.h5", "--out", ["encode", run]), ("m.pt", "--out", ["export", run]),
                ("c.json", "--out", ["compare", run, run])]:
            with self.subTest(command=command[0]):
                self.refused(why.format(name, option), *command, option, f"nodir/{name}")
        write_png(self.folder / "faces" / "a.png", blobs(1)[0][0])
        self.refused(why.format("f.h5", "--out"), "data", "import", "faces", "--size", 8, "--out", "nodir/f.h5")

    def test_a_file_where_a_folder_should_be(self):
        for command in ("sample", "reconstruct", "traverse", "interpolate"):
            self.refused("cannot write small.toml/x.png: Not a directory", command, self.run_folder, "--out",
                         "small.toml/x.png")
        self.refused("Not a directory", "runs", "plot", self.run_folder, "--out", "small.toml/x")
        (self.folder / "grid.toml").write_text(STUDY)
        for command in ("study", "report"):
            result = self.refused("Not a directory", command, "grid.toml", "--studies", "small.toml")
            self.assertIn("name another place with --studies", result.stderr)
        self.refused("cannot write runs: Is a directory", "evaluate", self.run_folder, "--out", "runs")

    def test_pictures_make_their_folder(self):
        self.run_program("sample", self.run_folder, "--n", 4, "--out", "new/deep/x.png")
        self.assertTrue((self.folder / "new/deep/x.png").is_file())

    def test_a_run_of_somebody_else(self):
        """Without the right to write, and with a place of one's own."""
        runs = self.folder / "runs"
        self.folder.chmod(0o755)
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if options and subprocess.run([BINARY, "--help"], capture_output=True, user=NOBODY).returncode != 0:
            self.skipTest("the program cannot be read by another user here")
        for path in [runs, *runs.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            for command in ("encode", "export", "sample"):
                result = self.refused("Permission denied; see to its permissions, or name another place with --out",
                                      command, self.run_folder, **options)
                self.assertIn(str(self.run_folder), result.stderr)
            before = self.files()
            result = self.run_program("evaluate", self.run_folder, "--limit", 8, code=1, **options)
            self.assertRegex(result.stdout, r"(?m)^elbo +\d")    # computed and printed all the same
            cannot = r"cannot write \S+evaluation-test\.json: Permission denied; see to its permissions, or name another place "
            self.assertRegex(result.stderr, rf"(?m)^warning: {cannot}with --out. The result will be printed, and not kept\.")
            self.assertRegex(result.stderr, rf"error: {cannot}with --out FILE\n\Z")
            self.assertEqual(self.files(), before)
            result = self.run_program("evaluate", self.run_folder, "--limit", 8, "--out", "/dev/null", **options)
            self.assertIn("elbo", result.stdout)
        finally:
            for path in [runs, *runs.rglob("*")]:
                path.chmod(0o755 if path.is_dir() else 0o644)

    def test_a_limit_of_file_sizes(self):
        limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))}
        for command in (["evaluate", self.run_folder, "--limit", 8, "--out", "e.json"], ["encode", self.run_folder]):
            self.refused("File too large; raise the limit of file sizes (ulimit -f)", *command, **limit)
        result = self.run_program("evaluate", self.run_folder, "--limit", 8, code=1, **limit)
        self.assertRegex(result.stdout, r"(?m)^elbo +\d")
        self.assertIn("File too large; raise the limit of file sizes (ulimit -f), or name another place with --out FILE",
                      result.stderr)
        before = self.files()
        for command in ("export", "sample"):  # found at the end, and said
            result = self.run_program(command, self.run_folder, code=1, **limit)
            self.assertIn("File too large", result.stderr)
            self.assertEqual([name for name in self.files() if name not in before and not name.endswith("figures")], [])

    def test_a_disk_that_fills_meanwhile(self):
        """The table is there all the same."""
        result = self.run_program("evaluate", self.run_folder, "--limit", 8, "--out", "/dev/full", code=1)
        self.assertRegex(result.stdout, r"(?m)^elbo +\d")
        self.assertIn("cannot write /dev/full: No space left on device; free some space, or name another place with "
                      "--out FILE", result.stderr)
        result = self.run_program("evaluate", self.run_folder, "--limit", 8, "--dump", "/dev/full", code=1)
        self.assertRegex(result.stdout, r"(?m)^elbo +\d")
        self.assertIn("No space left on device", result.stderr)
        written = json.loads((self.run_folder / "evaluation-test.json").read_text())
        self.assertNotIn("dump_problem", written)
        self.assertEqual(written["data"], 8)
        result = self.run_program("compare", self.run_folder, self.run_folder, "--out", "/dev/full", code=1)
        self.assertIn("mcc", result.stdout)


class LongWork(Trained):
    """E7: what takes long shows itself, and Ctrl-C keeps what is complete."""

    SLOW = ["--batch", 8, "--samples", 64, "--importance-samples", 400]

    def test_lines_elsewhere(self):
        stderr = self.run_program("evaluate", self.run_folder, *self.SLOW, env=LINES).stderr
        for part in (r"values:  12% \[##\.+\] 8/64, .* rows/s, .* left", r"information: .*/64", r"geometry: .* \d+/40, .* steps/s"):
            self.assertRegex(stderr, part)
        self.assertRegex(self.run_program("encode", self.run_folder, env=LINES).stderr, r"codes: .* 0/64")
        self.assertRegex(self.run_program("compare", self.run_folder, self.run_folder, env=LINES).stderr, r"pairs: .*/5")
        usual = self.run_program("evaluate", self.run_folder, "--limit", 8).stderr  # a minute has not passed
        self.assertEqual(usual.splitlines(), [f"written: {self.run_folder / 'evaluation-test.json'}"])
        for command in ("evaluate", "encode"):
            self.assertEqual(self.run_program(command, self.run_folder, "--quiet", env=LINES).stderr, "")

    def on_a_terminal(self, *arguments):
        """What a terminal of 100 columns is sent."""
        parent, child = pty.openpty()
        process = subprocess.Popen([BINARY, *map(str, arguments)], cwd=self.folder, env=self.environment(),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=child, text=True)
        os.close(child)
        sent = b""
        while select.select([parent], [], [], 60)[0]:
            try:
                piece = os.read(parent, 4096)
            except OSError:  # nobody has the terminal open any more
                break
            if not piece:
                break
            sent += piece
        os.close(parent)
        stdout = process.communicate()[0]
        self.assertEqual(process.returncode, 0)
        return stdout, sent.decode()

    def test_bar_on_a_terminal(self):
        stdout, sent = self.on_a_terminal("evaluate", self.run_folder)
        self.assertRegex(sent, r"\rvalues:   0% \[\.{20}\] 0/64")
        self.assertIn("\rgeometry: ", sent)
        self.assertRegex(sent, r"\r\x1b\[Kwritten: ")  # the bar is gone by then
        self.assertNotIn("\x1b", stdout)

    def test_interrupted_evaluation_keeps_what_is_complete(self):
        slow = [*self.SLOW[:2], "--samples", 64, "--importance-samples", 4000]
        process = self.start_with_lines("evaluate", self.run_folder, *slow, "--json")
        code, stdout, stderr = self.interrupt_at(process, r"values: .* (17|18|19|20|21)/64")
        self.assertEqual(code, 130, stderr)
        self.assertIn("interrupted: what is complete was printed, and nothing was written", stderr)
        self.assertFalse((self.run_folder / "evaluation-test.json").exists())
        found = json.loads(stdout)
        n = found["data"]
        self.assertIn(n, range(16, 64, 8))
        self.assertEqual(found["interrupted"], {"data": n, "of": 64, "missing": ["covariance", "disentanglement", "geometry", "information"]})
        for section in found["interrupted"]["missing"]:
            self.assertNotIn(section, found)
        whole = self.run_program("evaluate", self.run_folder, *slow, "--limit", n, "--json", "--out", "e.json").json
        for name in ("elbo", "kl", "grae", "is_nll", "taylor", "elbo_optimal", "ratio_R"):
            self.assertEqual(found["values"][name], whole["values"][name], name)

    def test_interrupted_in_a_section(self):
        run = self.train("model.decoder.hidden=[2048, 2048]", "train.steps=1")  # 40 steps of it take a while
        process = self.start_with_lines("evaluate", run, "--samples", 1, "--importance-samples", 0)
        code, stdout, stderr = self.interrupt_at(process, r"geometry: ")
        self.assertEqual(code, 130, stderr)
        self.assertIn("incomplete, since it was interrupted: values of the first 64 of 64 data; missing: geometry", stdout)
        self.assertRegex(stdout, r"(?m)^kl_to_optimum ")
        self.assertNotIn("straight_length", stdout)

    def test_interrupted_before_anything_is_complete(self):
        images, labels = blobs(60192)
        numpy.save(self.folder / "images.npy", images)
        numpy.save(self.folder / "labels.npy", labels)
        many = "data.dataset.splits.test.rows=[192, 60192]"
        run = self.train(many)
        before = self.files()
        for command, line in ((["evaluate", self.run_folder, "--importance-samples", 20000], r"values: .* 0/64"),
                              (["encode", run], r"codes: .* \d+/60000"),
                              (["compare", run, run, "--limit", 0], r"codes: .* \d+/120000")):
            code, stdout, stderr = self.interrupt_at(self.start_with_lines(*command), line)
            self.assertEqual((code, stdout), (130, ""), stderr)
            self.assertIn("interrupted before anything was complete; nothing was written", stderr)
            self.assertEqual(self.files(), before)

    def test_a_fitted_prior(self):
        command = ["sample", self.run_folder, "--prior", "mixture"]
        code, stdout, stderr = self.interrupt_at(self.start_with_lines(*command), r"prior: .* steps/s")
        self.assertEqual((code, stdout), (130, ""), stderr)
        self.assertFalse((self.run_folder / "priors").exists())
        self.assertNotIn("prior:", self.run_program(*command, "--quiet", env=LINES).stderr)

    def test_import(self):
        for i, image in enumerate(blobs(40)[0]):
            write_png(self.folder / "faces" / f"{i:02}.png", image)
        found = self.run_program("data", "import", "faces", "--size", 8, env=LINES)
        self.assertRegex(found.stderr, r"import: .*/40, .* images/s, .* left")
        usual = self.run_program("data", "import", "faces", "--size", 8, "--overwrite").stderr
        self.assertNotIn("import:", usual)

    def test_study_and_report(self):
        (self.folder / "grid.toml").write_text(STUDY)
        stderr = self.run_program("study", "grid.toml", env={"VARIFORM_PROGRESS_SECONDS": "0.02"}).stderr
        self.assertRegex(stderr, r"study:   0% \[\.+\] 0/2, 0 cells/s, \? left")
        self.assertRegex(stderr, r"study:  50% \[#+\.+\] 1/2, [0-9.]+ cells/s, \d+ s left")
        again = self.run_program("study", "grid.toml").stderr
        self.assertEqual([line for line in again.splitlines() if "study:" in line or "report:" in line], [])
        self.assertRegex(self.run_program("report", "grid.toml", env=LINES).stderr, r"report: .* 0/1, .* tables and figures/s")
        self.assertEqual(self.run_program("report", "grid.toml", "--quiet", env=LINES).stderr, "")


class WithoutData(Trained):
    """E9: what needs no data needs no data. The pictures are held against the decoder's weights, in numpy."""

    def setUp(self):
        super().setUp()
        self.elsewhere = self.folder / "elsewhere"
        self.elsewhere.mkdir()

    def take_data_away(self):
        for name in ("images.npy", "labels.npy"):
            (self.folder / name).rename(self.elsewhere / name)

    def bring_data_back(self):
        for name in ("images.npy", "labels.npy"):
            (self.elsewhere / name).rename(self.folder / name)

    def outputs(self, run, commands=("sample", "sample --noise", "export")):
        """Bytes of what the commands write."""
        found = {}
        for command in commands:
            out = self.folder / ("out.pt" if command == "export" else "out.png")
            result = self.run_program(*command.split()[:1], run, *command.split()[1:], "--out", out)
            self.assertEqual(result.stderr, "", str(result))
            found[command] = out.read_bytes()
        return found

    def decoded(self, run, z):
        """E[x|g(z)] in [0, 1], [N, 8, 8]."""
        state = checkpoint(run).of("model/decoder/parameters/")
        first, second = (sorted(name for name in state if name.endswith(kind)) for kind in ("weight", "bias"))
        hidden = numpy.maximum(z @ state[first[0]].T + state[second[0]], 0)
        return numpy.clip(hidden @ state[first[1]].T + state[second[1]], 0, 1).reshape(-1, 8, 8)

    def pictures(self, path, columns):
        """The pictures of a grid, [rows, columns, 8, 8] in [0, 1]: each 8 times as large, 2 pixels apart."""
        grid = png(path)
        rows = (grid.shape[0] - 2) // 66
        cells = [[grid[2 + 66 * r:66 + 66 * r:8, 2 + 66 * c:66 + 66 * c:8] for c in range(columns)] for r in range(rows)]
        return numpy.array(cells) / 255

    def test_the_same_bytes(self):
        vamp = ["model.prior={ type = \"vamp\", pseudo_inputs = 5 }"]
        runs = [self.run_folder, self.train(*vamp), self.train("data.scale=standardise"), self.train("data.scale=none"),
                self.train("data.dequantise=true"), self.train("data.limit=3", *vamp)]
        with_data = [self.outputs(run) for run in runs]
        self.take_data_away()
        for run, expected in zip(runs, with_data):
            self.assertEqual(self.outputs(run), expected, run)

    def test_a_training_counted_in_epochs(self):
        """Its length follows from the number of data, which is one of the facts."""
        text = (self.folder / "small.toml").read_text().replace("steps = 22", "epochs = 2")
        (self.folder / "epochs.toml").write_text(text)
        run = self.train(config="epochs.toml")
        expected = self.outputs(run)
        self.take_data_away()
        self.assertEqual(self.outputs(run), expected)

    def test_traversals_from_the_prior(self):
        run = self.run_folder
        self.run_program("traverse", run, "--out", "with.png")
        self.take_data_away()
        result = self.run_program("traverse", run, "--columns", 5, "--out", "t.png")
        self.assertIn("note: the run's data are missing, so that the latents are kept at the prior's mean, and the one that "
                      "moves the picture most comes first. Why: data set \"blobs\": expected the file images.npy", result.stderr)
        lines = numpy.zeros((4, 5, 4))
        for i in range(4):
            lines[i, :, i] = numpy.linspace(-3, 3, 5)
        expected = numpy.array([self.decoded(run, line) for line in lines])
        moved = (numpy.diff(expected, axis=1) ** 2).sum((1, 2, 3))
        order = numpy.argsort(-moved)
        self.assertNotEqual(order.tolist(), [0, 1, 2, 3])  # so that a grid in another order is noticed
        expected = expected[order]
        self.assertLess(abs(self.pictures(self.folder / "t.png", 5) - expected).max(), 1.1 / 255)
        self.assertEqual(self.run_program("traverse", run, "--quiet", "--out", "t.png").stderr, "")
        for more in (["--row", 0], ["--split", "test"], ["data.limit=10"]):
            self.assertIn("expected the file images.npy", self.run_program("traverse", run, *more, code=1).stderr)
        self.bring_data_back()
        self.run_program("traverse", run, "--out", "again.png")
        self.assertEqual((self.folder / "with.png").read_bytes(), (self.folder / "again.png").read_bytes())

    def test_interpolations_from_the_prior(self):
        self.take_data_away()
        result = self.run_program("interpolate", self.run_folder, "--n", 3, "--out", "i.png")
        self.assertIn("so that lines go from draws of the prior to others", result.stderr)
        found = self.pictures(self.folder / "i.png", 11)
        self.assertEqual(found.shape, (3, 11, 8, 8))
        self.assertGreater(abs(found[:, 0] - found[:, -1]).max(), 0.02)
        self.run_program("interpolate", self.run_folder, "--n", 3, "--out", "again.png")
        self.assertEqual((self.folder / "i.png").read_bytes(), (self.folder / "again.png").read_bytes())

    def test_what_needs_data_says_so(self):
        self.take_data_away()
        for command in ("evaluate", "encode", "reconstruct"):
            self.assertIn("expected the file images.npy", self.run_program(command, self.run_folder, code=1).stderr)
        result = self.run_program("sample", self.run_folder, "--prior", "gaussian", code=1)
        self.assertIn("expected the file images.npy", result.stderr)

    def test_a_description_that_is_gone(self):
        (self.folder / "set.toml").write_text('name = "set"\nx = "images.npy"\n')
        text = (self.folder / "small.toml").read_text()
        head, tail = text.split("[data.dataset]")[0], text[text.index("[model]"):]
        (self.folder / "described.toml").write_text(head + '[data]\ndataset = "./set.toml"\n' + tail)
        run = self.train(config="described.toml")
        expected = self.outputs(run)
        (self.folder / "set.toml").unlink()
        self.assertEqual(self.outputs(run), expected)
        self.assertIn("set.toml", self.run_program("traverse", run, "--out", "t.png").stderr)
        self.assertIn("set.toml", self.run_program("evaluate", run, code=2).stderr)

    def test_facts_in_the_checkpoint(self):
        images = numpy.load(self.folder / "images.npy")[:192].reshape(192, -1) / 255
        run = self.train("data.scale=standardise")
        for name in ("last", "best"):
            attributes = checkpoint(run / f"checkpoints/{name}.h5").attributes
            facts = json.loads(attributes["data"])
            self.assertEqual({key: facts[key] for key in ("name", "rows", "validation_rows", "test_rows", "bytes")},
                             {"name": "blobs", "rows": 192, "validation_rows": 0, "test_rows": 64, "bytes": True})
            mean = numpy.array(facts["standardised"]["mean"]["values"])
            self.assertLess(abs(mean - images.mean()).max(), 1e-5)
            self.assertEqual(facts["standardised"]["mean"]["shape"], [1, 1, 1])

    def test_checkpoints_without_facts(self):
        """Those of older programs: as before where the data are, and a reason where they are not."""
        expected = self.outputs(self.run_folder)
        for name in ("last", "best"):
            without_facts(self.run_folder / f"checkpoints/{name}.h5")
        self.assertEqual(self.outputs(self.run_folder), {**expected})
        self.run_program("describe", self.run_folder)
        self.take_data_away()
        for command in ("sample", "traverse", "interpolate", "export"):
            stderr = self.run_program(command, self.run_folder, code=1).stderr
            self.assertIn("this needs the data, since the checkpoint was written before checkpoints kept the data's number "
                          "and scale, and they are missing: data set \"blobs\": expected the file images.npy", stderr)

    def test_describe(self):
        self.take_data_away()
        nowhere = {"VARIFORM_PLUGINS": str(self.folder / "nowhere")}
        text = self.run_program("describe", self.run_folder.name, env=nowhere).stdout
        last = metrics(self.run_folder, "test")[-1]
        for line in (rf"run +runs/{self.run_folder.name} \(finished\)", "name +small, seed 3, config [0-9a-f]{16}",
                     r"data +blobs, 192 training rows, 0 for validation, 64 for testing; an example is \[1, 8, 8\] "
                     r"\(unit interval\)", "latent +4", r"encoder +mlp: .*hidden = \[16\]", "family +diagonal",
                     "objective +beta-vae: beta = 0.5", "training +at step 22, steps = 22, batch = 20",
                     r"best +step 22 by loss, [0-9.]+", rf"last test +step 22: loss {last['loss']:.5g}", "last train +step 20",
                     r"plugin +org\.variform\.encoders \d+\.\d+\.\d+ \([0-9a-f]{12}\)", "made with +LibTorch .* threads 1"):
            self.assertRegex(text, r"(?m)^" + line)
        found = self.run_program("describe", self.run_folder, "--json", env=nowhere).json
        self.assertEqual((found["step"], found["status"], found["data"]["rows"]["train"]), (22, "finished", 192))
        self.assertEqual(found["best"], {"by": "loss", "step": 22, "value": last["loss"]})
        self.assertEqual(found["metrics"]["test"], last)
        self.assertEqual(found["config"]["model"]["latent"], 4)
        file = self.run_program("describe", self.run_folder / "checkpoints/best.h5", env=nowhere).stdout
        self.assertIn("(a checkpoint)", file)
        with h5py.File(self.folder / "other.h5", "w") as other:
            other["x"] = numpy.zeros(3)
        self.assertIn("other.h5", self.run_program("describe", "other.h5", code=1).stderr)

    def test_describe_a_config_of_another_form(self):
        for config, said in (("name = 5\n", 'key "name": expected a text, found the number 5.'),
                             ("seed = 1\n", 'key "model": expected one, found none.'),
                             ("[model]\nlatent = 4\nfamily = 7\n", 'key "model.family": expected an object, found the number 7.'),
                             ('objective = "x"\n[model]\nlatent = 4\n', 'key "objective": expected an object, found the text "x".'),
                             ('[model]\nlatent = 4\n[objective]\ntype = "x"\n', 'key "train": expected one, found none.')):
            file = self.folder / "other.h5"
            shutil.copy(self.run_folder / "checkpoints/last.h5", file)
            with_texts(file, config=config)
            self.assertIn("other.h5, config in the checkpoint: " + said, self.run_program("describe", file, code=1).stderr)


    def test_a_checkpoint_of_an_older_form_of_its_component(self):
        """Before families started beside the diagonal one, the same numbers meant another covariance."""
        run = self.train("model.family.type=full", "name=older", "--stop-at", 0)
        file = self.folder / "older.h5"
        shutil.copy(run / "checkpoints/last.h5", file)
        self.run_program("evaluate", file, "--limit", 4, "--samples", 2, "--importance-samples", 0, "--out", "metrics.json")
        with_texts(file, without=["model/family/buffers/coupling"])
        said = self.run_program("evaluate", file, "--limit", 4, "--samples", 2, "--importance-samples", 0, code=1).stderr
        self.assertIn("missing: model/family/buffers/coupling", said)
        self.assertIn("use the version of its plugin that trained the model, or train it again", said)


class PluginFiles(ProgramTest):
    def test_the_linker_replaces_a_plugin(self):
        """M4: building beside a training is harmless, as docs/sdk.md says; copying over a plugin is not."""
        compiler = shutil.which("c++")
        if not compiler:
            self.skipTest("no compiler")
        (self.folder / "a.cpp").write_text('extern "C" int f() { return 1; }\n')
        link = [compiler, "-shared", "-fPIC", "a.cpp", "-o", "a.so"]
        subprocess.run(link, cwd=self.folder, check=True)
        with open(self.folder / "a.so", "rb") as used:
            subprocess.run(link, cwd=self.folder, check=True)
            self.assertNotEqual(os.fstat(used.fileno()).st_ino, (self.folder / "a.so").stat().st_ino)


def png(path):
    """Grey pixels [height, width] of an 8-bit PNG without interlacing."""
    data = path.read_bytes()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", data[at + 8:at + 18])
            assert (depth, colour) == (8, 0), (depth, colour)
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += length + 12
    raw = numpy.frombuffer(zlib.decompress(packed), numpy.uint8).reshape(height, width + 1)
    rows = numpy.zeros((height + 1, width + 1), int)
    for r in range(height):
        kind, line = raw[r, 0], raw[r, 1:].astype(int)
        for c in range(width):
            left, up, corner = rows[r + 1, c], rows[r, c + 1], rows[r, c]
            nearest = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))[2]
            rows[r + 1, c + 1] = (line[c] + (0, left, up, (left + up) // 2, nearest)[kind]) % 256
    return rows[1:, 1:]


def without_facts(path):
    """A checkpoint as a program wrote it that kept no facts of the data."""
    with_texts(path, data=None)


def with_texts(path, without=(), **changes):
    """A checkpoint with other texts, or without those that are None, and without some tensors, sealed again as
    docs/checkpoint_format.md says."""
    def sha256(data):
        return hashlib.sha256(data).hexdigest()

    old = path.with_suffix(".old")
    path.rename(old)
    with h5py.File(old) as source, h5py.File(path, "w", userblock_size=512, libver="earliest") as target:
        texts, content = {**source.attrs, **changes, "content_sha256": None}, ""
        texts = {name: text for name, text in texts.items() if text is not None}
        tensors = {}
        source.visititems(lambda name, item: tensors.update({name: item}) if isinstance(item, h5py.Dataset) else None)
        for name in without:
            del tensors[name]
        for name, item in tensors.items():
            source.copy(item, target, name)
        content = f"format {texts['format_version']}\n"
        for name in sorted(set(texts) - {"format_version"}):
            content += f"text {sha256(texts[name].encode())} {name}\n"
        for name in sorted(tensors):
            item = tensors[name]
            dtype = item.attrs.get("dtype", item.dtype.name)
            content += f"tensor {sha256(item[()].tobytes())} {dtype} {list(item.shape)} {name}\n"
        for name, text in {**texts, "content_sha256": sha256(content.encode())}.items():
            target.attrs[name] = text
    old.unlink()
    body = path.read_bytes()[512:]
    lines = f"Variform checkpoint\nformat 1\nbytes {len(body)}\ncrc32 {zlib.crc32(body):08x}\n"
    head = lines + f"seal {zlib.crc32(lines.encode()):08x}\n"
    path.write_bytes(head.encode().ljust(512, b"\0") + body)


if __name__ == "__main__":
    main()
