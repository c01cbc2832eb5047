"""The rooms of the engine: no include but those that the table in docs/design.md allows, and a drawing that is the table's."""

import pathlib
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "docs"))

import rooms  # noqa: E402


class Rooms(unittest.TestCase):
    def test_no_include_points_up(self):
        self.assertEqual(rooms.forbidden(), [])

    def test_the_drawing_is_the_tables(self):
        self.assertEqual(rooms.DRAWING.read_text(), rooms.drawing(rooms.table()), "run: docs/rooms.py")

    def test_a_forbidden_include_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for room in ("base", "draw"):
                (root / "core" / room).mkdir(parents=True)
            (root / "plugins/families").mkdir(parents=True)
            (root / "core/draw/figure.cpp").write_text('#include "base/file.h"\n')
            (root / "core/base/file.h").write_text('#pragma once\n#include "draw/figure.h"\n')
            (root / "plugins/families/mine.cpp").write_text('#include <variform/family.h>\n#include "base/file.h"\n')
            self.assertEqual(rooms.forbidden(root), ["core/base/file.h:2: base may not include from draw",
                                                     "plugins/families/mine.cpp:2: stock may not include from base"])

    def test_a_room_without_a_row_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "core/attic").mkdir(parents=True)
            self.assertEqual(rooms.forbidden(pathlib.Path(folder)), ["core/attic has no row in the table"])

    def test_the_command_line_is_thin(self):
        """Options, one library call, printing: what needs more is a library's work, or several commands."""
        files = [*(SOURCE / "core/cli").glob("*.cpp"), *(SOURCE / "core/cli").glob("*.h")]
        self.assertGreater(len(files), 20)
        long = {file.name: lines for file in files if (lines := len(file.read_text().splitlines())) > 200}
        self.assertEqual(long, {}, "no file of core/cli has more than 200 lines")

    def test_a_circle_is_refused(self):
        with self.assertRaisesRegex(SystemExit, "a → b → a are a circle"):
            rooms.reach({"a": ["b"], "b": ["a"]})


if __name__ == "__main__":
    unittest.main()
