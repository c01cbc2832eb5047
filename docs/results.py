#!/usr/bin/env python3
"""Numbers, tables and pictures of docs/results.md: from the CSV files in docs/results/, and from nothing else.

    docs/results.py import studies/NAME         what the documents need of a finished study → docs/results/NAME/
    docs/results.py restore studies/NAME --runs DIR   the other way round: what docs/results/NAME/ knows of runs, as runs
                                                that the study takes for done, so that it trains the others only
    docs/results.py model RUN... [--data DIR]   a trained model held against the linear one → docs/results/models/
    docs/results.py fill [--check]              fills docs/results.md; --check: says what differs, exit code 1 if anything

Marked places, which are comments that no reader of the page sees; `fill` replaces what stands between the two:

    <!--= STUDY METRIC {axis=label, …} WORDS %.2f -->0.12 ± 0.03<!--/-->
    <!--= STUDY METRIC {…} / METRIC {…} %.2f -->1.08 ± 0.01<!--/-->            also with - for a difference
    <!--table STUDY/TABLE--> … <!--/table-->             also with {axis=label|label} and [column, column = heading, …];
                                                         names and labels with spaces or commas in double quotes
    <!--figure STUDY/FIGURE--> … <!--/figure-->
    <!--command STUDY--> … <!--/command-->

A value is the mean over the seeds with the half width of its 95 % interval by Student's t, or the one value. WORDS may
ask for something else: mean, min, max, range, half, se, count, values; error, which is one value ± the standard error that
its evaluation gives; and percent. All but half and se may be taken over other axes than seeds, too. Axes go by their full
name or its end (beta for objective.beta); stage, evaluation, epoch and step are chosen the same way. A ratio or difference
pairs values that agree in all axes that neither side names: runs of one seed.
"""

import argparse
import csv
import difflib
import io
import json
import math
import pathlib
import re
import shlex
import shutil
import statistics
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "sdk" / "python"), str(ROOT / "tests" / "reference")]
import variform_reader  # noqa: E402

AFTER_AXES = ["evaluation", "epoch", "step", "metric", "value", "se", "hash", "run_seed", "commit"]
LARGEST_SVG = 300_000  # bytes; diagrams beyond it are kept as PNG


class Wrong(Exception):
    """Something that whoever writes the document can mend."""


# ------------------------------------------------------------------------------------------------------------ studies


class Study:
    """A folder docs/results/NAME."""

    def __init__(self, folder):
        self.name, self.folder = folder.name, folder
        if not (folder / "study.json").is_file():
            raise Wrong(f"there are no results of a study {folder.name!r}; run: docs/results.py import studies/{folder.name}")
        self.summary = json.loads((folder / "study.json").read_text())
        with open(folder / "results.csv", newline="") as file:
            reader = csv.DictReader(file)
            self.rows = list(reader)
        self.axes = reader.fieldnames[1:reader.fieldnames.index("evaluation")]

    def column(self, name):
        """The axis (or stage, evaluation, epoch, step) that `name` means."""
        known = [*self.axes, "stage", "evaluation", "epoch", "step"]
        found = [name] if name in known else [axis for axis in self.axes if axis.endswith("." + name)]
        if len(found) != 1:
            raise Wrong(f"the study {self.name} has no axis {name!r} of its own; it has: {', '.join(known)}")
        return found[0]

    def select(self, metric, where):
        """The rows of a metric; `where` maps columns to lists of labels."""
        rows = [row for row in self.rows if is_metric(row["metric"], metric)]
        if not rows:
            near = difflib.get_close_matches(metric, {row["metric"] for row in self.rows}, n=3)
            raise Wrong(f"the study {self.name} has no metric {metric!r} in docs/results"
                        + (f" (near: {', '.join(near)})" if near else "") + "; it comes along when the study is imported again")
        where = {"epoch": ["end"]} | where
        rows = [row for row in rows if all(any(same(row[column], label) for label in labels) for column, labels in where.items())]
        if not rows:
            raise Wrong(f"no row of the study {self.name} has {metric} with {described(where)}")
        return rows

    def values(self, metric, where):
        """{labels of all axes: row}."""
        found = {}
        for row in self.select(metric, where):
            key = tuple(row[axis] for axis in self.axes)
            if key in found:
                differ = [column for column in ("stage", "evaluation", "step", "hash") if row[column] != found[key][column]]
                raise Wrong(f"{metric} with {described(where)} is there several times, with different {', '.join(differ)}: name one")
            found[key] = row
        return found


