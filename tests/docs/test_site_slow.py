"""The documents as a site: Sphinx makes it without a warning (a link that leads nowhere is one), and every page is in it."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Site(unittest.TestCase):
    def build(self, source, folder):
        return subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c",
                               str(SOURCE / "docs/site"), "-d", f"{folder}/trees", str(source), f"{folder}/html"],
                              capture_output=True, text=True)

    def test_the_site_is_made_without_a_warning(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.build(SOURCE, folder)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            pages = [page.relative_to(SOURCE) for page in SOURCE.glob("docs/*.md")]
            self.assertGreater(len(pages), 10)
            index = pathlib.Path(folder, "html/docs/site/index.html").read_text()
            for page in pages:
                self.assertIn(f'href="../{page.stem}.html"', index, f"{page} is in no list of docs/site/index.md")
            for notebook in SOURCE.glob("docs/notebooks/*.ipynb"):
                self.assertIn(f'href="../notebooks/{notebook.stem}.html"', index, notebook)
                shown = pathlib.Path(folder, f"html/docs/notebooks/{notebook.stem}.html").read_text()
                self.assertIn("cell_output", shown, "its stored outputs")
            theory = pathlib.Path(folder, "html/docs/theory.html").read_text()
            self.assertIn("Notation", theory)
            self.assertTrue(re.search(r'<img[^>]+rooms', pathlib.Path(folder, "html/docs/design.html").read_text()))


if __name__ == "__main__":
    unittest.main()
