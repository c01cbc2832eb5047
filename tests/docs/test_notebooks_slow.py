"""docs/notebooks: each runs from its first cell to its last, and shows what it is stored with: the same kinds of output, the
same text but for its numbers, and numbers near those that are stored.

    test_notebooks_slow.py --write [NAME…]      executes them and stores the outputs
"""

import os
import pathlib
import re
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
FOLDER = SOURCE / "docs/notebooks"
if not (BUILD / "lib/libvariform_python.so").is_file():
    sys.exit(77)

import nbformat  # noqa: E402
from nbclient import NotebookClient  # noqa: E402

NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
RELATIVE, ABSOLUTE = 0.15, 0.15  # between machines: other kernels and numbers of threads, after thousands of steps


def executed(file):
    """A notebook with new outputs."""
    notebook = nbformat.read(file, as_version=4)
    os.environ.update(VARIFORM_PREFIX=str(BUILD), PYTHONPATH=str(SOURCE / "python"), OMP_NUM_THREADS="1")
    with tempfile.TemporaryDirectory(prefix="variform-notebook-") as folder:
        NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False,
                       resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = together(cell.outputs)
    return notebook


def together(outputs):
    """What was printed in one piece: in how many it arrives is chance."""
    found = []
    for output in outputs:
        if found and output.output_type == found[-1].output_type == "stream" and output.name == found[-1].name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def outputs(notebook):
    """(kinds, text) of each output of each cell."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            yield number, [output.output_type, *sorted(data)], output.get("text", data.get("text/plain", ""))


class Notebooks(unittest.TestCase):
    def check(self, name):
        stored = list(outputs(nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)))
        found = list(outputs(executed(FOLDER / f"{name}.ipynb")))
        self.assertEqual([each[:2] for each in found], [each[:2] for each in stored])
        checked = 0
        for (number, _, text), (_, _, expected) in zip(found, stored):
            self.assertEqual(NUMBER.sub("#", text).split(), NUMBER.sub("#", expected).split(), f"cell {number}")
            for value, wanted in zip(map(float, NUMBER.findall(text)), map(float, NUMBER.findall(expected))):
                self.assertAlmostEqual(value, wanted, delta=ABSOLUTE + RELATIVE * abs(wanted), msg=f"cell {number}:\n{text}\nstored:\n{expected}")
                checked += 1
        self.assertGreater(checked, 5)

    def test_first_session(self):
        self.check("first_session")

    def test_a_family_compared(self):
        self.check("a_family_compared")

    def test_the_papers_claim(self):
        self.check("the_papers_claim")

    def test_your_own_data(self):
        self.check("your_own_data")

    def test_all_are_here(self):
        tested = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        self.assertEqual({file.stem for file in FOLDER.glob("*.ipynb")}, tested - {"all_are_here", "stored"})

    def test_stored(self):
        """No notebook holds a path of the machine that it ran on, a message of an error, or a large output."""
        for file in FOLDER.glob("*.ipynb"):
            text = file.read_text()
            self.assertLess(len(text), 200_000, file)
            for trace in ("/home/", "/tmp/", "/root/", "/work/", '"output_type": "error"', '"stderr"'):
                self.assertNotIn(trace, text, file)


if __name__ == "__main__":
    if "--write" in sys.argv:
        for file in sorted(FOLDER.glob("*.ipynb")):
            if file.stem in sys.argv[2:] or len(sys.argv) == 2:
                nbformat.write(executed(file), file)
    else:
        unittest.main()