def is_metric(metric, asked):
    """"frechet_samples" means any "frechet_samples[PROTOCOL]"."""
    return metric == asked or metric.startswith(asked + "[")


def same(one, other):
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def described(where):
    return "{" + ", ".join(f"{column}={'|'.join(labels)}" for column, labels in where.items()) + "}"


# ------------------------------------------------------------------------------------------------------------- values

TERM = r'(?:"[^"]*"|[^\s{}%"]+)(?:\s*\{[^}]*\})?'
VALUE = re.compile(rf"=\s*(?P<study>\S+)\s+(?P<first>{TERM})(?:\s+(?P<operation>[-/])\s+(?P<second>{TERM}))?"
                   r"(?P<words>(?:\s+[a-z]+)*)\s+(?P<format>%\+?(?:\.\d+)?[efgd])\s*")
WORDS = ("mean", "min", "max", "range", "half", "se", "error", "count", "values")


def read_where(study, text):
    """{column: [labels]} of `axis=label, axis=label|label`; labels with commas in double quotes."""
    where = {}
    rest = text.strip()
    while rest:
        match = re.match(r'([^=,\s]+)\s*=\s*("[^"]*"|[^,]*?)\s*(?:,\s*|$)', rest)
        if not match:
            raise Wrong(f"expected axis=label, axis=label, …, found: {text.strip()}")
        where[study.column(match[1])] = match[2].strip('"').split("|")
        rest = rest[match.end():]
    return where


def name_of_term(text):
    return text.partition("{")[0].strip().strip('"')


def read_term(study, text):
    return name_of_term(text), read_where(study, text.partition("{")[2].rstrip().removesuffix("}"))


def paired(study, first, second, operation):
    """(values, columns of these values' axes, those axes): values of both sides, joined where all other axes agree."""
    free = [i for i, axis in enumerate(study.axes) if axis not in first[1] and axis not in second[1]]
    sides = []
    for metric, where in (first, second):
        side = {}
        for key, row in study.values(metric, where).items():
            short = tuple(key[i] for i in free)
            if short in side:
                raise Wrong(f"{metric} with {described(where)} has several values for each partner: name more axes")
            side[short] = float(row["value"])
        sides.append(side)
    if sides[0].keys() != sides[1].keys():
        alone = sorted(sides[0].keys() ^ sides[1].keys())
        raise Wrong(f"these have no partner: {'; '.join(' '.join(key) for key in alone)}: name them, or leave them out")
    join = (lambda a, b: a - b) if operation == "-" else (lambda a, b: a / b)
    return {key: join(value, sides[1][key]) for key, value in sides[0].items()}, [study.axes[i] for i in free]


def value_text(study, match):
    """What stands between the marks of a value."""
    words = match["words"].split()
    scale, ending = (100, " %") if "percent" in words else (1, "")
    show = [word for word in words if word != "percent"]
    if any(word not in WORDS for word in show) or len(show) > 1:
        raise Wrong(f"expected one of {', '.join(WORDS)}, and percent, found: {' '.join(words)}")
    show, form = (show or ["interval"])[0], match["format"]
    first = read_term(study, match["first"])
    errors = []
    if match["second"]:
        values, axes = paired(study, first, read_term(study, match["second"]), match["operation"])
    else:
        rows, axes = study.values(*first), study.axes
        values = {key: float(row["value"]) for key, row in rows.items()}
        errors = [float(row["se"]) for row in rows.values() if row["se"]]
    varying = [axis for i, axis in enumerate(axes) if len({key[i] for key in values}) > 1]
    numbers = [scale * value for value in values.values()]
    return shown(show, numbers, [scale * error for error in errors], form, varying, ending)


def shown(show, numbers, errors, form, varying, ending):
    unsigned = form.replace("+", "")
    if not all(map(math.isfinite, numbers)):
        raise Wrong("a value among them is not a finite number")
    varying = [axis for axis in varying if axis != "seed" and not axis.endswith(".seed")]
    if show in ("interval", "half", "se") and varying:
        raise Wrong(f"an interval over {', '.join(varying)} means nothing: name labels of it, or ask for mean, min, max or range")
    if show == "count":
        return form % len(numbers)
    if show == "values":
        return ", ".join(form % number for number in numbers) + ending
    if show == "range":
        return form % min(numbers) + " to " + form % max(numbers) + ending
    if show in ("mean", "min", "max"):
        return form % {"mean": statistics.fmean, "min": min, "max": max}[show](numbers) + ending
    if show == "se":
        if len(numbers) == 1 and not errors:
            raise Wrong("this value has no standard error")
        return unsigned % (errors[0] if len(numbers) == 1 else statistics.stdev(numbers) / math.sqrt(len(numbers))) + ending
    if show == "error":
        if len(numbers) > 1 or not errors:
            raise Wrong(f"expected one value with a standard error, found {len(numbers)}")
        return form % numbers[0] + f" ± {unsigned % errors[0]}" + ending
    mean, half, _ = variform_reader.interval(numbers)
    if show == "half":
        return unsigned % half + ending
    return form % mean + (f" ± {unsigned % half}" if len(numbers) > 1 else "") + ending


