"""docs/first_family.md, done as it says, with the installed program in an empty folder."""

import json
import os
import pathlib
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests" / "package"))
sys.dont_write_bytecode = True

import walk_through  # noqa: E402
from installed import Installed  # noqa: E402

DOCUMENT = SOURCE / "docs" / "first_family.md"


class WalkThrough(unittest.TestCase):
    def test_reads_documents(self):
        text = "`a.txt`:\n\n```\none\n```\n`a.txt`, continued:\n```\ntwo\n```\n```console\n$ cat a.txt\none\n…\n```\n"
        steps = walk_through.steps(text)
        self.assertEqual([(s.name, s.text, s.continued) for s in steps[:2]],
                         [("a.txt", "one\n", False), ("a.txt", "two\n", True)])
        self.assertEqual((steps[2].text, steps[2].expected), ("cat a.txt", ["one", "…"]))

    def test_compares(self):
        agree = walk_through.agree
        self.assertTrue(agree(["a  1.00 ± 0.1", "…", "end in 3 s"], ["a 1.02 ± 0.2", "x", "y", "end in 12.5 s"], 0.05))
        self.assertTrue(agree(["run-0a1b2c3d0a1b2c3d-1 … 4"], ["run-ffffffffffffffff-1 any thing 4"], 0.05))
        for expected, found in ((["a 1.0"], ["a 2.0"]), (["a"], ["a", "b"]), (["a", "b"], ["a"]), (["3"], ["4"]), ([], ["x"])):
            self.assertFalse(agree(expected, found, 0.05), expected)

    def test_stops_at_what_is_not_so(self):
        tree = pathlib.Path(self.enterContext(__import__("tempfile").TemporaryDirectory()))
        environment = {"PATH": os.environ["PATH"]}
        self.assertEqual(walk_through.walk("```console\n$ mkdir a && cd a\n$ pwd\n…/a\n```\n", str(tree), environment), str(tree / "a"))
        for text in ("```console\n$ echo 1\n2\n```\n", "```console\n$ false\n```\n"):
            with self.assertRaises(AssertionError):
                walk_through.walk(text, str(tree), environment)


class FirstFamily(unittest.TestCase):
    def test_walk_through(self):
        tree = Installed(type(self))
        folder = tree.empty_folder("researcher")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("VARIFORM_", "LIBTORCH", "GIT_"))}
        if "VARIFORM_DATA" in os.environ:
            environment["VARIFORM_DATA"] = os.environ["VARIFORM_DATA"]
        environment.update(PATH=f"{tree.prefix / 'bin'}:{os.environ['PATH']}", HOME=str(tree.folder), OMP_NUM_THREADS="1")
        where = pathlib.Path(walk_through.walk(DOCUMENT.read_text(), str(folder), environment))
        project = folder / "my-laplace"
        self.assertTrue(str(where).startswith(str(folder)))
        self.assertEqual((project / "families.png").read_bytes()[:4], b"\x89PNG")
        self.check_what_it_says(project)

    def check_what_it_says(self, project):
        """The sentences about the figure, as numbers."""
        values = {}
        for name in ("my-laplace", "diagonal", "full"):
            (run,) = (project / "runs").glob(name + "-*")
            values[name] = {key: entry["mean"] for key, entry in
                            json.loads((run / "evaluation-test.json").read_text())["values"].items() if "mean" in entry}
        contrast = {name: entry["contrast"] for name, entry in values.items()}
        self.assertLess(max(contrast["my-laplace"], contrast["diagonal"]), 0.25 * contrast["full"])
        self.assertLess(abs(contrast["my-laplace"] - contrast["diagonal"]), 0.1 * contrast["full"])
        self.assertLess(values["diagonal"]["loss_beta"], values["my-laplace"]["loss_beta"])


if __name__ == "__main__":
    unittest.main()
