"""docs/from_python_to_plugin.md: its Python runs, and gives what it shows."""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

import walk_through

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
os.environ["VARIFORM_PREFIX"] = str(BUILD)
sys.path[:0] = [str(SOURCE / "python")]
if not (BUILD / "lib/libvariform_python.so").is_file():
    sys.exit(77)
TEXT = (SOURCE / "docs/from_python_to_plugin.md").read_text()


def blocks():
    """The document's Python: the file gumbel.py, the session in Python, the comparison with the plugin."""
    return re.findall(r"```python\n(.*?)```", TEXT, re.S)


class PageTest(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="variform-from-python-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(os.chdir, os.getcwd())
        self.addCleanup(setattr, sys, "path", list(sys.path))
        os.chdir(self.folder)
        sys.path.insert(0, self.folder)
        pathlib.Path("gumbel.py").write_text(blocks()[0])


class InPython(PageTest):
    def test_session(self):
        names = {}
        self.assertEqual(walk_through.session(self, blocks()[1], names), 5)
        # What the page says of a mistake is so.
        mistake = blocks()[0].replace(" - self.scale.log()", "").replace("class Gumbel(", "class Mistaken(")
        exec(mistake, {"__name__": "mistaken"}, wrong := {})
        wrong["Mistaken"].posterior.__globals__.update(wrong)
        report = names["variform"].check(wrong["Mistaken"], filter="normalised")
        shown = next(line for line in TEXT.splitlines() if line.startswith("  FAIL"))
        self.assertIn(shown, str(report))


if __name__ == "__main__":
    unittest.main()