# ------------------------------------------------------------------------------------------- tables, figures, commands


def cells_of(line):
    """The cells of a row of a Markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def part_of(study, name, kind):
    found = study.summary[kind].get(name)
    if found is None:
        raise Wrong(f"the study {study.name} has no {name!r} among its {kind}; it has: {', '.join(study.summary[kind])}")
    return found


def table_text(study, name, where, columns):
    """tables/NAME.md; of it only the rows with these labels, and these columns under these headings."""
    spec = part_of(study, name, "tables")
    lines = (study.folder / "tables" / f"{name}.md").read_text().strip().splitlines()
    heads, rows = cells_of(lines[0]), [cells_of(line) for line in lines[2:]]
    marks = cells_of(lines[1])
    for axis, labels in read_where(study, where).items():
        if axis not in spec["rows"]:
            raise Wrong(f"the table {name} has no rows by {axis}")
        rows = [row for row in rows if any(same(row[spec["rows"].index(axis)], label) for label in labels)]
    if not rows:
        raise Wrong(f"no row of the table {name} is left by {{{where}}}")
    keep = []
    for head, heading in re.findall(r'\s*("[^"]*"|[^,="]+)\s*(?:=\s*("[^"]*"|[^,]*))?(?:,|$)', columns):
        head, heading = (part.strip().strip('"') for part in (head, heading))
        if head not in heads:
            raise Wrong(f"the table {name} has no column {head!r}; it has: {', '.join(heads)}")
        keep.append((heads.index(head), heading or head))
    keep = keep or list(enumerate(heads))
    line = lambda cells: "| " + " | ".join(cells) + " |"
    body = [line([heading for _, heading in keep]), "|" + "|".join(marks[i] for i, _ in keep) + "|",
            *(line([row[i] for i, _ in keep]) for row in rows)]
    return "\n\n" + "\n".join(body) + "\n\n"


def figure_text(study, name):
    spec = part_of(study, name, "figures")
    caption = spec["caption"] or name
    path = f"results/{study.name}/figures/{name}"
    more = [f"[{text}]({path}{suffix})" for text, suffix in (("numbers", ".csv"), ("script", ".gp"))
            if (study.folder / "figures" / (name + suffix)).is_file()]
    alternative = re.sub(r"([\[\]\\])", r"\\\1", caption)
    below = caption + (f" ({', '.join(more)})" if more else "")
    return f"\n\n![{alternative}](results/{study.name}/figures/{spec['file']})\n\n{below}\n\n"


def command_text(study):
    return f"\n\n```sh\n{study.summary['command']}\n```\n\n"


# ----------------------------------------------------------------------------------------------------------- the places

COMMENT = re.compile(r"<!--(.*?)-->", re.S)
PLACE = re.compile(r"(?P<kind>table|figure|command)\s+(?P<study>[\w.-]+?)(?:/(?P<name>[\w.-]+))?\s*"
                   r"(?:\{(?P<where>[^}]*)\}\s*)?(?:\[(?P<columns>[^\]]*)\]\s*)?")


def places(text):
    """(mark, begin, end) of what stands between the two comments of each marked place."""
    opened = None
    for comment in COMMENT.finditer(text):
        inside = comment[1]
        kind = inside[0] if inside[:1] in ("=", "/") else (re.match(r"(?:table|figure|command)\b", inside) or [""])[0]
        if not kind:
            continue
        if kind == "/":
            if opened is None or inside != "/" + opened[1]:
                raise Wrong(f"line {line_of(text, comment.start())}: {comment[0]} closes nothing")
            yield opened[0][1], opened[0].end(), comment.start()
            opened = None
        elif opened is not None:
            raise Wrong(f"line {line_of(text, opened[0].start())}: {opened[0][0]} is not closed by <!--/{opened[1]}-->")
        else:
            opened = comment, "" if kind == "=" else kind
    if opened is not None:
        raise Wrong(f"line {line_of(text, opened[0].start())}: {opened[0][0]} is not closed by <!--/{opened[1]}-->")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


class Results:
    """The folder docs/results, each study read once."""

    def __init__(self, folder):
        self.folder, self.studies = folder, {}

    def __getitem__(self, name):
        if name not in self.studies:
            self.studies[name] = Study(self.folder / name)
        return self.studies[name]

    def text_of(self, mark):
        if mark.startswith("="):
            match = VALUE.fullmatch(mark)
            if not match:
                raise Wrong("expected = STUDY METRIC {axis=label, …} %.2f (see docs/results.py)")
            return value_text(self[match["study"]], match)
        match = PLACE.fullmatch(mark)
        if not match or (match["name"] is None) != (match["kind"] == "command"):
            raise Wrong("expected table STUDY/TABLE, figure STUDY/FIGURE or command STUDY (see docs/results.py)")
        study = self[match["study"]]
        if match["kind"] == "table":
            return table_text(study, match["name"], match["where"] or "", match["columns"] or "")
        return figure_text(study, match["name"]) if match["kind"] == "figure" else command_text(study)


def fill(text, results):
    """(text with all places filled, [(line, mark, found, expected)] of those that differed)."""
    pieces, differences, at = [], [], 0
    for mark, begin, end in places(text):
        try:
            expected = results.text_of(mark)
        except Wrong as wrong:
            raise Wrong(f"line {line_of(text, begin)}: {mark.strip()}: {wrong}") from None
        if text[begin:end] != expected:
            differences.append((line_of(text, begin), mark.strip(), text[begin:end], expected))
        pieces += [text[at:begin], expected]
        at = end
    return "".join([*pieces, text[at:]]), differences


# ---------------------------------------------------------------------------------------------------------- the import


def metrics_of(spec, known):
    """Every text in the description of a table or figure that names a metric."""
    if isinstance(spec, str):
        return {spec} if any(is_metric(metric, spec) for metric in known) else set()
    inside = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else []
    return set().union(*(metrics_of(part, known) for part in inside))


def uses_of_text(text, study):
    """(metric, whether along the training) of the values that the document takes from a study."""
    for mark, _, _ in places(text):
        match = VALUE.fullmatch(mark)
        if match and match["study"] == study:
            for term in filter(None, (match["first"], match["second"])):
                yield name_of_term(term), re.search(r"\bepoch\s*=\s*(?!end)", term) is not None


def names_of_comparisons(summary, rows):
    """Hash, seeds and, where it is not known, commit of rows that compare several runs: those of the runs."""
    of_runs = {(row["hash"], row["run_seed"]): row["commit"] for row in rows if row["hash"]}
    for comparison in summary["comparisons"]:
        labels = dict(comparison["labels"])
        cells = [cell for cell in summary["cells"] if cell["stage"] == comparison["stage"] and "run" in cell
                 and labels.items() <= dict(cell["labels"]).items()]
        named = {"hash": {cell["hash"] for cell in cells}, "run_seed": {str(cell["seed"]) for cell in cells},
                 "commit": {of_runs.get((cell["hash"], str(cell["seed"])), "") for cell in cells}}
        for row in rows:
            if not row["hash"] and row["evaluation"] == comparison["name"] and row["stage"] == comparison["stage"] \
                    and all(row[axis] == label for axis, label in labels.items()):
                row.update({column: " ".join(sorted(values, key=lambda v: (len(v), v))) for column, values in named.items()
                            if not row[column]})


def read_results(folder, commit):
    """(header, rows) of a study's results.csv."""
    with open(folder / "results.csv", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    # Digests of plugins and data tell results of one machine apart; here the commit does.
    header = [*(name for name in reader.fieldnames if name not in ("commit", "plugins", "data")), "commit"]
    for row in rows:
        row["commit"] = row.get("commit") or (commit if row["hash"] else "") or ""
    summary = json.loads((folder / "study.json").read_text())
    unfinished = [cell["cell"] for cell in summary["cells"] if "run" not in cell]
    if unfinished:
        raise Wrong(f"{folder}: {len(unfinished)} of {len(summary['cells'])} runs are not done; finish the study first")
    names_of_comparisons(summary, rows)
    for row in rows:
        if not (row["hash"] and row["run_seed"] and re.fullmatch(r"[0-9a-f]{7,40}( [0-9a-f]{7,40})*", row["commit"])):
            raise Wrong(f"{folder}/results.csv: a row of {row['metric']} lacks hash, seed or a commit ({row['commit']!r}); "
                        "numbers of a changed checkout are not for the documents (--commit names one that the program did "
                        "not know)")
    return header, rows


def command_of_study(described):
    """The command line with the study's file relative to the project's folder."""
    words = shlex.split(described["command"])
    if words[:2] != ["variform", "study"]:
        raise Wrong(f"expected the command of a study, found: {described['command']}")
    for i, word in enumerate(words[2:], 2):
        if "=" in word:
            continue
        inside = re.sub(r"^.*?(?=configs/)", "", word)
        if not (ROOT / inside).is_file():
            raise Wrong(f"the study's file {word} is not in the project; put it into configs/studies and run it from there")
        words[i] = inside
    return "./" + shlex.join(words)


def figure_file(folder, name):
    """The picture that is kept: SVG unless it is large; image grids are PNG."""
    svg, png = folder / "figures" / f"{name}.svg", folder / "figures" / f"{name}.png"
    if svg.is_file() and (svg.stat().st_size <= LARGEST_SVG or not png.is_file()):
        return svg
    if not png.is_file():
        raise Wrong(f"{folder} has no picture of the figure {name}; run: variform report")
    return png


def copy(source, folder, name=None):
    if not source.is_file():
        raise Wrong(f"{source} is not there; run: variform report, and see what it says is missing")
    if source.suffix not in (".png", ".svg"):
        path = re.search(r"(?<![\w.:/<])/[\w.-]+/[\w.-]+", source.read_text())
        if path:
            raise Wrong(f"{source} names a path of this machine: {path[0]}")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / (name or source.name))


