"""The same as test_units_slow.py for the source files of the tests."""

import unittest

import test_units_slow


class Units(test_units_slow.Units):
    folders = ("tests",)


if __name__ == "__main__":
    unittest.main()
