"""docs/from_python_to_plugin.md: the plugin that it makes is the family in Python, number for number."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import walk_through  # noqa: E402
from test_from_python import BUILD, SOURCE, TEXT, PageTest, blocks  # noqa: E402


class AsPlugin(PageTest):
    def test_same_numbers(self):
        names = {}
        exec("import variform\nfrom gumbel import Gumbel", names)
        training = next(line for line in blocks()[1].splitlines() if "train_python" in line)
        exec(training, names)
        begin, end = TEXT.index("## The same as a plugin"), TEXT.index("## How the words")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LIBTORCH")}
        environment.update(PATH=f"{BUILD}:{os.environ['PATH']}", HOME=self.folder, VARIFORM_HOME=str(SOURCE), OMP_NUM_THREADS="1")
        walk_through.walk(TEXT[begin:end], self.folder, environment)
        self.assertEqual(walk_through.session(self, blocks()[2], names), 1)


if __name__ == "__main__":
    unittest.main()
