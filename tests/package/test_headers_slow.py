"""Every public header compiles by itself, twice: a plugin's author may include any of them first. A header takes ten seconds,
nearly all of it LibTorch's. Here those that the last commits touched, and a quarter of the others, another one with each
commit; test_headers_all.py has all of them."""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import unittest
import zlib

from test_units_slow import SOURCE, checked

BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=SOURCE, capture_output=True, text=True).stdout


class Headers(unittest.TestCase):
    only_some = True

    def test_each_compiles_by_itself(self):
        # Compiled for this test alone (tests/CMakeLists.txt): files that include one header.
        entries = {re.search("<(.*)>", pathlib.Path(entry["file"]).read_text())[1]: entry
                   for entry in json.loads((BUILD / "compile_commands.json").read_text()) if "/tests/headers/" in entry["file"]}
        self.assertEqual(set(entries), {str(path.relative_to(SOURCE / "sdk/include"))
                                        for path in (SOURCE / "sdk/include").rglob("*.h")})
        changed, turn = git("log", "-10", "--name-only", "--format=").split(), int(git("rev-list", "--count", "HEAD") or 0)
        if self.only_some and changed:
            entries = {header: entry for header, entry in entries.items()
                       if f"sdk/include/{header}" in changed or (zlib.crc32(header.encode()) + turn) % 4 == 0}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = [text for text in pool.map(checked, entries.values()) if text]
        self.assertEqual(found, [], "\n".join(found)[:4000])


if __name__ == "__main__":
    unittest.main()
