#!/usr/bin/env python3
"""How fast Variform is, beside PyTorch and beside the machine's limits. Started by `./variform bench`.

    bench.py --build BUILD [FIGURE…] [--isa avx2|avx512] [--record] [--rounds 9] [--json FILE] [--list]
    bench.py --build BUILD --against REV [FIGURE…] [--isa …] [--rounds 9]

Every figure is a ratio of two things measured in turn in one run, the median over rounds. Prints a table; a run of all
figures also writes docs/performance.json and the tables of docs/performance.md. Nothing else should run meanwhile.
"""

import argparse
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import against  # noqa: E402
import figures  # noqa: E402
import isa as sets  # noqa: E402
import report  # noqa: E402
import rows as declared_rows  # noqa: E402

KNOWN = {**figures.ALL, **figures.LARGE, **figures.GPU}


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help="those to measure; without, all that need no GPU")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="build folder")
    parser.add_argument("--isa", choices=list(sets.TITLES), help="hold both sides to this instruction set (default: the processor's own)")
    parser.add_argument("--record", action="store_true", help="append the rows to docs/performance_history.csv")
    parser.add_argument("--against", metavar="REV", help="build that commit too, and compare the two in turn instead of PyTorch")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count, at least 7 (default: 9)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the rows there as well")
    parser.add_argument("--list", action="store_true", help="the figures' names")
    options = parser.parse_args(arguments)
    known = against.COMPARED if options.against else KNOWN
    unknown = [name for name in options.figures if name not in known]
    if unknown:
        parser.error(f"there is no figure {', '.join(unknown)}{' to compare with a commit' if options.against else ''}; "
                     f"there are: {', '.join(known)}")
    if options.rounds < 7:
        parser.error("a median of fewer than 7 rounds says little here")
    if options.against and (options.record or options.json):
        parser.error("--against compares two builds of Variform and has no rows for --record or --json")
    if options.record and (on_gpu := [name for name in options.figures if name in figures.GPU]):
        parser.error(f"--record keeps the processor's figures, and {', '.join(on_gpu)} are a GPU's; use --json")
    return options


def chosen_figures(options, isa):
    """Those asked for, or all that can be measured with the instruction set (None: only a GPU's are asked for)."""
    possible = declared_rows.figures_with(isa)
    impossible = [name for name in options.figures if name in figures.ALL and name not in possible]
    if impossible:
        raise sets.Refused(f"{', '.join(impossible)} cannot be measured with {sets.TITLES[isa]}: it has no instructions for it.")
    return options.figures or possible


def command_of(isa, processor):
    """The words that measure a figure again."""
    mode = f" --isa {isa}" if isa and isa != processor.own() else ""
    return lambda figure: (f"tests/bench/gpu.sh PREFIX {figure}" if figure in figures.GPU else f"./variform bench {figure}{mode}")


def measure(options, isa, processor, place):
    """Yields the rows of each figure in turn, as they are measured, and prints them."""
    for name in chosen_figures(options, isa):
        print(f"{name}: {KNOWN[name].__doc__.splitlines()[0]}", file=sys.stderr)
        measured = []
        for row in KNOWN[name](place):
            print(report.line(row, isa), flush=True)
            measured.append(row)
        yield measured


def main(arguments=None):
    options = parsed(arguments)
    if options.list:
        for name, figure in KNOWN.items():
            print(f"{name:<16}{figure.__doc__.splitlines()[0]}")
        return
    processor = sets.Processor()
    isa = None
    if not options.figures or options.isa or any(name not in figures.GPU for name in options.figures):
        isa = sets.chosen(options.isa, processor, os.environ)
        os.environ.update(sets.environment(isa, processor, ROOT / ".variform"))
        print(f"kernels for {sets.TITLES[isa]} on {processor.name}", file=sys.stderr)
    build = options.build.resolve()
    with tempfile.TemporaryDirectory(prefix="variform-bench-") as folder:
        place = figures.Place(build, ROOT, pathlib.Path(folder), options.rounds, isa)
        if options.against:
            against.compare(place, options.against, options.figures)
            return
        taken = report.taken_now(isa, processor, ROOT)
        history = report.History(ROOT / "docs/performance_history.csv") if options.record else None
        rows = []
        for measured in measure(options, isa, processor, place):
            rows += measured
            if history:  # at once: what is measured stays, should a later figure fail
                history.append(measured, taken)
    found = report.entries(rows, taken, command_of(isa, processor))
    if options.json:
        report.write_json(found, options.json)
    if not options.figures:
        report.publish(found, ROOT / "docs")


if __name__ == "__main__":
    main()
