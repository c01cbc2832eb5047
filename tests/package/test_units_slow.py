"""Every source file compiles by itself, as it does when several are compiled as one (option VARIFORM_UNITY): it includes
what it uses, and what it defines is its own. Without code generation, by a precompiled header: some five minutes on two
cores for core, sdk and plugins; test_units_all.py has the tests' own files."""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
CMAKE = "/usr/bin/cmake" if os.path.exists("/usr/bin/cmake") else shutil.which("cmake")


def checked(entry):
    """The compiler's messages about one source file; empty if there are none."""
    command = re.sub(r" -o \S+\.o ", " ", entry["command"]) + " -fsyntax-only"
    command = re.sub(r"^.*?ccache\S* ", "", command)
    done = subprocess.run(shlex.split(command), cwd=entry["directory"], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


class Units(unittest.TestCase):
    folders = ("core", "sdk", "plugins")

    def test_each_file_compiles_by_itself(self):
        with tempfile.TemporaryDirectory(prefix="variform-units-") as build:
            configured = subprocess.run(
                [CMAKE, "-S", SOURCE, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DVARIFORM_UNITY=OFF",
                 "-DVARIFORM_TESTS=ON", f"-DVARIFORM_PYTHON={os.environ['VARIFORM_PYTHON']}",
                 f"-DLIBTORCH={os.environ['VARIFORM_LIBTORCH']}", "-DVARIFORM_CCACHE=OFF"], capture_output=True, text=True)
            self.assertEqual(configured.returncode, 0, configured.stderr)
            made = subprocess.run([CMAKE, "--build", build, "--target", "variform-precompiled", "variform-revision"],
                                  capture_output=True, text=True)
            self.assertEqual(made.returncode, 0, made.stdout)
            roots = tuple(f"{SOURCE}/{folder}/" for folder in self.folders)
            entries = [entry for entry in json.loads(pathlib.Path(build, "compile_commands.json").read_text())
                       if entry["file"].startswith(roots)]
            self.assertGreater(len(entries), 60)  # files, not units
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                found = [text for text in pool.map(checked, entries) if text]
            self.assertEqual(found, [], "\n".join(found)[:4000])


if __name__ == "__main__":
    unittest.main()
