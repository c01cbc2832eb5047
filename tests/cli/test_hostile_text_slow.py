"""Sinks × hostile strings: a study, runs and reports whose labels, axes, metrics, names, captions and paths are what an
attacker would write. All files that they leave and all bytes that reach a terminal are looked at, whatever wrote them, so
that a sink that is added later is found here."""

import ast
import csv
import html.parser
import json
import os
import pathlib
import pty
import re
import select
import subprocess
import unicodedata
import xml.etree.ElementTree

import numpy

from program import BINARY, ProgramTest, main

HOSTILE = [
    "x`touch owned`", "$(touch owned)", "@x", "\"`touch owned`\"", "'.system(\"touch owned\").'", "'''\"\"\"",
    "=1+1", "@SUM(1)", "+cmd|'/c calc'!A0", "-2+3", "\t=1+1", "</script><script>alert(1)</script>", "&lt;b&gt;", "back\\slash\\",
    "%s%n 50%", "a\nsystem 'touch owned'\n", "\u001b]0;PWNED\u0007", "\u0085c1\u009b31m", "\u202eevil\u202c\u2066",
    "a,b;c\"d", "|touch owned", "< touch owned", "{/Bold a}_b^c", "--out=owned", "x\rowned", "#{`touch owned`}", "\u007f",
]
PLACES = "q'x $(touch owned) `touch owned` @x \"é"  # a folder; control characters come below
NAMES = ["f`touch owned`", "|touch owned", "< touch owned", "f'\"$(touch owned)", "=1+1", "@x #y"]


def toml(text):
    return json.dumps(text)  # with \uNNNN, which TOML understands as well; surrogates are not among ours


def is_control(character):
    return unicodedata.category(character) == "Cc" or character in "\u061c\u200e\u200f\u2028\u2029" or \
        "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u206f"


STUDY = """
include = ["small.toml"]
name = {name}
[train]
steps = 4
[study]
title = {title}
[study.axes]
{axis} = [{labels}]
seed = [1, 2]
[study.evaluate.{task}]
samples = 2
importance_samples = 0
limit = 64
dump = {dump}
[study.draw.{task}]
command = "sample"
n = 4
[study.compare.{task}]
limit = 64
[[study.metrics]]
name = {metric}
value = "loss_beta"
"""
PARTS = {
    "tables": 'rows = [{axis}]\nmetrics = ["elbo", {metric}]\ncaption = {title}\n',
    "figures": {
        "curves": 'x = {axis}\nmetrics = ["elbo"]\nx_label = {title}\ny_label = {metric}\ncaption = {title}\n',
        "series": 'x = "seed"\nmetrics = ["elbo"]\nseries = {axis}\nwhere = {{ {axis} = [{some}] }}\n',
        "bars": 'kind = "bars"\nmetrics = [{metric}]\npanel = {axis}\npanel_label = {title}\n',
        "names": 'kind = "bars"\nmetrics = ["elbo"]\nseries = {axis}\nwhere = {{ {axis} = [{one}] }}\n',
        "points": 'x_metric = "kl"\npoints = {axis}\npoint_labels = true\nmetrics = ["elbo"]\n',
        "map": 'kind = "heat-map"\narray = "geometry_arrays.metric.mean"\nrows = {axis}\nrow_label = {title}\n'
               'columns_label = ""\n',
        "scatter": 'kind = "scatter"\nx_array = "covariance_arrays.optimal_variances"\n'
                   'y_array = "covariance_arrays.learned_variances"\nseries = {axis}\n'
                   'where = {{ {axis} = [{some}] }}\nx_label = {metric}\n',
        "counts": 'kind = "histogram"\nmetrics = [{metric}]\nseries = {axis}\nwhere = {{ {axis} = [{some}] }}\n',
        "images": 'kind = "images"\npicture = {task}\ncolumns = {axis}\n',
    },
}


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert not any(name.startswith("on") or (name in ("src", "href") and not value.startswith("data:image/svg+xml"))
                       for name, value in attributes), attributes

    def handle_data(self, data):
        self.text += data


