#!/usr/bin/env python3
"""Fills the marked table of docs/results.md from run folders, and from nothing else.

    docs/update_results.py RUN... [--data DIR]... [--out FILE]

Each RUN is a finished training of a unit-variance Gaussian likelihood on idx images that `variform evaluate RUN` has
evaluated on the whole test set. A run replaces the row of the same command, the other rows stay. The closed form of the
linear β-VAE comes from tests/reference/linear_bound.py (numpy). Exit code 1 if a run is not 10 % below it.
"""

import argparse
import json
import pathlib
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "reference"))
import linear_bound  # noqa: E402

BEGIN, END = "<!-- begin of the table: docs/update_results.py -->", "<!-- end of the table -->"
HEADER = """| training | data | β | d | test negative ELBO | IS-NLL (K) | test loss at β, no constant | L*, fitted on training data | L* of the test set | below the lower |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
"""
MARGIN = 10  # per cent
PLACES = ("--runs", "--data", "--plugin", "--threads")  # options that say where, not what


def command_of(run):
    """The command line that trained the run, without places."""
    words = json.loads((run / "environment.json").read_text())["command"][1:]
    if words[:1] != ["train"]:
        raise SystemExit(f"{run}: its last command was {words[:1]}, which does not show how it was trained; "
                         "train it in one go.")
    kept = []
    while words:
        word = words.pop(0)
        if word in PLACES:
            words.pop(0)
        elif not word.startswith(tuple(place + "=" for place in PLACES)) and word not in ("-q", "--quiet", "--json", "--overwrite", "--resume"):
            kept.append(word)
    if any(word.startswith("/") for word in kept):
        raise SystemExit(f"{run}: was trained with an absolute path ({' '.join(kept)}), which means nothing elsewhere; "
                         "name configs relative to the project's folder.")
    return " ".join(["./variform", *kept])


def read_run(run, data):
    if not (run / "DONE").is_file():
        raise SystemExit(f"{run}: expected a finished run, found no file DONE in it.")
    file = run / "evaluation-test.json"
    if not file.is_file():
        raise SystemExit(f"{run}: expected evaluation-test.json; run: ./variform evaluate {run}")
    found = json.loads(file.read_text())
    config = tomllib.loads((run / "config.resolved.toml").read_text())
    dataset, d = config["data"]["dataset"], config["model"]["latent"]
    if not isinstance(dataset, str) or "constant" not in found or found["beta_eff"] != found["beta"]:
        raise SystemExit(f"{run}: expected a described data set and a Gaussian likelihood of variance 1, for which the "
                         "closed form holds.")
    if found["step"] != json.loads((run / "DONE").read_text())["step"]:
        raise SystemExit(f"{run}: expected an evaluation of its last step, found step {found['step']}; evaluate it again.")
    values, beta = found["values"], found["beta"]
    linear = linear_bound.bounds(dataset, beta, d, data)
    if found["data"] != linear["test_size"]:
        raise SystemExit(f"{run}: expected an evaluation on all {linear['test_size']} test data, found {found['data']}; "
                         "evaluate it without --limit.")
    loss = values["loss_beta"]["mean"] - found["constant"]
    lower = min(linear["test_fitted_on_train"], linear["test_own_spectrum"])
    below = 100 * (1 - loss / lower)
    cells = [f"`{command_of(run)}`", dataset, f"{beta:g}", str(d), with_error(values["elbo"]),
             f"{with_error(values['is_nll'])} ({found['importance_samples']})" if "is_nll" in values else "–",
             with_error(values["loss_beta"], found["constant"]), f"{linear['test_fitted_on_train']:.3f}",
             f"{linear['test_own_spectrum']:.3f}", f"{below:.1f} %"]
    return cells[0], "| " + " | ".join(cells) + " |", below


def with_error(entry, constant=0):
    if "undefined" in entry:
        return "–"
    return f"{entry['mean'] - constant:.3f} ± {entry['se']:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="+", type=pathlib.Path)
    parser.add_argument("--data", action="append", default=[], metavar="DIR", help="also VARIFORM_DATA")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results.md")
    arguments = parser.parse_args()
    text = arguments.out.read_text()
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if line.startswith("| `")}
    short = []
    for run in arguments.run:
        command, row, below = read_run(run, arguments.data)
        rows[command] = row
        print(f"{command}: {below:.1f} % below the linear β-VAE")
        if not below >= MARGIN:
            short.append(command)
    body = "".join(line + "\n" for line in rows.values())
    arguments.out.write_text(f"{before}{BEGIN}\n\n{HEADER}{body}\n{END}{after}")
    if short:
        raise SystemExit(f"expected at least {MARGIN} % below the linear β-VAE, which fails for: {', '.join(short)}")


if __name__ == "__main__":
    main()
