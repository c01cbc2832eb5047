"""Every command that the documents show: the program knows it and its options, the files that it names are there, and its
overrides are keys and values that a config takes. What takes minutes to run is run by other tests (walk_through.py)."""

import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ["VARIFORM_BINARY"]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *sorted(f"docs/{f.name}" for f in (SOURCE / "docs").glob("*.md"))]
LAUNCHER = {"test", "bench", "docs", "tidy", "fuzz", "deps", "format", "wheel"}  # verbs of the script ./variform
# Shown for the errors that they give.
REFUSED = ("objektive.beta=1", "objective.type=grae model.prior.type=laplace")
PLACEHOLDER = re.compile(r"[A-Z]{2,}|…|\$|\*")  # RUN, CONFIG, [KEY=VALUE…], $beta


def commands():
    """(place, words) of every `variform …` in a fenced block or between backquotes."""
    for name in DOCUMENTS:
        fenced = False
        for number, line in enumerate((SOURCE / name).read_text().splitlines(), 1):
            if line.startswith("```"):
                fenced = not fenced
                continue
            texts = [line] if fenced else re.findall(r"`([^`]*)`", line)
            for text in texts:
                for found in re.finditer(r"(?<!python -m)(?:^|[\s($])(?:\./)?variform ([a-z].*)", text):
                    words = words_of(found[1])
                    if words:
                        yield f"{name}:{number}", words


def words_of(text):
    text = re.split(r"\s[|>#]|\s\\$| && |;|\)$|<!--|-->", text)[0]
    try:
        return shlex.split(text)
    except ValueError:  # an apostrophe: a sentence, not a command
        return []


def asked(*arguments, code=0):
    done = subprocess.run([PROGRAM, *arguments], cwd=SOURCE, capture_output=True, text=True)
    assert done.returncode == code, f"variform {shlex.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


class Commands(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.help = {(): asked("--help")}
        cls.commands = list(commands())

    def help_of(self, path):
        if path not in self.help:
            self.help[path] = asked(*path, "--help")
        return self.help[path]

    def subcommands(self, path):
        return set(re.findall(r"^  ([a-z-]+) ", self.help_of(path).partition("Subcommands:")[2], re.M))

    def test_there_are_some(self):
        self.assertGreater(len(self.commands), 100)

    def test_commands_and_options_exist(self):
        unknown = []
        for place, words in self.commands:
            if words[0] in LAUNCHER:
                continue
            path = ()
            while words and words[0] in self.subcommands(path):
                path += (words[0],)
                words = words[1:]
                if not self.subcommands(path):
                    break
            if not path:
                if re.fullmatch(r"[a-z-]+", words[0]) and len(words) > 1:
                    unknown.append(f"{place}: no command '{words[0]}'")
                continue
            known = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", self.help_of(path) + self.help[()]))
            for word in words:
                option = word.strip("[]").split("=")[0]
                if re.fullmatch(r"--?[a-z][a-z-]*", option) and option not in known:
                    unknown.append(f"{place}: variform {' '.join(path)} has no option '{option}'")
        self.assertEqual(unknown, [])

    def test_files_exist(self):
        missing = [f"{place}: {word}" for place, words in self.commands for word in words
                   if word.startswith(("configs/", "docs/", "sdk/", "tests/")) and not PLACEHOLDER.search(word)
                   and not (SOURCE / word).exists() and words[0] != "describe"]
        self.assertEqual(missing, [])

    def test_trainings_are_configs(self):
        """`config print` says of every documented training what a training would say before it reads data."""
        tried = 0
        for place, words in self.commands:
            if words[0] != "train" or len(words) < 2 or not words[1].startswith("configs/"):
                continue
            if "-m" in words:
                with self.subTest(place=place), tempfile.TemporaryDirectory() as folder:
                    asked(*words, *([] if "--list" in words else ["--list"]), "--studies", folder)
                continue
            overrides = [word for word in words[2:] if "=" in word and not word.startswith("-")]
            if any(PLACEHOLDER.search(word) for word in overrides) or " ".join(overrides).startswith(REFUSED):
                continue
            if any(word.startswith("data.dataset=") and word.endswith((".npz", ".toml")) for word in overrides):
                overrides = [word for word in overrides if not word.startswith("data.")]  # the reader's own files
            with self.subTest(place=place):
                asked("config", "print", words[1], *overrides)
                tried += 1
        self.assertGreater(tried, 10)

    def test_what_is_refused_is_refused(self):
        refused = [words for _, words in self.commands if " ".join(words[2:]).startswith(REFUSED)]
        self.assertEqual(len(refused), len(REFUSED))
        for words in refused:
            with tempfile.TemporaryDirectory() as folder:
                asked("check" if "laplace" in words[-1] else "train", *words[1:], "--runs", folder, code=2)

    def test_studies_are_plans(self):
        tried = set()
        for place, words in self.commands:
            if words[0] in ("study", "report", "check") and len(words) > 1 and words[1].startswith("configs/studies/"):
                if words[1] in tried:
                    continue
                tried.add(words[1])
                with self.subTest(place=place):
                    asked("study", words[1], "--list")
        self.assertGreater(len(tried), 8)


if __name__ == "__main__":
    unittest.main()