class Hostile(ProgramTest):
    def assert_quiet(self, output, what):
        """Bytes that a terminal may have: text, ends of lines, and the program's own erasing of a line."""
        text = output.decode()  # strictly
        left = re.sub("\r(?=\n)|\r\x1b\\[K|\r|\n|\x1b\\[K", "", text)
        bad = sorted({repr(c) for c in left if is_control(c)})
        self.assertEqual(bad, [], f"{what} sent {bad} to a terminal: {text!r}")

    def say(self, *arguments, code=0, **options):
        """Runs the program with pipes; the terminal's share is judged. What it printed."""
        result = subprocess.run([BINARY, *map(os.fsencode, map(str, arguments))], cwd=self.folder, capture_output=True,
                                stdin=subprocess.DEVNULL, env=self.environment(**options), timeout=300)
        for output in (result.stdout, result.stderr):
            self.assert_quiet(output, f"variform {arguments}")
        if code is not None:
            self.assertEqual(result.returncode, code, result.stderr.decode())
        return result

    def say_to_terminal(self, *arguments):
        parent, child = pty.openpty()
        with subprocess.Popen([BINARY, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=child,
                              stderr=child, env=self.environment(TERM="xterm")) as process:
            os.close(child)
            output = b""
            while True:
                try:
                    select.select([parent], [], [])
                    some = os.read(parent, 1 << 16)
                except OSError:
                    break
                if not some:
                    break
                output += some
        os.close(parent)
        self.assert_quiet(output, f"variform {arguments}, on a terminal,")
        return output.decode()

    # ------------------------------------------------------------------------------------------------ all files

    def nothing_owned(self):
        owned = [path for path in self.folder.rglob("*") if "owned" in path.name and path.name.strip("'\"").endswith("owned")
                 and path.stat().st_size == 0]
        self.assertEqual(owned, [])

    def judge_csv(self, path):
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        self.assertEqual({len(row) for row in rows}, {len(rows[0])}, path)
        for row in rows:
            for cell in row:
                if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")):
                    float(cell)  # a number, or this fails
        return rows

    def judge_html(self, path):
        page = Links()
        page.feed(path.read_text())
        self.assertFalse(page.tags & {"script", "b", "iframe", "object", "link"}, path)
        self.assertIn("</script><script>alert(1)</script>", page.text)

    def judge_markdown(self, path):
        lines = path.read_text().splitlines()
        bars = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines}
        self.assertEqual(len(bars), 1, path)
        self.assertNotIn("<script", path.read_text())

    def judge_python(self, path):
        tree = ast.parse(path.read_text())
        (name,) = [node.args[0].value for node in ast.walk(tree)
                   if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "with_name"]
        self.assertTrue(path.with_name(name).exists(), name)

    def judge_script(self, path):
        self.assertNotIn("\n`", path.read_text())
        pictures = {kind: path.with_suffix(kind) for kind in (".svg", ".png")}
        for picture in pictures.values():
            picture.unlink()
        drawn = subprocess.run(["gnuplot", f"./{path.name}"], cwd=path.parent, capture_output=True)
        self.assertEqual(drawn.returncode, 0, drawn.stderr)
        for picture in pictures.values():
            self.assertTrue(picture.exists(), picture)

    def judge_files(self, folder):
        """Every file by its kind; what no kind is known of must be named here."""
        kinds = {".csv": self.judge_csv, ".html": self.judge_html, ".md": self.judge_markdown, ".py": self.judge_python,
                 ".gp": self.judge_script, ".json": lambda path: json.loads(path.read_text()),
                 ".svg": lambda path: xml.etree.ElementTree.parse(path),
                 ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
                 ".txt": lambda path: self.assert_quiet(path.read_bytes(), path),
                 ".tex": lambda path: self.assert_quiet(path.read_bytes(), path)}
        others = {".toml", ".h5", ".png", ".pt", ".npy", ""}
        for path in sorted(folder.rglob("*"), key=lambda path: (path.suffix == ".svg", path)):
            if path.is_dir():
                continue
            self.assertNotIn(".variform-tmp", path.name)
            if path.suffix not in others:
                kinds[path.suffix](path)
        self.nothing_owned()

    # ------------------------------------------------------------------------------------------------- a study

    def write_study(self):
        labels = ", ".join(f"{{ label = {toml(text)}, set = {{}} }}" for text in HOSTILE)
        values = {"name": toml("hostile"), "title": toml("".join(HOSTILE)), "axis": toml(HOSTILE[0] + HOSTILE[16]),
                  "labels": labels, "task": toml(NAMES[3]), "metric": toml(HOSTILE[6] + HOSTILE[0] + HOSTILE[16]),
                  "some": ", ".join(map(toml, HOSTILE[:8])), "one": ", ".join(map(toml, HOSTILE[:3])), "dump": toml(NAMES[0])}
        text = STUDY.format(**values)
        for i, name in enumerate(NAMES):
            text += f"[[study.tables]]\nname = {toml(name)}\n" + PARTS["tables"].format(**values)
        for i, (kind, part) in enumerate(PARTS["figures"].items()):
            part = part.replace('columns_label = ""\n', "")
            text += f"[[study.figures]]\nname = {toml(NAMES[i % len(NAMES)] + kind)}\n" + part.format(**values)
        (self.folder / "h.toml").write_text(text)
        return values

    def test_a_study(self):
        self.write_study()
        places = ["--runs", PLACES, "--studies", "studies " + PLACES]
        self.say("check", "h.toml", "--runs", PLACES)
        self.say("study", "h.toml", *places)
        folder = next((self.folder / ("studies " + PLACES)).iterdir())
        self.judge_files(self.folder)
        self.say_to_terminal("report", "h.toml", *places)
        self.say_to_terminal("study", "h.toml", "--list", *places)
        self.say("study", "h.toml", "--list", *places, "--json", code=None)
        self.judge_files(self.folder)
        # What our own reader sees are the labels as they were written, but for line breaks.
        with open(folder / "results.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        found = [re.sub("^'", "", row[HOSTILE[0] + HOSTILE[16]]) for row in rows]
        self.assertEqual(set(found), {re.sub("[\r\n]", " ", text) for text in HOSTILE})
        (run,) = [run for run in (self.folder / PLACES).iterdir() if run.name.endswith("-1")]
        self.assertTrue(list((run / "evaluations").glob(f"*-{NAMES[0]}.h5")))

    # --------------------------------------------------------------------------------------------------- a run

    def test_a_run(self):
        place = self.folder / ("runs\u001b]0;PWNED\u0007\u202e" + PLACES)
        stopped = self.say("train", "small.toml", "--runs", place, "--stop-at", 4)
        self.judge_files(self.folder)
        # The suggested command does what it says, and nothing else.
        command = re.search(r"variform resume (.*)", stopped.stderr.decode()).group(1)
        word = subprocess.run(["bash", "-c", f"printf %s {command}"], capture_output=True, cwd=self.folder)
        self.assertEqual(os.fsdecode(word.stdout), str(next(place.iterdir())))
        run = next(place.iterdir())
        self.say_to_terminal("resume", run)
        for command in (["runs", "list"], ["runs", "table"], ["describe", run], ["evaluate", run, "--limit", 8],
                        ["sample", run, "--n", 4], ["encode", run, "--limit", 8], ["runs", "diff", run, run],
                        ["runs", "plot", run, "--out", place / "p`touch owned`"],
                        ["export", run, "--out", self.folder / "a\"b\"\"\"'\u0085\u001b`touch owned`.pt"],
                        ["export", run, "--out", self.folder / "<script>=1+1.pt"]):
            self.say(*command, "--runs", place)
            self.say(*command, "--runs", place, "--json", code=None)
            self.say_to_terminal(*command, "--runs", place)
        self.judge_files(self.folder)

    def test_names_without_text(self):
        """Bytes that are no UTF-8, in a folder's name."""
        place = os.fsencode(self.folder) + b"/caf\xe9"
        self.say("train", "small.toml", "--runs", os.fsdecode(place), "train.steps=2")
        self.say("runs", "list", "--runs", os.fsdecode(place))
        self.say("runs", "list", "--json", "--runs", os.fsdecode(place))
        (self.folder / "s.toml").write_text('include = ["small.toml"]\n[study.axes]\nseed = [1]\n[study.evaluate.e]\nepochs = [0]\n')
        self.say("study", "s.toml", "--runs", os.fsdecode(place))

    # ------------------------------------------------------------------------------------------- data and errors

    def test_data(self):
        with open(self.folder / "t.csv", "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow([HOSTILE[16], HOSTILE[0], "label"])
            for i, text in enumerate(HOSTILE):
                rows.writerow([i, i * i, text])
        (self.folder / "t.toml").write_text(f'[splits.train]\nx = "t.csv"\nlabels = "t.csv:label"\nshape = [2]\n')
        for command in (["data", "show", "t.csv"], ["data", "show", "t.toml"], ["data", "list", "t.toml"],
                        ["data", "show", "t.csv", "--describe"]):
            self.say(*command, code=None)
            self.say(*command, "--json", code=None)
            self.say_to_terminal(*command)

    def test_errors(self):
        for text in ("".join(HOSTILE).replace("/", "|"), HOSTILE[16], HOSTILE[17] + HOSTILE[18], HOSTILE[0]):
            for arguments in (["train", text], ["train", "small.toml", "name=" + toml(text)], [text], ["describe", text],
                              ["train", "small.toml", f"{toml(text)}=1"], ["evaluate", text], ["--plugin", text, "list"],
                              ["train", "small.toml", "model.prior.type=" + toml(text)]):
                self.say(*arguments, code=None)
        self.say_to_terminal("train", "small.toml", "name=" + toml(HOSTILE[16]))
        self.nothing_owned()

    def test_the_program_prints_in_one_place(self):
        source = pathlib.Path(os.environ["VARIFORM_SOURCE"]) / "core"
        for path in source.rglob("*.cpp"):
            if path.name != "terminal.cpp":
                found = re.findall(r"fprintf\(stderr|std::cout <<|std::cerr|std::puts\(|std::fputs\(|std::printf\(", path.read_text())
                self.assertEqual(found, [], f"{path} prints, where only core/cli/terminal.cpp may")


if __name__ == "__main__":
    main()
