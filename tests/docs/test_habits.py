"""Habits of language that readers stumbled over, held off: phrases, long lines of READMEs, literals broken by a formatter."""

import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PHRASES = {  # phrase: what to write instead
    r"(?<!\"a )\bdatum\b": "an example, a row",
    r"\bnats an? \w+\b": "nats per …",
    r"(?<!there )\b(is|are) none[;,.]": "is not …",
    r"\banew\b": "again",
    r"\bfor want of\b": "because there is no …",
    r"\bgo(es)? the same way\b": "work in the same way",
    r"\ba row a latent\b": "one row per latent",
}
TEXTS = ("configs", "core", "plugins", "sdk", "tests", "docs", "README.md", "CONTRIBUTING.md", "SECURITY.md", "datasets")
# Not yet the benchmarks; the others are made from the headers and the components, which are looked at themselves, by studies, or are this list.
LEFT = ("tests/bench/", "docs/sdk.md", "docs/config_reference.md", "docs/results/", "docs/results.md", "tests/docs/test_habits.py")


def files():
    listed = subprocess.run(["git", "ls-files", *TEXTS], cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if name.endswith((".h", ".cpp", ".md", ".py", ".toml")) and not name.startswith(LEFT) and (SOURCE / name).exists():
            yield name, (SOURCE / name).read_text()


class Habits(unittest.TestCase):
    maxDiff = None

    def test_phrases(self):
        found = []
        for name, text in files():
            for number, line in enumerate(text.splitlines(), 1):
                for phrase, better in PHRASES.items():
                    if re.search(phrase, line):
                        found.append(f"{name}:{number}: write '{better}': {line.strip()}")
        self.assertEqual(found, [])

    def test_lines_of_readmes(self):
        found = []
        for name, text in files():
            if not name.endswith("README.md"):
                continue
            code = False
            for number, line in enumerate(text.splitlines(), 1):
                code ^= line.startswith("```")
                if len(line) > 110 and not code and not line.startswith("|") and "](" not in line:
                    found.append(f"{name}:{number}: {len(line)} characters")
        self.assertEqual(found, [])

    def test_literals_are_whole(self):
        """A piece of a few characters between two longer ones is a formatter's work, and unreadable."""
        found = []
        for name, text in files():
            if name.endswith((".h", ".cpp")):
                for match in re.finditer(r'\n\s*"[^"\\\n]{1,9} "\n\s*"', text):
                    found.append(f"{name}:{text.count(chr(10), 0, match.start()) + 2}")
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
