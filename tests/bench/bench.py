#!/usr/bin/env python3
"""How fast Variform is, beside PyTorch and beside the machine's limits. Started by `./variform bench`.

    bench.py --build BUILD [FIGURE…] [--rounds 9] [--json FILE] [--list]

Every figure is a ratio of two things measured in turn in one run, the median over rounds. Prints a table; a run of all
figures also writes docs/performance.json and the tables of docs/performance.md. Nothing else should run meanwhile.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import figures  # noqa: E402
import report  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help="those to measure; without, all that need no GPU")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="build folder")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count, at least 7 (default: 9)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the rows there as well")
    parser.add_argument("--list", action="store_true", help="the figures' names")
    options = parser.parse_args()
    if options.list:
        for name, figure in {**figures.ALL, **figures.LARGE, **figures.GPU}.items():
            print(f"{name:<16}{figure.__doc__.splitlines()[0]}")
        return
    known = {**figures.ALL, **figures.LARGE, **figures.GPU}
    unknown = [name for name in options.figures if name not in known]
    if unknown:
        parser.error(f"there is no figure {', '.join(unknown)}; there are: {', '.join(known)}")
    if options.rounds < 7:
        parser.error("a median of fewer than 7 rounds says little here")
    rows = []
    with tempfile.TemporaryDirectory(prefix="variform-bench-") as folder:
        place = figures.Place(options.build.resolve(), ROOT, pathlib.Path(folder), options.rounds)
        for name in options.figures or figures.ALL:
            print(f"{name}: {known[name].__doc__.splitlines()[0]}", file=sys.stderr)
            started = "tests/bench/gpu.sh PREFIX" if name in figures.GPU else "./variform bench"
            for row in known[name](place):
                rows.append(dataclasses.replace(row, command=f"{started} {name}"))
                print(report.line(rows[-1]), flush=True)
    if options.json:
        report.write_json(rows, options.json)
    if not options.figures:
        report.write(rows, ROOT / "docs")


if __name__ == "__main__":
    main()
