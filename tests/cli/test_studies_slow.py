"""The studies of the project in their quick variants: the same code on real data, from the file to tables and figures."""

import csv
import os
import pathlib

from program import ProgramTest, main, missing_data

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])


class QuickStudies(ProgramTest):
    def results(self, name):
        """Runs it; the rows of results.csv, and that every table and figure is there."""
        file = SOURCE / "configs" / "studies" / f"{name}.toml"
        result = self.run_program("study", file, "--jobs", 2, code=None, timeout=1800)
        if result.code and missing_data(result.stderr):
            self.skipTest(result.stderr)
        self.assertEqual(result.code, 0, str(result))
        folder = self.folder / "studies" / name.replace("_", "-")
        for figure in (folder / "figures").glob("*.gp"):
            self.assertGreater(figure.with_suffix(".png").stat().st_size, 1000)
            self.assertTrue(figure.with_suffix(".svg").exists())
        with open(folder / "results.csv", newline="") as rows:
            return list(csv.DictReader(rows))

    def test_linear(self):
        rows = self.results("linear_quick")
        above = {row["model.family.type"]: float(row["value"]) for row in rows if row["metric"] == "above_linear_percent"}
        self.assertEqual(set(above), {"diagonal", "full"})
        for family, percent in above.items():  # a tenth of the training: near, and never below
            self.assertGreater(percent, -0.01, family)
            self.assertLess(percent, 3, family)
        active = {float(row["value"]) for row in rows if row["metric"] == "linear_active"}
        self.assertEqual(active, {6})


if __name__ == "__main__":
    main()
