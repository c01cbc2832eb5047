#!/usr/bin/env python3
"""Draws docs/images/rooms.svg from the table of rooms in docs/design.md, and says which includes that table forbids.

    docs/rooms.py [--check]      --check: changes nothing, fails when the drawing is not the table's

A room may include from the rooms that its row names and from all that those may include from.
"""

import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
DRAWING = ROOT / "docs/images/rooms.svg"
SOURCES = (".h", ".cpp")
WIDTH, BOX, ROW, MARGIN = 720, (104, 34), 84, 20


def table(text=None):
    """{room: rooms that its row names}, in the table's order."""
    text = text if text is not None else (ROOT / "docs/design.md").read_text()
    rows = re.findall(r"^\| `(?:core/)?(\w+)/?` \|([^|]*)\|[^|]*\|$", text, re.M)
    return {room: re.findall(r"\w+", uses) for room, uses in rows}


def reach(uses):
    """{room: all rooms that it may include from}. Fails on a circle and on a name without a row."""
    found = {}

    def of(room, way):
        if room in way:
            raise SystemExit("docs/design.md: the rooms " + " → ".join([*way, room]) + " are a circle")
        if room not in uses:
            raise SystemExit(f"docs/design.md: {way[-1]} may include from '{room}', which has no row")
        if room not in found:
            found[room] = set(uses[room]).union(*(of(other, [*way, room]) for other in uses[room]))
        return found[room]

    for room in uses:
        of(room, [])
    return found


def room_of(path):
    """The room that a file of the project, or a path as includes name it, lies in."""
    parts = path.parts
    return parts[1] if parts[0] == "core" else {"plugins": "stock"}.get(parts[0], parts[0])


def forbidden(root=ROOT, allowed=None):
    """'FILE:LINE: ROOM may not include from OTHER' for every include that the table does not have."""
    allowed = allowed or reach(table())
    rooms = {path.name for path in (root / "core").iterdir() if path.is_dir()}
    found = [f"core/{room} has no row in the table" for room in sorted(rooms - set(allowed))]
    for path in sorted(path for part in ("core", "sdk", "plugins") for path in (root / part).rglob("*")):
        if path.suffix not in SOURCES:
            continue
        room = room_of(path.relative_to(root))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = re.match(r'#include [<"](\w+)/', line)
            if not include:
                continue
            other = "sdk" if include[1] == "variform" else include[1]
            is_known = other == "sdk" or (other in rooms and '"' in line)
            if is_known and other != room and other not in allowed.get(room, ()):
                found.append(f"{path.relative_to(root)}:{number}: {room} may not include from {other}")
    return found


def layers(uses):
    """The rooms from top to bottom, each above all that it may include from."""
    depth = {}

    def of(room):
        if room not in depth:
            depth[room] = 1 + max((of(other) for other in uses[room]), default=-1)
        return depth[room]

    for room in uses:
        of(room)
    return [[room for room in uses if depth[room] == level] for level in range(max(depth.values()), -1, -1)]


def drawing(uses):
    """The picture as SVG: arrows that follow from others are left out."""
    allowed, rows = reach(uses), layers(uses)
    centre = {room: (MARGIN + (WIDTH - 2 * MARGIN) * (i + 0.5) / len(row), MARGIN + BOX[1] / 2 + ROW * level)
              for level, row in enumerate(rows) for i, room in enumerate(row)}
    height = 2 * MARGIN + BOX[1] + ROW * (len(rows) - 1)
    lines, boxes = [], []
    for room in uses:
        x, y = centre[room]
        for other in uses[room]:
            if any(other in allowed[between] for between in uses[room]):
                continue
            to_x, to_y = centre[other]
            lines.append(f'<path d="M{x:.0f} {y + BOX[1] / 2:.0f} L{to_x:.0f} {to_y - BOX[1] / 2 - 6:.0f}" '
                         'marker-end="url(#head)"/>')
        boxes.append(f'<rect x="{x - BOX[0] / 2:.0f}" y="{y - BOX[1] / 2:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="5"/>'
                     f'<text x="{x:.0f}" y="{y + 5:.0f}">{room}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="15">',
        '<title>Which room includes from which</title>',
        '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="4" refY="4" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        '<g stroke="#555" fill="none">', *lines, '</g>',
        '<g fill="#e8f1f8" stroke="#0072b2" text-anchor="middle">',
        *(box.replace("<text", '<text stroke="none" fill="black"') for box in boxes), '</g>', '</svg>', ''])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    picture, wrong = drawing(table()), forbidden()
    if not check:
        DRAWING.write_text(picture)
    elif DRAWING.read_text() != picture:
        wrong.append("docs/images/rooms.svg is not what the table in docs/design.md says; run: docs/rooms.py")
    sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
