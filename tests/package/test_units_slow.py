"""Every source file compiles by itself, as it does when several are compiled as one (option VARIFORM_UNITY): it includes
what it uses, and what it defines is its own. Without code generation, by a precompiled header: some five minutes on two
cores for core, sdk and plugins. Here those that the last commits touched, and a third of those that include a header that
they touched, another third with each commit; test_units_all.py has all of them, and the tests' own files."""

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
import zlib

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
CMAKE = "/usr/bin/cmake" if os.path.exists("/usr/bin/cmake") else shutil.which("cmake")


def checked(entry):
    """The compiler's messages about one source file; empty if there are none."""
    command = re.sub(r" -o \S+\.o ", " ", entry["command"]) + " -fsyntax-only"
    command = re.sub(r"^.*?ccache\S* ", "", command)
    done = subprocess.run(shlex.split(command), cwd=entry["directory"], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def touched(files, commits=10):
    """Those of the files that changed in the last commits, and a third of those that include a header that did; all where
    there is no history."""
    log = subprocess.run(["git", "log", f"-{commits}", "--name-only", "--format="], cwd=SOURCE, capture_output=True,
                         text=True)
    if log.returncode or len(log.stdout.split()) == 0:
        return files
    changed = set(log.stdout.split())
    headers = [re.escape(name) for path in changed if path.endswith(".h")
               for name in (path.split("/include/")[-1].removeprefix("core/"), pathlib.Path(path).name)]
    includes = re.compile(r'#include ["<](?:' + "|".join(headers) + r')[">]') if headers else None

    turn = int(subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=SOURCE, capture_output=True, text=True).stdout or 0)

    def is_touched(file):
        path = str(pathlib.Path(file).relative_to(SOURCE))
        return path in changed or bool((zlib.crc32(path.encode()) + turn) % 3 == 0 and includes and
                                       includes.search(pathlib.Path(file).read_text()))
    return [file for file in files if is_touched(file)]


class Units(unittest.TestCase):
    folders = ("core", "sdk", "plugins")
    only_touched = True

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
            if self.only_touched:
                files = touched([entry["file"] for entry in entries])
                entries = [entry for entry in entries if entry["file"] in files]
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                found = [text for text in pool.map(checked, entries) if text]
            self.assertEqual(found, [], "\n".join(found)[:4000])


if __name__ == "__main__":
    unittest.main()