def write_rows(file, header, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.getvalue())


def import_study(folder, arguments):
    header, rows = read_results(folder, arguments.commit)
    if not (folder / "study.toml").is_file():
        raise Wrong(f"{folder} has no study.toml; run: variform report STUDY.toml")
    described = tomllib.loads((folder / "study.toml").read_text())
    name = json.loads((folder / "study.json").read_text())["name"]
    known = {row["metric"] for row in rows}
    uses = {(metric, False, None) for metric in arguments.metric}
    uses |= {(*use, None) for use in uses_of_text(arguments.text.read_text(), name)}
    tables, figures = {}, {}
    for spec in described.get("tables", []):
        uses |= {(metric, False, spec.get("evaluation") or None) for metric in metrics_of(spec, known)}
        tables[spec["name"]] = {key: spec[key] for key in ("caption", "rows", "metrics", "evaluation", "stage", "where")
                                if spec.get(key)}
    for spec in described.get("figures", []):
        along = spec.get("x") in ("epoch", "step")
        uses |= {(metric, along, spec.get("evaluation") or None) for metric in metrics_of(spec, known)}
        # Named after the study, too: the documents as HTML have all pictures in one folder.
        picture = figure_file(folder, spec["name"])
        figures[spec["name"]] = {"caption": spec.get("caption", ""), "file": f"{name}-{picture.name}"}
    kept = [row for row in rows if any(is_metric(row["metric"], metric) and (row["epoch"] != "end") == along
                                       and evaluation in (None, row["evaluation"]) for metric, along, evaluation in uses)]
    summary = {"name": name, "title": described.get("title", name), "command": command_of_study(described),
               "tables": tables, "figures": figures}

    into = arguments.results / name
    shutil.rmtree(into, ignore_errors=True)
    write_rows(into / "results.csv", header, kept)
    (into / "study.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    for table in tables:
        for suffix in ("md", "csv", "tex"):
            copy(folder / "tables" / f"{table}.{suffix}", into / "tables")
    for figure, spec in figures.items():
        copy(figure_file(folder, figure), into / "figures", spec["file"])
        for suffix in ("csv", "gp"):
            if (folder / "figures" / f"{figure}.{suffix}").is_file():
                copy(folder / "figures" / f"{figure}.{suffix}", into / "figures")
    size = sum(file.stat().st_size for file in into.rglob("*") if file.is_file())
    print(f"{into}: {len(kept)} of {len(rows)} rows, {len(tables)} tables, {len(figures)} figures, {size / 1000:.0f} kB")


def add_restored(file, found):
    """Writes an evaluation, or adds to it what another study that has restored it did not know; whether that was anything."""
    known = json.loads(file.read_text()) if file.exists() else {}
    whole = known | found | {part: found.get(part, {}) | known.get(part, {}) for part in ("values", "derived")
                             if part in found or part in known}
    if whole == known:
        return False
    file.write_text(json.dumps(whole) + "\n")
    return True


RESTORED = "# Results alone, restored by docs/results.py\n"  # instead of a run's config


def restore_study(folder, arguments):
    """Run folders with nothing but results, made of the rows in docs/results. The names of files are those of cells that
    are done: `variform study STUDY.toml --only NUMBER` does one. Evaluations that only some cells have need one of these."""
    summary = json.loads((folder / "study.json").read_text())
    done = [cell for cell in summary["cells"] if "run" in cell]
    if not done:
        raise Wrong(f"{folder}: expected a cell that is done, found none; run: ./variform study STUDY.toml --only 1")
    epoch_of = lambda entry: "end" if entry["epoch"] == "end" else f"{float(entry['epoch']):g}"
    named = [{(entry["name"], epoch_of(entry)): entry["file"] for entry in cell["evaluations"]} for cell in done]
    files = {key: file for cell in named for key, file in cell.items()}
    of_all = set.intersection(*(set(cell.values()) for cell in named))
    name = done[0]["run"].rsplit("-", 2)[0]
    comparisons = {entry["name"] for entry in summary.get("comparisons", [])}
    described = folder / "study.toml"
    derived = {spec["name"] for spec in tomllib.loads(described.read_text()).get("metrics", [])} if described.is_file() else set()
    runs, unnamed = {}, {}
    for row in Study(arguments.results / summary["name"]).rows:
        if " " in row["hash"] or row["evaluation"] in comparisons:
            continue
        run = f"{name}-{row['hash']}-{row['run_seed']}"
        file = files.get((row["evaluation"], row["epoch"]))
        if not file:
            unnamed.setdefault(run, set()).add(row["evaluation"])
            continue
        found = runs.setdefault(run, {}).setdefault(file, {"commit": row["commit"], "values": {}})
        if row["step"]:  # the first rows had none
            found["step"] = int(row["step"])
        error = {"se": float(row["se"])} if row["se"] else {}
        if row["metric"] in derived:  # its ingredients may not be among the rows
            found.setdefault("derived", {})[row["metric"]] = {"value": float(row["value"])} | error
        else:
            found["values"][row["metric"]] = {"mean": float(row["value"])} | error
    if unnamed:
        names = sorted(set.union(*unnamed.values()))
        raise Wrong(f"{folder}: no cell that is done has the evaluation {', '.join(names)}, which {len(unnamed)} runs have; "
                    "do one of these cells, too (./variform study STUDY.toml --only NUMBER)")
    # With a part of its results a run would look finished, and could not be evaluated: it has no model.
    whole = {run: results for run, results in runs.items() if results.keys() >= of_all}
    made = 0
    for run, results in whole.items():
        # As the study looks for it: the first run with this hash and seed, whatever its name.
        found = sorted(arguments.runs.glob("*-" + "-".join(run.rsplit("-", 2)[1:])))
        config = (found[0] if found else arguments.runs / run) / "config.resolved.toml"
        if config.parent.exists() and not (config.is_file() and config.read_text() == RESTORED):
            continue  # a trained one
        (config.parent / "evaluations").mkdir(parents=True, exist_ok=True)
        config.write_text(RESTORED)
        (config.parent / "DONE").write_text("{}\n")
        changed = [file for file, found in results.items() if add_restored(config.parent / file, found)]
        made += bool(changed)
    print(f"{arguments.runs}: {made} of {len(runs)} runs restored, "
          f"{len(runs) - len(whole)} left out since results are missing; the same study goes on from them")


# ------------------------------------------------------------------------------------------------------ trained models

MARGIN = 10  # per cent below the linear β-VAE that a trained model must reach
OPTIONS_OF_PLACE = ("--runs", "--data", "--plugin", "--threads")  # options that say where, not what
QUIET = ("-q", "--quiet", "--json", "--overwrite", "--resume", "--no-figures")
MODEL_AXES = {"training": "training", "data.dataset": "data", "objective.beta": "β", "model.latent": "d"}
MODEL_METRICS = {  # metric: (heading, format)
    "elbo": ("test negative ELBO", "%.3f"), "is_nll": ("IS-NLL", "%.3f"), "importance_samples": ("K", "%.0f"),
    "loss_beta_no_constant": ("test loss at β, no constant", "%.3f"),
    "linear_fitted_on_train": ("L*, fitted on training data", "%.3f"),
    "linear_own_spectrum": ("L* of the test set", "%.3f"), "below_linear_percent": ("below the lower, %", "%.1f")}


def command_of_run(run):
    """The command line that trained the run, without places."""
    words = json.loads((run / "environment.json").read_text())["command"][1:]
    if words[:1] != ["train"]:
        raise Wrong(f"{run}: its last command was {words[:1]}, which does not show how it was trained; train it in one go.")
    kept = []
    while words:
        word = words.pop(0)
        if word in OPTIONS_OF_PLACE:
            words.pop(0)
        elif not word.startswith(tuple(place + "=" for place in OPTIONS_OF_PLACE)) and word not in QUIET:
            kept.append(word)
    if any(word.startswith("/") for word in kept):
        raise Wrong(f"{run}: was trained with an absolute path ({' '.join(kept)}), which means nothing elsewhere; "
                    "name configs relative to the project's folder.")
    return " ".join(["./variform", *kept])


def rows_of_run(run, data, commit):
    """What is measured of a run and of the linear model at its β and d, as rows of results.csv."""
    import linear_bound

    if not (run / "DONE").is_file():
        raise Wrong(f"{run}: expected a finished run, found no file DONE in it.")
    file = run / "evaluation-test.json"
    if not file.is_file():
        raise Wrong(f"{run}: expected evaluation-test.json; run: ./variform evaluate {run}")
    found = json.loads(file.read_text())
    config = tomllib.loads((run / "config.resolved.toml").read_text())
    dataset, d, values, beta = config["data"]["dataset"], config["model"]["latent"], found["values"], found["beta"]
    if not isinstance(dataset, str) or "constant" not in found or found["beta_eff"] != beta:
        raise Wrong(f"{run}: expected a described data set and a Gaussian likelihood of variance 1, for which the closed "
                    "form holds.")
    if found["step"] != json.loads((run / "DONE").read_text())["step"]:
        raise Wrong(f"{run}: expected an evaluation of its last step, found step {found['step']}; evaluate it again.")
    linear = linear_bound.bounds(dataset, beta, d, data)
    if found["data"] != linear["test_size"]:
        raise Wrong(f"{run}: expected an evaluation on all {linear['test_size']} test data, found {found['data']}; "
                    "evaluate it without --limit.")
    loss = values["loss_beta"]["mean"] - found["constant"]
    lower = min(linear["test_fitted_on_train"], linear["test_own_spectrum"])
    metrics = {"elbo": values["elbo"], "loss_beta_no_constant": {"mean": loss, "se": values["loss_beta"]["se"]},
               "linear_fitted_on_train": {"mean": linear["test_fitted_on_train"]},
               "linear_own_spectrum": {"mean": linear["test_own_spectrum"]},
               "below_linear_percent": {"mean": 100 * (1 - loss / lower)}}
    if "mean" in values.get("is_nll", {}):
        metrics |= {"is_nll": values["is_nll"], "importance_samples": {"mean": found["importance_samples"]}}
    name = re.fullmatch(r".*-([0-9a-f]{8,})-\d+", run.resolve().name)
    commit = json.loads((run / "environment.json").read_text()).get("commit") or commit
    if not name or not re.fullmatch(r"[0-9a-f]{7,40}", commit or ""):
        raise Wrong(f"{run}: expected a folder NAME-HASH-SEED and the commit of an unchanged checkout, found the commit "
                    f"{commit!r}; name it by --commit if the program did not know it.")
    like = {"stage": "main", "training": command_of_run(run), "data.dataset": dataset, "objective.beta": f"{beta:g}",
            "model.latent": str(d), "evaluation": "test", "epoch": "end", "step": str(found["step"]), "hash": name[1],
            "run_seed": str(config["seed"]), "commit": commit}
    return [like | {"metric": metric, "value": repr(float(entry["mean"])), "se": repr(entry["se"]) if "se" in entry else ""}
            for metric, entry in metrics.items()]


def write_models(folder, rows):
    """results.csv, and the table in two forms: text, and numbers with their standard errors."""
    header = ["stage", *MODEL_AXES, *AFTER_AXES]
    write_rows(folder / "results.csv", header, rows)
    models = {}
    for row in rows:
        models.setdefault(row["training"], {})[row["metric"]] = row
    metrics = {metric: column for metric, column in MODEL_METRICS.items() if any(metric in model for model in models.values())}
    lines = ["| " + " | ".join([*MODEL_AXES.values(), *(heading for heading, _ in metrics.values())]) + " |",
             "|" + "|".join(["---"] * 2 + ["--:"] * (2 + len(metrics))) + "|"]
    numbers = []
    for model in models.values():
        labels = {axis: model["elbo"][axis] for axis in MODEL_AXES}
        cells, number = [f"`{labels['training']}`", *list(labels.values())[1:]], dict(labels)
        for metric, (_, form) in metrics.items():
            row = model.get(metric)
            cells.append("–" if row is None else form % float(row["value"]) + (f" ± {form % float(row['se'])}" if row["se"] else ""))
            number |= {metric: row and row["value"], metric + "_se": row and row["se"]}
        lines.append("| " + " | ".join(cells) + " |")
        numbers.append(number)
    (folder / "tables").mkdir(exist_ok=True)
    (folder / "tables" / "models.md").write_text("\n".join(lines) + "\n")
    write_rows(folder / "tables" / "models.csv", [*MODEL_AXES, *(m + end for m in metrics for end in ("", "_se"))], numbers)
    summary = {"name": "models", "title": "Trained models against the linear β-VAE", "figures": {}, "tables": {
        "models": {"rows": list(MODEL_AXES), "metrics": list(metrics)}}}
    (folder / "study.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def import_models(runs, arguments):
    folder = arguments.results / "models"
    rows = Study(folder).rows if folder.is_dir() else []
    short = []
    for run in runs:
        new = rows_of_run(run, arguments.data, arguments.commit)
        rows = [row for row in rows if row["training"] != new[0]["training"]] + new
        (below,) = [float(row["value"]) for row in new if row["metric"] == "below_linear_percent"]
        print(f"{new[0]['training']}: {below:.1f} % below the linear β-VAE")
        if not below >= MARGIN:
            short.append(new[0]["training"])
    write_models(folder, rows)
    if short:
        raise Wrong(f"expected at least {MARGIN} % below the linear β-VAE, which fails for: {', '.join(short)}")


# ------------------------------------------------------------------------------------------------------------- commands


def fill_command(arguments):
    text, differences = fill(arguments.text.read_text(), Results(arguments.results))
    for line, mark, found, expected in differences:
        one_line = lambda part: re.sub(r"\s+", " ", part).strip()
        if "\n" in expected:  # the first line that differs tells more than the whole
            pair = next((pair for pair in zip(found.splitlines() + [""], expected.splitlines() + [""]) if pair[0] != pair[1]),
                        (found, expected))
            found, expected = map(one_line, pair)
        print(f"{arguments.text}:{line}: <!--{mark}--> expected {expected!r}, found {found!r}")
    if not arguments.check:
        arguments.text.write_text(text)
    elif differences:
        raise Wrong(f"{len(differences)} places of {arguments.text} differ from the results; run: docs/results.py fill")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "docs" / "results.md", help="the document")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "docs" / "results", help="the folder of results")
    commands = parser.add_subparsers(dest="command", required=True)
    study = commands.add_parser("import", help="take over what a finished study found")
    study.add_argument("study", nargs="+", type=pathlib.Path, metavar="studies/NAME")
    study.add_argument("--metric", action="append", default=[], help="keep this metric, too")
    restore = commands.add_parser("restore", help="make runs of what is known, so that a study trains the others only")
    restore.add_argument("study", nargs="+", type=pathlib.Path, metavar="studies/NAME")
    restore.add_argument("--runs", type=pathlib.Path, required=True, help="where the study's run folders are")
    model = commands.add_parser("model", help="take over a trained and evaluated model")
    model.add_argument("run", nargs="+", type=pathlib.Path, metavar="RUN")
    model.add_argument("--data", action="append", default=[], metavar="DIR", help="also VARIFORM_DATA")
    for command in (study, model):
        command.add_argument("--commit", help="of the program, where the results do not name it")
    commands.add_parser("fill", help="fill the document").add_argument("--check", action="store_true", help="change nothing")
    arguments = parser.parse_args()
    try:
        if arguments.command == "import":
            for folder in arguments.study:
                import_study(folder, arguments)
        elif arguments.command == "restore":
            for folder in arguments.study:
                restore_study(folder, arguments)
        elif arguments.command == "model":
            import_models(arguments.run, arguments)
        else:
            fill_command(arguments)
    except Wrong as wrong:
        sys.exit(f"{arguments.text if arguments.command == 'fill' else 'docs/results.py'}: {wrong}")


if __name__ == "__main__":
    main()
