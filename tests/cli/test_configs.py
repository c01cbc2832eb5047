"""Every config that comes with the program composes: it is built, and one step runs on two rows."""

import os
import pathlib
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BINARY = os.environ["VARIFORM_BINARY"]


class Configs(unittest.TestCase):
    def test_each(self):
        configs = sorted((SOURCE / "configs").rglob("*.toml"))
        self.assertGreater(len(configs), 20)
        checked = 0
        for config in configs:
            with self.subTest(config.name):
                environment = dict(os.environ, VARIFORM_HOME=str(SOURCE))
                done = subprocess.run([BINARY, "check", config], capture_output=True, text=True, env=environment)
                if done.returncode and "was not found" in done.stderr and not os.environ.get("CI"):
                    continue  # a data set that is not on this machine
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("one step on two rows ran", done.stdout)
                checked += 1
        self.assertGreater(checked, 15)


if __name__ == "__main__":
    unittest.main()
