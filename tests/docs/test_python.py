"""docs/python.md: its session runs, and gives what it shows."""

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
sys.path.insert(0, str(SOURCE / "python"))
if not (BUILD / "lib/libvariform_python.so").is_file():
    sys.exit(77)


class Session(unittest.TestCase):
    maxDiff = 4000

    def test_runs(self):
        folder = tempfile.mkdtemp(prefix="variform-python-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)
        text = re.search(r"```python\n(.*?)```", (SOURCE / "docs/python.md").read_text(), re.S)[1]
        shown = walk_through.session(self, text, {})
        self.assertGreater(shown, 10)


if __name__ == "__main__":
    unittest.main()
