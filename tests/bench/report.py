"""The table of bench.py: on the screen, in docs/performance.json, in docs/performance.md, and its history as CSV.

docs/performance.json has at most one entry per row and instruction set, each with the processor, the commit and the date
that it was measured at. docs/performance_history.csv only grows (`--record`).
"""

import csv
import dataclasses
import datetime
import json
import pathlib
import subprocess

import isa as sets
import rows as declared_rows

BEGIN, END = "<!-- begin of the measurements: ./variform bench -->", "<!-- end of the measurements -->"
HISTORY = ("date", "commit", "processor", "isa", "row", "ours", "rival", "unit", "ratio")
MISSING = "–"


@dataclasses.dataclass(frozen=True)
class Row:
    """One result. `ours` and `rival` are the medians that the detail names; the ratio is the median over rounds."""

    name: str
    ratio: float
    ours: float
    rival: float
    unit: str
    detail: str  # what was measured, with units

    def __post_init__(self):
        if self.name not in declared_rows.BY_NAME:
            raise KeyError(f"tests/bench/rows.py declares no row '{self.name}'")


@dataclasses.dataclass(frozen=True)
class Taken:
    """Under which conditions a run's rows are measured."""

    isa: str
    processor: str
    commit: str
    date: str


def taken_now(isa, processor, root):
    return Taken(isa, processor.name, commit_of(root), datetime.date.today().isoformat())


def commit_of(root):
    """The short hash; with a + if files differ from it, other than those that bench itself writes."""
    def git(*words):
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)

    head = git("rev-parse", "--short=10", "HEAD")
    if head.returncode:
        return "unknown"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/performance*").stdout.strip()
    return head.stdout.strip() + ("+" if changed else "")


def line(row, isa):
    declared = declared_rows.BY_NAME[row.name]
    judged = f"{declared.bar(isa):<7} {'yes' if declared.met(isa, row.ratio) else 'NO '}" if declared.limit(isa) is not None else "no bar     "
    return f"  {row.name:<72}{row.ratio:7.3f}  {judged}  {row.detail}"


def entries(rows, taken, command):
    """Rows as they stand in a JSON file; command(name of a figure) gives the words that measure it."""
    return [{**dataclasses.asdict(row), **dataclasses.asdict(taken), "command": command(declared_rows.BY_NAME[row.name].figure)}
            for row in rows]


def write_json(found, file):
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def merged(old, new):
    """The new entries instead of all old ones of their instruction set; those of the other set stay. In the table's order."""
    measured = {entry["isa"] for entry in new}
    kept = {(entry["name"], entry["isa"]): entry for entry in [*(each for each in old if each["isa"] not in measured), *new]}
    order = [(declared.name, isa) for declared in declared_rows.TABLE for isa in sets.TITLES]
    return [kept[key] for key in order if key in kept]


def publish(new, docs):
    """Puts a run of all figures into docs/performance.json and docs/performance.md."""
    file, page = docs / "performance.json", docs / "performance.md"
    found = merged(json.loads(file.read_text()), new)
    text = filled(page.read_text(), found)
    write_json(found, file)
    page.write_text(text)


def filled(page, found):
    """The text of docs/performance.md with the tables that belong to the entries."""
    parts = page.split(BEGIN)
    if len(parts) != 2 or END not in parts[1]:
        raise SystemExit(f"docs/performance.md must have the lines '{BEGIN}' and '{END}' once, around the table.")
    return f"{parts[0]}{BEGIN}\n\n{table(found)}\n\n{conditions(found)}\n\n{END}{parts[1].split(END, 1)[1]}"


def table(found):
    by_key = {(entry["name"], entry["isa"]): entry for entry in found}
    head = [word for title in sets.TITLES.values() for word in (title, "bar")]
    lines = [f"| figure | {' | '.join(head)} | {' | '.join(f'measured with {title}' for title in sets.TITLES.values())} | command |",
             "|---|" + "--:|" * len(head) + "---|" * len(sets.TITLES) + "---|"]
    for declared in declared_rows.TABLE:
        cells, details = [], []
        for isa in sets.TITLES:
            entry = by_key.get((declared.name, isa))
            cells += [cell(declared, isa, entry), declared.bar(isa)]
            details.append(entry["detail"] if entry else MISSING)
        lines.append(f"| {' | '.join([declared.name, *cells, *details])} | `./variform bench {declared.figure}` |")
    return "\n".join(lines)


def cell(declared, isa, entry):
    if not entry:
        return MISSING
    missed = declared.limit(isa) is not None and not declared.met(isa, entry["ratio"])
    return f"{entry['ratio']:.2f}{', missed' if missed else ''}"


def conditions(found):
    """Where and when each column was measured, a line per instruction set."""
    lines = []
    for isa, title in sets.TITLES.items():
        known = {}
        for entry in found:
            if entry["isa"] == isa:
                at = ", ".join(word for word in (entry["processor"], entry.get("commit") and f"commit {entry['commit']}", entry.get("date")) if word)
                known[at] = known.get(at, 0) + 1
        several = len(known) > 1
        lines.append(f"- {title}: " + ("; ".join(f"{at}{f' ({count} rows)' if several else ''}" for at, count in known.items())
                                       or "not measured yet") + ".")
    return "\n".join(lines)


class History:
    """docs/performance_history.csv: one line per row and run, appended; never rewritten."""

    def __init__(self, file):
        self.file = pathlib.Path(file)
        if self.file.exists():
            with open(self.file, newline="", encoding="utf-8") as opened:
                head = next(csv.reader(opened), [])
            if tuple(head) != HISTORY:
                raise SystemExit(f"{self.file} should begin with the line '{','.join(HISTORY)}', but begins with '{','.join(head)}'. "
                                 "Nothing was appended; mend the file or move it away.")

    def append(self, rows, taken):
        new = not self.file.exists()
        with open(self.file, "a", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened, lineterminator="\n")
            if new:
                writer.writerow(HISTORY)
            for row in rows:
                writer.writerow([taken.date, taken.commit, taken.processor, taken.isa, row.name, f"{row.ours:.6g}", f"{row.rival:.6g}",
                                 row.unit, f"{row.ratio:.4f}"])
