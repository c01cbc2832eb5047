"""The table of bench.py: on the screen, in docs/performance.json, and in docs/performance.md."""

import dataclasses
import json
import platform
import re


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    ratio: float
    bar: float
    better: str  # "higher" or "lower"
    detail: str  # what was measured, with units
    command: str = ""

    def met(self):
        return self.ratio >= self.bar if self.better == "higher" else self.ratio <= self.bar


def line(row):
    sign = "≥" if row.better == "higher" else "≤"
    return f"  {row.name:<66}{row.ratio:7.3f}  {sign} {row.bar:<5g} {'yes' if row.met() else 'NO '}  {row.detail}"


def processor():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*:\s*(.*)", file.read())
    return found[1] if found else platform.machine()


def write_json(rows, file):
    keys = ("name", "ratio", "bar", "better", "command")
    file.write_text(json.dumps([{key: getattr(row, key) for key in keys} for row in rows], indent=1, ensure_ascii=False) + "\n")


def write(rows, docs):
    write_json(rows, docs / "performance.json")
    table = ["| figure | ratio | bar | met | measured | command |", "|---|--:|--:|---|---|---|"]
    for row in rows:
        sign = "≥" if row.better == "higher" else "≤"
        table.append(f"| {row.name} | {row.ratio:.2f} | {sign} {row.bar:g} | {'yes' if row.met() else 'no'} | {row.detail} | "
                     f"`{row.command}` |")
    page = docs / "performance.md"
    begin, end = "<!-- begin of the measurements: ./variform bench -->", "<!-- end of the measurements -->"
    before, rest = page.read_text().split(begin)
    page.write_text(before + begin + "\n\n" + "\n".join(table) + "\n\n" + end + rest.split(end)[1])
