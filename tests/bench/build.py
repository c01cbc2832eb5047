#!/usr/bin/env python3
"""How long a newcomer waits, and how long an edit takes: ./variform bench build [--skip-tests] [--revision REV]

Clones the checkout's last commit (or REV) into an empty folder, with an empty compiler cache, and prints a Markdown
table: the first training and the tests after it, set-up included; an edit of a component and of the engine until a
training makes its first step; a new family outside, its first build and an edit. Downloads come from wherever pip and
apt get them. Nothing else should run meanwhile; some fifteen minutes on two cores.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
QUICKSTART = "configs/quickstart.toml"
ONE_STEP = ["train", QUICKSTART, "train.steps=1", "--overwrite", "--no-figures"]


class Memory(threading.Thread):
    """The most that the compilers and linkers held together, in MiB, asked five times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.over = 0, threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            pages = 0
            for entry in os.scandir("/proc"):
                if not entry.name.isdigit():
                    continue
                try:
                    name = pathlib.Path(entry.path, "comm").read_text().strip()
                    if name in ("cc1plus", "ld", "as", "g++", "c++", "ccache"):
                        pages += int(pathlib.Path(entry.path, "statm").read_text().split()[1])
                except (OSError, IndexError):
                    continue
            self.most = max(self.most, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", text).group(1)
    sets = [label for flag, label in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in text]
    return f"{os.cpu_count()} cores, {name}, {sets[0] if sets else 'neither AVX2 nor AVX-512'}"


class Clone:
    def __init__(self, work, revision):
        self.path = work / "variform"
        self.environment = {**os.environ, "CCACHE_DIR": str(work / "ccache")}
        self.environment.pop("LIBTORCH", None)
        subprocess.run(["git", "clone", "-q", str(ROOT), str(self.path)], check=True)
        if revision:
            subprocess.run(["git", "checkout", "-q", revision], cwd=self.path, check=True)

    def run(self, *command, cwd=None):
        """Seconds that the command takes, and what it printed."""
        begin = time.monotonic()
        done = subprocess.run([str(word) for word in command], cwd=cwd or self.path, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\nfailed with {done.returncode}:\n{done.stdout[-3000:]}")
        return time.monotonic() - begin, done.stdout

    def built_in(self):
        """Seconds of the last build, by its log: from its first step's begin to its last one's end, in ms."""
        times = {}
        for line in (self.path / "build/release/.ninja_log").read_text().splitlines()[1:]:
            begin, end, _, output, _ = line.split("\t")
            times[output] = int(begin), int(end)
        return times

    def edit(self, file):
        path = self.path / file
        path.write_text(path.read_text() + f"// edited at {time.time()}\n")


def seconds(value):
    return f"{value:.0f} s" if value < 120 else f"{int(value) // 60} min {int(value) % 60:02d} s"


def build_seconds(clone, before):
    """From the first step's begin to the last one's end, of the steps that a build has added to ninja's log."""
    now = clone.built_in()
    new = [now[output] for output in now if before.get(output) != now[output]]
    return (max(end for _, end in new) - min(begin for begin, _ in new)) / 1000


def measure(clone, tests):
    memory = Memory()
    memory.start()
    first, _ = clone.run("./variform", "train", QUICKSTART)
    log = clone.built_in()
    yield "program and stock plugins, built", build_seconds(clone, {})
    memory.over.set()
    yield "`./variform train configs/quickstart.toml` from a fresh clone to its end", first
    yield "most memory of the compilers, 2 jobs", f"{memory.most:.0f} MiB"
    if tests:
        took, _ = clone.run("./variform", "test")
        yield "tests, built", build_seconds(clone, log)
        yield "`./variform test` after it, its build included", took
    for what, file in (("a component", "plugins/families/diagonal.cpp"), ("the engine", "core/measure/evaluate.cpp"),
                       ("the SDK", "sdk/src/nn_layers.cpp")):
        clone.edit(file)
        yield f"an edit of {what} (`{file}`) until a training has made a step", clone.run("./variform", *ONE_STEP)[0]
    outside = clone.path.parent / "outside"
    clone.run("./variform", "new", "family", "mine", "--into", outside)
    outside /= "mine"
    configured, _ = clone.run("/usr/bin/cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={clone.path}/build/release",
                              cwd=outside)
    yield "a new family outside: configured and built", configured + clone.run(
        "/usr/bin/cmake", "--build", "build", cwd=outside)[0]
    source = outside / "src/mine.cpp"
    source.write_text(source.read_text() + "// edited\n")
    yield "an edit of it until a training has made a step", clone.run("/usr/bin/cmake", "--build", "build", cwd=outside)[0] + clone.run(
        clone.path / "build/release/variform", "train", "example.toml", "train.steps=1", "--no-figures", cwd=outside)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skip-tests", action="store_true", help="without ./variform test")
    parser.add_argument("--revision", help="a commit instead of the last one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="variform-build-") as work:
        clone = Clone(pathlib.Path(work), asked.revision)
        print(f"{processor()}; the compiler's cache empty\n\n| what | time |\n|---|--:|", flush=True)
        for what, value in measure(clone, not asked.skip_tests):
            print(f"| {what} | {value if isinstance(value, str) else seconds(value)} |", flush=True)


if __name__ == "__main__":
    main()
