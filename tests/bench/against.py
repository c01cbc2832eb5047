"""Another commit beside this tree: ./variform bench --against REV [FIGURE…].

The commit is checked out as a git worktree in .variform/against/HASH/source and built in .variform/against/HASH/build, with
the compiler, LibTorch and options of this tree's build; both stay for the next time. Both sides' training programs
(bench-train) then take turns in one run. No PyTorch takes part, and nothing in docs/ is written.
"""

import functools
import os
import pathlib
import re
import statistics
import subprocess
import sys

import figures
from isa import Refused
from turns import WARM_UP

HERE, THERE = "this tree", "the commit"
PASSED_ON = ("CMAKE_BUILD_TYPE", "CMAKE_CXX_COMPILER", "CMAKE_MAKE_PROGRAM", "CMAKE_PREFIX_PATH", "LIBTORCH", "VARIFORM_CCACHE",
             "VARIFORM_PYTHON")
TARGETS = ("variform", "stock-plugins", "bench-train")

# What each figure compares: (words, case, steps per round).
COMPARED = {
    "step": [("MLP step", figures.Case(), 120)],
    "conv": [("conv 28×28 step", figures.Case(network="conv"), 24), ("conv 64×64 step", figures.Case(network="conv-64", batch=64), 8)],
    "batches": figures.LARGE_BATCHES,
    "small": [("small model step", figures.SMALL, 150)],
    "bfloat16": [("MLP step in bfloat16", figures.Case(precision="bfloat16"), 120)],
    "grae-approx": [("GRAE≈ step", figures.Case(objective="grae-approx"), 60)],
    "grae": [(f"exact GRAE step, d = {latent}", figures.Case(objective="grae", latent=latent), steps) for latent, steps in ((16, 8), (64, 2))],
    "evaluate": [("evaluate, 10,000 images", figures.Case(), None)],
}
NEED_AVX512 = ("bfloat16",)


def run(*command, log=None):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log or subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def resolved(root, revision):
    """The full hash of the commit that the words name."""
    status, said = run("git", "-C", root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if status:
        raise Refused(f"--against takes a commit, branch or tag of this repository, and '{revision}' is none that git knows"
                      f"{f' ({said.strip()})' if said.strip() else ''}. See: git log --oneline")
    return said.strip()


def checked_out(root, commit, folder):
    """The worktree of the commit, made if it is not there yet."""
    source = folder / "source"
    if (source / ".git").exists():
        return source
    folder.mkdir(parents=True, exist_ok=True)
    run("git", "-C", root, "worktree", "prune")  # one whose folder somebody has removed
    status, said = run("git", "-C", root, "worktree", "add", "--detach", source, commit)
    if status:
        raise Refused(f"git could not check {commit[:10]} out into {source}:\n{said}")
    return source


def settings(build):
    """What this tree's build was configured with."""
    found = dict(re.findall(r"^([A-Za-z0-9_]+):[A-Z]+=(.*)$", (build / "CMakeCache.txt").read_text(), re.M))
    return [f"-D{name}={found[name]}" for name in PASSED_ON if found.get(name)]


def jobs():
    """As the script ./variform: a compiler that reads LibTorch's headers takes 1 GB."""
    available = re.search(r"^MemAvailable:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)
    return max(1, min(len(os.sched_getaffinity(0)), int(available[1]) // 1200000))


def built(source, build, options):
    """Configures and builds a commit's tree; its output is in build.log beside it."""
    log = build.parent / "build.log"
    print(f"building {source}, which takes minutes the first time; output: {log}", file=sys.stderr)
    for command in (["cmake", "-S", source, "-B", build, "-G", "Ninja", "-DVARIFORM_TESTS=ON", *options],
                    ["cmake", "--build", build, "-j", jobs(), "--target", *TARGETS]):
        with open(log, "a", encoding="utf-8") as opened:
            status, _ = run(*command, log=opened)
        if status:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise Refused(f"The commit's tree could not be built. The end of {log}:\n{tail}")
    return build


def place_of(place, revision):
    """Where the commit is built, as figures see it."""
    commit = resolved(place.root, revision)
    folder = place.root / ".variform/against" / commit[:12]
    source = checked_out(place.root, commit, folder)
    build = built(source, folder / "build", settings(place.build))
    work = place.work / "the-commit"
    work.mkdir()
    return figures.Place(build, source, work, place.rounds, place.isa), f"{revision} ({commit[:10]})"


def steps_of(here, there, case, steps):
    """Seconds a step of both, by round."""
    rounds = figures.in_turn(here, steps, functools.partial(figures.ours, here, HERE, case, steps),
                             functools.partial(figures.ours, there, THERE, case, steps))
    return rounds.seconds[HERE], rounds.seconds[THERE]


def evaluations_of(here, there, case):
    """Seconds of `variform evaluate`; each side evaluates a run that it has trained."""
    runs = [(each, figures.trained(each, "evaluated", case, "epochs = 1\n")) for each in (here, there)]
    found = [], []
    for number in range(-WARM_UP, here.rounds):
        for seconds, (each, folder) in zip(found, runs):
            took, _ = figures.seconds_of([each.build / "variform", "evaluate", folder, "--importance-samples", "0"], each.environment())
            if number >= 0:
                seconds.append(took)
    return found


def line(words, here, there):
    """A row of the table, from seconds by round: the ratio of medians, and the quartiles of the rounds' ratios."""
    one, other = statistics.median(here), statistics.median(there)
    low, _, high = statistics.quantiles([b / a for a, b in zip(here, there)], n=4)
    return f"  {words:<28}{1000 * one:>12.3f} ms {1000 * other:>12.3f} ms {other / one:>10.3f}   {low:.3f} to {high:.3f}"


def header(name):
    return (f"  {'':<28}{HERE:>15} {name:>15} {'ratio':>10}   half of the rounds\n"
            f"  (ratio of medians: above 1, this tree is faster than {name})")


def compare(here, revision, asked):
    if refused := [name for name in asked if name in NEED_AVX512 and here.isa != "avx512"]:
        raise Refused(f"{', '.join(refused)} cannot be compared with kernels for AVX2, which has no instructions for it.")
    there, name = place_of(here, revision)
    print(header(name), flush=True)
    for figure in asked or [each for each in COMPARED if here.isa == "avx512" or each not in NEED_AVX512]:
        for words, case, steps in COMPARED[figure]:
            found = steps_of(here, there, case, steps) if steps else evaluations_of(here, there, case)
            print(line(words, *found), flush=True)
