"""Runs a document as its reader would: writes the files that it shows, types the commands that it shows, and compares
what they print with what it shows.

A file is a fenced block after a line that begins with its name, "`laplace.cpp`:"; a further block after
"`laplace.cpp`, continued:" goes on with it. Commands stand in ```console blocks after "$ " (and "> " where they go on).
In their output "…" stands for anything: alone in a line for any number of lines, within a line for any text. Numbers with
a decimal point may differ by some per cent, as they do between processors; seconds and hashes may differ at will.
"""

import os
import re
import subprocess

NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e[+-]?\d+)?")


class File:
    def __init__(self, name, text, continued):
        self.name, self.text, self.continued = name, text, continued


class Command:
    def __init__(self, text, line):
        self.text, self.line, self.expected = text, line, []


def steps(document):
    """Files and commands in the order of the text."""
    found, lines = [], document.splitlines()
    i = 0
    while i < len(lines):
        if not lines[i].startswith("```"):
            i += 1
            continue
        end = lines.index("```", i + 1)
        body = lines[i + 1 : end]
        before = next((line for line in reversed(lines[:i]) if line.strip()), "")
        name = re.match(r"`([\w./-]+)`(, continued)?.*:$", before)
        if lines[i] == "```console":
            for number, line in enumerate(body, i + 2):
                if line.startswith("$ "):
                    found.append(Command(line[2:], number))
                elif line.startswith("> "):
                    found[-1].text += "\n" + line[2:]
                else:
                    found[-1].expected.append(line)
        elif name:
            found.append(File(name[1], "\n".join(body) + "\n", bool(name[2])))
        i = end + 1
    return found


def plain(line):
    """A line without what varies at will."""
    line = re.sub(r"-[0-9a-f]{16}-", "-HASH-", line.rstrip())
    line = re.sub(r"\d+(\.\d+)? s\b", "N s", line)
    line = re.sub(r"─+", "─", line)
    return re.sub(r"(?<=\S) +", " ", line)


def same(expected, found, tolerance):
    expected, found = plain(expected), plain(found)
    pattern, values, at = "", [], 0
    for match in re.finditer(NUMBER.pattern + "|…", expected):
        pattern += re.escape(expected[at : match.start()])
        at = match.end()
        if match[0] == "…":
            pattern += ".*"
        else:
            pattern += "(" + NUMBER.pattern + ")"
            values.append(match[0])
    matched = re.fullmatch(pattern + re.escape(expected[at:]), found)
    if not matched:
        return False
    for shown, other in zip(values, matched.groups()):
        decimals = len(shown.partition(".")[2].partition("e")[0])
        if abs(float(shown) - float(other)) > tolerance * abs(float(shown)) + 3 * 10.0**-decimals:
            return False
    return True


def agree(expected, found, tolerance):
    """Whether the lines of an output are those of the document."""
    if not expected:
        return not found
    if expected[0].strip() == "…":
        return any(agree(expected[1:], found[i:], tolerance) for i in range(len(found) + 1))
    return bool(found) and same(expected[0], found[0], tolerance) and agree(expected[1:], found[1:], tolerance)


def walk(document, folder, environment, tolerance=0.05):
    """Takes all steps in `folder`. AssertionError at the first that fails or prints something else."""
    where = folder
    for step in steps(document):
        if isinstance(step, File):
            with open(os.path.join(where, step.name), "a" if step.continued else "w") as file:
                file.write(step.text)
            continue
        script = step.text + '\nstatus=$?; pwd >"$WALK_FOLDER"; exit $status'
        place = os.path.join(folder, ".walk")
        done = subprocess.run(["bash", "-c", script], cwd=where, env={**environment, "WALK_FOLDER": place},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []
        if done.returncode:
            raise AssertionError(f"line {step.line}, $ {step.text}\nended with {done.returncode}:\n{done.stdout}")
        if not agree(step.expected, said, tolerance):
            shown = "\n".join(step.expected)
            raise AssertionError(f"line {step.line}, $ {step.text}\nthe document shows:\n{shown}\nit printed:\n{done.stdout}")
        with open(place) as file:
            where = file.read().strip()
    return where


def session(test, text, names):
    """Runs lines of Python in `names`, and compares what an expression gives with what stands behind "#:", where "…" stands
    for anything; how many were compared. Nothing is left behind the last one."""
    lines, shown = [], 0
    for line in text.splitlines():
        code, mark, expected = line.partition("#:")
        if not mark:
            lines.append(line)
            continue
        exec("\n".join(lines), names)
        lines = []
        found = repr(eval(code, names))
        test.assertTrue(re.fullmatch(re.escape(expected.strip()).replace("…", ".*"), found, re.S),
                        f"{code.strip()}\nshows {expected}\ngives {found}")
        shown += 1
    test.assertEqual(lines, [])
    return shown
