#!/usr/bin/env python3
"""Measures what a plugin costs its author and the program, and writes it into docs/results.md between two marks.

    docs/measure_sdk.py BUILD [--out FILE]

BUILD is a build folder with everything in it, `bench-calls` too (ninja -C BUILD all bench-calls); it is installed into a
temporary folder, and what is measured is the installed program, on one core, with one thread. Takes about two minutes.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

BEGIN, END = "<!-- begin of the measurements: docs/measure_sdk.py -->", "<!-- end of the measurements -->"
ROOT = pathlib.Path(__file__).resolve().parent.parent
COPIES, REPEATS = 100, 7
NAME = "measured-00"  # its digits are what the copies differ in


class Bench:
    """An installed tree and an empty folder to work in."""

    def __init__(self, build, folder):
        self.prefix, self.folder = folder / "installed", folder / "work"
        self.folder.mkdir()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("VARIFORM_", "LIBTORCH", "MAKEFLAGS"))}
        if "VARIFORM_DATA" in os.environ:
            self.environment["VARIFORM_DATA"] = os.environ["VARIFORM_DATA"]
        # One core, whatever the command: children inherit it.
        self.core = {sorted(os.sched_getaffinity(0))[0]}
        self.run("cmake", "--install", build, "--prefix", self.prefix)
        self.environment.update(OMP_NUM_THREADS="1", HOME=str(folder), CCACHE_DISABLE="1",
                                PATH=f"{self.prefix / 'bin'}:{os.environ['PATH']}")

    def run(self, *command, cwd=None, **variables):
        """(seconds, stdout)"""
        start = time.monotonic()
        done = subprocess.run([str(part) for part in command], cwd=cwd or self.folder, text=True, capture_output=True,
                              env={**self.environment, **variables},
                              preexec_fn=lambda: os.sched_setaffinity(0, self.core))
        seconds = time.monotonic() - start
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return seconds, done.stdout


def code_lines(path):
    """Lines of a C++ file that are neither empty nor comments alone."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return len(lines), sum(1 for line in lines if line and not line.startswith("//"))


def measure_family(bench):
    """From `variform new` to a trained model."""
    times = {"new": bench.run("variform", "new", "family", NAME)[0]}
    project = bench.folder / NAME
    times["configure"] = bench.run("cmake", "-S", ".", "-B", "build", cwd=project)[0]
    times["build"] = bench.run("cmake", "--build", "build", cwd=project)[0]
    times["train"] = bench.run("variform", "train", "example.toml", "--threads", "1", "--quiet", cwd=project)[0]
    (project / "src" / f"{NAME}.cpp").touch()
    rebuild = bench.run("cmake", "--build", "build", cwd=project)[0]
    first_step = bench.run("variform", "train", "example.toml", "train.steps=1", "--threads", "1", "--quiet", cwd=project)[0]
    lines, code = code_lines(project / "src" / f"{NAME}.cpp")
    return project, {"lines": lines, "code": code, "times": times, "edit": rebuild + first_step}


def measure_listing(bench, project):
    """Listing with many plugins in the path: copies that differ in their ids, patched in at equal length."""
    original = (project / "build" / f"{NAME}.so").read_bytes()
    folder = bench.folder / "copies"
    folder.mkdir()
    for i in range(COPIES):
        name = NAME[:-2] + f"{i:02d}"
        (folder / f"{name}.so").write_bytes(original.replace(NAME.encode(), name.encode()))
    times = []
    for _ in range(REPEATS):
        seconds, listed = bench.run("variform", "list", "family", VARIFORM_PLUGIN_PATH=str(folder))
        times.append(seconds)
    found = sum(1 for line in listed.splitlines() if line.startswith("family:" + NAME[:-2]))
    if found != COPIES:
        raise SystemExit(f"expected {COPIES} copies of the plugin in the list, found {found}")
    without = statistics.median(bench.run("variform", "list", "family")[0] for _ in range(REPEATS))
    return {"with": statistics.median(times), "without": without}


def measure_calls(bench, build):
    return json.loads(bench.run(build / "tests" / "bench-calls", build / "plugins")[1])


def table(family, listing, calls):
    times, narrow, real = family["times"], calls["width 1"], calls["quickstart"]
    total = sum(times.values())
    rows = [
        ("lines of a generated family, comments and blank lines included (without)", "`variform new family NAME`",
         f"{family['lines']} ({family['code']})"),
        ("to configure it, and to build it on one core", "`cmake -S . -B build`, `cmake --build build`",
         f"{times['configure']:.1f} s, {times['build']:.1f} s"),
        ("from nothing to a trained model: the two above, `new`, and the example's 500 steps",
         "`variform train example.toml`", f"{total:.1f} s"),
        ("from an edit of its source to a step of training with it", "`cmake --build build`, `variform train …`",
         f"{family['edit']:.1f} s"),
        (f"listing with {COPIES} more plugins in the path (without them); median of {REPEATS}", "`variform list family`",
         f"{listing['with']:.2f} s ({listing['without']:.2f} s)"),
        ("plugin calls of a β-VAE step, from a model of width 1", "`bench-calls`",
         f"{narrow['difference_us']:.0f} µs of {narrow['through_plugins_us']:.0f} µs"),
        ("the same, as a share of loss and gradient at the quickstart's size", "`bench-calls`",
         f"{100 * narrow['difference_us'] / real['through_plugins_us']:.1f} % of {real['through_plugins_us'] / 1e3:.1f} ms"),
        ("the difference at that size itself, median of 15 rounds of 20 steps", "`bench-calls`",
         f"{real['difference_us'] / 1e3:.2f} ms"),
    ]
    return "\n| what | command | measured |\n|---|---|--:|\n" + "".join(f"| {a} | {b} | {c} |\n" for a, b, c in rows) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results.md")
    arguments = parser.parse_args()
    text = arguments.out.read_text()
    head, tail = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="variform-measure-"))
    try:
        build = arguments.build.resolve()
        bench = Bench(build, folder)
        project, family = measure_family(bench)
        found = table(family, measure_listing(bench, project), measure_calls(bench, build))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    arguments.out.write_text(head + "\n" + found + tail)
    print(found)


if __name__ == "__main__":
    main()
