"""The commands that README.md and docs/tutorial.md show, typed in an empty folder in their order: each ends as the page
says. Trainings without a length of their own get a short one, evaluations few rows. What is not run is named below, with the reason."""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

import numpy

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "docs"))
sys.dont_write_bytecode = True

import walk_through  # noqa: E402

SHORT, FEW = "train.steps=20", "--limit 200"
NOT_RUN = {  # what a command contains: why it is not typed here
    "./variform test": "runs all tests, this one among them",
    "name=interrupted": "is shown with the Ctrl-C that ends it; tests/cli/test_signals.py presses it",
    "variform new family": "is followed to its end by test_first_family_slow.py",
    "celeba": "needs CelebA, which nobody may pass on; tests/cli/test_data_import.py imports folders",
    "photographs": "needs a folder of the reader's photographs; tests/cli/test_data_import.py makes one",
    "--evaluation contrast off_diagonal": "needs the runs of docs/first_family.md, which a test of its own makes",
    "compare toy-": "needs three runs of a study's length; tests/cli/test_commands.py compares",
    "import variform": "needs the checkout's own Python; test_python.py runs the session of docs/python.md",
    "--prior flow": "takes minutes; tests/reference/test_ex_post.py fits one",
}
ENDS_WITH = {  # what a command contains: its exit code, where that is not 0
    "objektive.beta=1": 2,
    "objective.type=grae model.prior.type=laplace": 2,
}
EXPECTED_PRINT = {  # what a command contains: what its output must contain
    "objective.type=grae model.prior.type=laplace": "is not Gaussian; use prior 'gaussian'",
    "from model import load": "torch.Size([2, 1, 28, 28])",
    "evaluate quickstart-03baa6836ff75db0-1": "geodesic_ratio",
    "runs diff": "model.prior.type",
    "objektive.beta=1": "3 errors.",
    "--origin": "beta = 0.2  # command line",
}


def is_whole(text):
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True


def shown(name):
    """The commands of a page, in order: (line, text)."""
    text = (SOURCE / name).read_text()
    found = []
    for step in walk_through.steps(text):
        if isinstance(step, walk_through.Command):
            words = step.text
            for line in step.expected:  # a quotation of several lines
                if is_whole(words):
                    break
                words += "\n" + line
            found.append((step.line, words))
    lines = text.splitlines()
    for begin in [i for i, line in enumerate(lines) if line == "```sh"]:
        end = lines.index("```", begin + 1)
        body = lines[begin + 1 : end]
        if any(line.startswith("for ") for line in body):  # a script
            found.append((begin + 2, "\n".join(body)))
        else:
            found += [(begin + 2 + i, line) for i, line in enumerate(body) if line.strip()]
    return sorted(found)


def shortened(text):
    """A training that would take its config's length gets a short one, an evaluation of all rows one of few."""
    def short(match):
        more = SHORT if match[1] == "train" else FEW
        return match[0] if re.search(r"train\.(steps|epochs)=|--limit", match[0]) else match[0] + " " + more
    return re.sub(r"variform (train|evaluate) [^\n|)#]*[^\s|)#]", short, text)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.used = set()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in ("configs", "datasets"):
            (self.folder / name).symlink_to(SOURCE / name)
        (self.folder / "variform").write_text(f'#!/bin/sh\nexec {shlex.quote(os.environ["VARIFORM_BINARY"])} "$@"\n')
        (self.folder / "variform").chmod(0o755)
        rng = numpy.random.default_rng(1)
        numpy.savez(self.folder / "faces.npz", x=rng.integers(0, 256, (300, 28, 28), dtype=numpy.uint8))
        self.environment = {**os.environ, "PATH": f"{self.folder}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
                            "HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}

    def typed(self, name):
        where, run, ran, typed = self.folder, "", 0, set()
        for line, text in shown(name):
            if text in typed:  # shown twice
                continue
            typed.add(text)
            reason = next((part for part in NOT_RUN if part in text), None)
            if reason:
                self.used.add(reason)
                continue
            text = re.sub(r"\bRUN\b", run, shortened(text))
            done = subprocess.run(["bash", "-c", text + '\nstatus=$?; pwd >.where; exit $status'], cwd=self.folder, text=True,
                                  env=self.environment, stdin=subprocess.DEVNULL, capture_output=True)
            place = f"{name}:{line}: $ {text}\n{done.stdout}{done.stderr}"
            code = next((code for part, code in ENDS_WITH.items() if part in text), 0)
            self.assertEqual(done.returncode, code, place)
            for part, said in EXPECTED_PRINT.items():
                if part in text:
                    self.assertIn(said, done.stdout + done.stderr, place)
            if "variform train" in text and "variform evaluate" not in text and code == 0:
                run = done.stdout.strip().splitlines()[-1]
                self.assertTrue((where / run / "DONE").exists(), place)
            ran += 1
        return ran

    def test_readme(self):
        self.assertGreater(self.typed("README.md"), 15)

    def test_tutorial(self):
        subprocess.run([self.folder / "variform", "train", "configs/quickstart.toml", SHORT], cwd=self.folder, check=True,
                       env=self.environment, capture_output=True)
        self.assertGreater(self.typed("docs/tutorial.md"), 5)

    @classmethod
    def tearDownClass(cls):
        unused = set(NOT_RUN) - cls.used
        assert not unused, f"these commands are shown no more: {sorted(unused)}"


class Reading(unittest.TestCase):
    def test_lengths(self):
        self.assertEqual(shortened("./variform train a.toml x=1"), f"./variform train a.toml x=1 {SHORT}")
        self.assertEqual(shortened("run=$(./variform train a.toml | tail -1)"), f"run=$(./variform train a.toml {SHORT} | tail -1)")
        self.assertEqual(shortened("variform train a.toml train.steps=100"), "variform train a.toml train.steps=100")
        self.assertEqual(shortened("./variform evaluate RUN   # why"), f"./variform evaluate RUN {FEW}   # why")
        self.assertEqual(shortened("variform evaluate a --limit 9"), "variform evaluate a --limit 9")

    def test_quotations(self):
        for text, whole in (("echo 'a b'", True), ('python3 -c "', False), ('python3 -c "\nprint(1)"', True)):
            self.assertEqual(is_whole(text), whole, text)

    def test_every_reason_is_one(self):
        for part, reason in NOT_RUN.items():
            self.assertGreater(len(reason.split()), 3, part)


if __name__ == "__main__":
    unittest.main()
