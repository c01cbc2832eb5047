"""The same as test_units_slow.py for all source files, the tests' own among them."""

import unittest

import test_units_slow


class Units(test_units_slow.Units):
    folders = ("core", "sdk", "plugins", "tests")
    only_touched = False


if __name__ == "__main__":
    unittest.main()
