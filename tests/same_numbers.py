#!/usr/bin/env python3
"""Whether two builds of the program compute the same: what a change of the house must not move.

    tests/same_numbers.py record build/release/variform before.json     # a few minutes, with one thread
    tests/same_numbers.py compare before.json after.json [--tolerance 1e-12]

Records, for twelve short trainings (every kind of objective, GRAE with each structure, a convolutional model, a flow, a
prior fitted after the training, a study), every logged loss, every number of `evaluate --json`, and a SHA-256 of each
tensor of the last checkpoint. `compare` prints the first differences and returns 1 if there are any; without
--tolerance the numbers must be equal to the last bit (same processor, same threads; large products of linear layers
by oneDNN, or as VARIFORM_KERNELS says).
"""

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py

HERE = Path(__file__).resolve().parent.parent
QUICK = "configs/quickstart.toml"
SMALL = ["model.encoder.hidden=[64]", "model.decoder.hidden=[64]", "model.latent=6"]
OPTIMAL = ["model.family.type=optimal", "objective.beta=0.1"]
CASES = {
    "beta-vae": [QUICK, "train.steps=60"],
    "full": [QUICK, *SMALL, "model.family.type=full", "train.steps=60"],
    "grae-full": [QUICK, *SMALL, *OPTIMAL, "objective.type=grae", "train.steps=40"],
    "grae-diagonal": [QUICK, *SMALL, *OPTIMAL, "objective.type=grae", "objective.structure=diagonal", "train.steps=40"],
    "grae-block": [QUICK, *SMALL, *OPTIMAL, "objective.type=grae", "objective.structure=block", "objective.block=2",
                   "train.steps=40"],
    "grae-low-rank": [QUICK, *SMALL, *OPTIMAL, "objective.type=grae", "objective.structure=low-rank",
                      "objective.rank=2", "train.steps=40"],
    "grae-approx": [QUICK, *SMALL, *OPTIMAL, "objective.type=grae-approx", "train.steps=40"],
    "taylor": [QUICK, *SMALL, "objective.type=taylor", "objective.beta=0.1", "train.steps=40"],
    "iwae": [QUICK, *SMALL, "objective.type=iwae", "train.steps=40"],
    "conv": ["configs/models/fashion_conv.toml", "train.steps=20"],
    "flow": ["configs/models/fashion_iaf.toml", *SMALL[2:], "train.steps=40"],
    "factor-vae": ["configs/models/fashion_factor_vae.toml", *SMALL[2:], "train.steps=40"],
}
EX_POST = {"beta-vae": "mixture"}  # evaluated a second time with this prior
STUDY = "configs/studies/linear_quick.toml"


def run(program, *arguments):
    done = subprocess.run([program, *arguments], cwd=HERE, capture_output=True, text=True,
                          env={"VARIFORM_KERNELS": "onednn", **os.environ, "OMP_NUM_THREADS": "1", "VARIFORM_HOME": str(HERE)})
    if done.returncode:
        sys.exit(f"variform {' '.join(arguments)}\nfailed with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def numbers(value, path=""):
    """All numbers of a JSON value by their paths."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbers(inner, f"{path}/{index}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, float(value)


def digests(checkpoint):
    found = {}
    with h5py.File(checkpoint) as file:
        def visit(name, item):
            if isinstance(item, h5py.Dataset) and not name.startswith("metadata"):
                found[name] = hashlib.sha256(item[()].tobytes() if item.shape != () else bytes(str(item[()]), "utf8")
                                             ).hexdigest()[:16]
        file.visititems(visit)
    return found


def of_run(program, folder, prior):
    result = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        for path, value in numbers(entry):
            result[f"metrics/{entry['step']}/{entry.get('split')}{path}"] = value
    evaluations = [("evaluation", [])] + ([("ex-post", ["--prior", prior])] if prior else [])
    for name, more in evaluations:
        found = json.loads(run(program, "evaluate", str(folder), "--json", "--limit", "256", "--hessian-rows", "16", *more))
        for path, value in numbers(found):
            result[f"{name}{path}"] = value
    return {"numbers": result, "tensors": digests(folder / "checkpoints" / "last.h5")}


def record(program, out):
    program = str(Path(program).resolve())
    found = {}
    with tempfile.TemporaryDirectory() as work:
        for name, arguments in CASES.items():
            folder = Path(work) / name
            run(program, "train", *arguments, "--folder", str(folder), "--no-figures", "--threads", "1")
            found[name] = of_run(program, folder, EX_POST.get(name))
            print(f"{name}: {len(found[name]['numbers'])} numbers, {len(found[name]['tensors'])} tensors", flush=True)
        run(program, "--runs", f"{work}/runs", "study", STUDY, "--studies", f"{work}/studies", "--jobs", "2")
        with open(next(Path(work, "studies").glob("*/results.csv"))) as file:
            rows = [{key: cell for key, cell in row.items() if key not in ("commit", "plugins")}  # which build it was
                    for row in csv.DictReader(file)]
        found["study"] = {"numbers": {}, "tensors": {str(index): json.dumps(row) for index, row in enumerate(rows)}}
        print(f"study: {len(rows)} rows", flush=True)
    Path(out).write_text(json.dumps(found, indent=1))


def compare(one, other, tolerance):
    one, other = (json.loads(Path(file).read_text()) for file in (one, other))
    wrong, worst, count = [], 0.0, 0
    if one.keys() != other.keys():
        wrong.append(f"other cases: {sorted(one.keys() ^ other.keys())}")
    for case in one.keys() & other.keys():
        for kind in ("numbers", "tensors"):
            a, b = one[case][kind], other[case][kind]
            if a.keys() != b.keys():
                wrong.append(f"{case}: other {kind}: {sorted(a.keys() ^ b.keys())[:5]}")
            for key in a.keys() & b.keys():
                count += 1
                if kind == "numbers" and a[key] != b[key] and not (a[key] != a[key] and b[key] != b[key]):
                    error = abs(a[key] - b[key]) / max(abs(a[key]), abs(b[key]), 1e-300)
                    worst = max(worst, error)
                    if error > tolerance:
                        wrong.append(f"{case} {key}: {a[key]!r} and {b[key]!r}")
                elif kind == "tensors" and tolerance == 0 and a[key] != b[key]:
                    wrong.append(f"{case} {key}: other bits")
    print("\n".join(wrong[:20]))
    print(f"{count} compared, {len(wrong)} differ; largest relative difference of a number {worst:.2g}")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("program")
    recording.add_argument("out")
    comparing = commands.add_parser("compare")
    comparing.add_argument("one")
    comparing.add_argument("other")
    comparing.add_argument("--tolerance", type=float, default=0.0)
    asked = parser.parse_args()
    if asked.command == "record":
        return record(asked.program, asked.out)
    return compare(asked.one, asked.other, asked.tolerance)


if __name__ == "__main__":
    sys.exit(main())
