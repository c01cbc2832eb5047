"""The public headers are also clang 14's, with strict warnings; and a plugin that it compiled serves the program that g++
compiled. (That each header compiles by itself is g++'s business, test_headers_slow.py.)"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

from installed import LIBTORCH, Installed, run

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
CLANG = shutil.which("clang++-14") or shutil.which("clang++")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
# g++ 12's <ranges> is beyond clang 14, and it has no <source_location>.
FORBIDDEN = ("ranges", "source_location")


def flags():
    """The build's own definitions, include folders and standard; nothing that is g++'s."""
    commands = json.loads((BUILD / "compile_commands.json").read_text())
    words = shlex.split(next(c["command"] for c in commands if "/variform-sdk.dir/" in c["file"] or "/sdk/src/" in c["file"]))
    kept = [w for w in words if re.match(r"-D|-I|-std=|-f", w) and not re.match(r"-fsanitize|-I.*/cmake/light$", w)]
    return kept + [f"-idirafter{words[i + 1]}" for i, w in enumerate(words) if w == "-idirafter"]


class Clang(unittest.TestCase):
    def test_every_header(self):
        headers = sorted(h.relative_to(SOURCE / "sdk/include") for h in (SOURCE / "sdk/include").rglob("*.h"))
        self.assertGreater(len(headers), 15)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "all.cpp"
            # Twice, the second time in reverse.
            file.write_text("".join(f"#include <{header}>\n" for header in headers + headers[::-1]))
            done = run(CLANG, *flags(), *STRICT, "-fsyntax-only", file)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_no_header_that_clang_cannot_read(self):
        for header in (SOURCE / "sdk/include").rglob("*.h"):
            included = re.findall(r"(?m)^#include <([\w./]+)>", header.read_text())
            self.assertEqual([i for i in included if i in FORBIDDEN], [], header)

    def test_a_plugin_loads_and_serves(self):
        tree = Installed(type(self))
        build = tree.folder / "by clang"
        run("cmake", "-S", SOURCE / "tests/package/outside", "-B", build, "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={CLANG}",
            "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_PREFIX_PATH={tree.prefix}", f"-DLIBTORCH={LIBTORCH}", check=True)
        run("cmake", "--build", build, check=True)
        made_by = subprocess.run(["readelf", "-p", ".comment", build / "outside.so"], capture_output=True, text=True).stdout
        self.assertIn("clang version 14", made_by)
        listed = tree.variform("list", "prior", folder=build, VARIFORM_PLUGIN_PATH=build).stdout
        self.assertIn("cube ", listed)
        done = tree.variform("check", build / "outside.so", folder=build, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    if not CLANG:
        print("clang++-14 is missing; install clang-14")
        sys.exit(77)
    unittest.main()
