"""The same as test_headers_slow.py for all public headers."""

import unittest

import test_headers_slow


class Headers(test_headers_slow.Headers):
    only_some = False


if __name__ == "__main__":
    unittest.main()
