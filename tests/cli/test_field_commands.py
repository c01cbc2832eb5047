"""Commands on a trained model where things are as they are for people: places that may not be written to, work that takes
long and is interrupted, data that are somewhere else (issue "files as people have them", E7 to E9)."""

import json
import os
import pathlib
import pty
import re
import resource
import select
import signal
import shutil
import subprocess
import time

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
            for command in ("evaluate", "encode", "export", "sample"):
                result = self.refused("Permission denied; see to its permissions, or name another place with --out",
                                      command, self.run_folder, **options)
                self.assertIn(str(self.run_folder), result.stderr)
            result = self.run_program("evaluate", self.run_folder, "--limit", 8, "--out", "/dev/null", **options)
            self.assertIn("elbo", result.stdout)
        finally:
            for path in [runs, *runs.rglob("*")]:
                path.chmod(0o755 if path.is_dir() else 0o644)

    def test_a_limit_of_file_sizes(self):
        limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))}
        for command in (["evaluate", self.run_folder, "--limit", 8], ["encode", self.run_folder]):
            self.refused("File too large; raise the limit of file sizes (ulimit -f)", *command, **limit)
        before = self.files()
        for command in ("export", "sample"):  # found at the end, and said
            result = self.run_program(command, self.run_folder, code=1, **limit)
            self.assertIn("File too large", result.stderr)
            self.assertEqual([name for name in self.files() if name not in before and not name.endswith("figures")], [])

    def test_a_disk_that_fills_meanwhile(self):
        """The table is there all the same."""
        result = self.run_program("evaluate", self.run_folder, "--limit", 8, "--out", "/dev/full", code=1)
        self.assertRegex(result.stdout, r"(?m)^elbo +\d")
        self.assertIn("cannot write /dev/full: No space left on device", result.stderr)
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
        for part in (r"values:  12% \[##\.+\] 8/64, .* data/s, .* left", r"information: .*/64", r"geometry: .* \d+/40, .* steps/s"):
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
        code, stdout, stderr = self.interrupt_at(process, r"values: .* (16|17|18|19)/64")
        self.assertEqual(code, 130, stderr)
        self.assertIn("interrupted: what is complete was printed, and nothing was written", stderr)
        self.assertFalse((self.run_folder / "evaluation-test.json").exists())
        found = json.loads(stdout)
        n = found["data"]
        self.assertIn(n, range(16, 64, 8))
        self.assertEqual(found["interrupted"], {"data": n, "of": 64, "missing": ["information", "geometry", "covariance"]})
        for section in found["interrupted"]["missing"]:
            self.assertNotIn(section, found)
        whole = self.run_program("evaluate", self.run_folder, *slow, "--limit", n, "--json", "--out", "e.json").json
        for name in ("elbo", "kl", "grae", "is_nll", "taylor", "elbo_optimal"):
            self.assertEqual(found["values"][name], whole["values"][name], name)

    def test_interrupted_in_a_section(self):
        run = self.train("model.decoder.hidden=[2048, 2048]", "train.steps=1")  # 40 steps of it take a while
        process = self.start_with_lines("evaluate", run, "--samples", 1, "--importance-samples", 0)
        code, stdout, stderr = self.interrupt_at(process, r"geometry: ")
        self.assertEqual(code, 130, stderr)
        self.assertIn("incomplete, since it was interrupted: values of the first 64 of 64 data; missing: geometry", stdout)
        self.assertRegex(stdout, r"(?m)^mutual_information ")
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


if __name__ == "__main__":
    main()
