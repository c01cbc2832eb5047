"""docs/python.md: its session runs, and gives what it shows."""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

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
        names, lines, shown = {}, [], 0
        for line in text.splitlines():
            code, mark, expected = line.partition("#:")
            if not mark:
                lines.append(line)
                continue
            exec("\n".join(lines), names)
            lines = []
            found = repr(eval(code, names))
            whole = re.escape(expected.strip()).replace("…", ".*")
            self.assertTrue(re.fullmatch(whole, found, re.S), f"{code.strip()}\nshows {expected}\ngives {found}")
            shown += 1
        self.assertGreater(shown, 10)
        self.assertEqual(lines, [])


if __name__ == "__main__":
    unittest.main()
