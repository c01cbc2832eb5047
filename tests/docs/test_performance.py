"""The tooling of ./variform bench without measuring: tables and history from made-up numbers, refusals, the choice of an
instruction set; and docs/performance.md, which must say what docs/performance.json does."""

import contextlib
import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "bench"))
sys.dont_write_bytecode = True

import against  # noqa: E402
import bench  # noqa: E402
import figures  # noqa: E402
import isa as sets  # noqa: E402
import report  # noqa: E402
import rows as declared_rows  # noqa: E402
import turns  # noqa: E402

DOCS = SOURCE / "docs"
CPUINFO = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: {model}\nmodel name\t: AMD EPYC\nflags\t\t: fpu {flags}\n\nprocessor\t: 1\n"
ZEN3 = sets.Processor(CPUINFO.format(model=1, flags="avx2 fma"), cores=2)
ZEN4 = sets.Processor(CPUINFO.format(model=17, flags="avx2 fma avx512f avx512bw avx512dq avx512vl"), cores=2)
TAKEN = {isa: report.Taken(isa, "Made Up, 2 cores", "0123456789", "2026-01-02") for isa in sets.TITLES}
# Answers to each line at its own pace, as a training program does.
ANSWERS = ("import json, sys\nprint(json.dumps({'ready': True, 'cpu': sys.argv[2]}), flush=True)\nfor number, line in enumerate(sys.stdin):\n"
           "    steps = json.loads(line)['steps']\n    print(json.dumps({'seconds': steps * float(sys.argv[1]) * (100 if number < 2 else 1)}), flush=True)\n")


def row(name, ratio):
    return report.Row(name, ratio, 4.0, 4.0 * ratio, "ms", f"4.00 ms against {4 * ratio:.2f} ms")


def entries(isa, ratio, names=("MLP step: PyTorch eager, default Adam",)):
    return report.entries([row(name, ratio) for name in names], TAKEN[isa], bench.command_of(isa, ZEN4))


def cells(page, name):
    return next(line.split(" | ") for line in page.splitlines() if line.startswith(f"| {name} |"))


class Documents(unittest.TestCase):
    """The committed numbers."""

    page = (DOCS / "performance.md").read_text()
    found = json.loads((DOCS / "performance.json").read_text())

    def test_the_page_is_the_jsons(self):
        self.assertEqual(report.filled(self.page, self.found), self.page, "docs/performance.md is not what bench makes of performance.json")

    def test_a_changed_number_is_found(self):
        for key, value in (("ratio", 9.87), ("detail", "nothing"), ("processor", "another"), ("isa", "avx2")):
            changed = [dict(entry) for entry in self.found]
            changed[0][key] = value
            self.assertNotEqual(report.filled(self.page, changed), self.page, key)

    def test_entries_are_whole(self):
        seen = set()
        for entry in self.found:
            declared = declared_rows.BY_NAME[entry["name"]]
            self.assertIsNotNone(declared.limit(entry["isa"]), entry["name"])
            self.assertEqual(entry["command"].split()[:3], ["./variform", "bench", declared.figure])
            self.assertTrue(entry["processor"])
            self.assertTrue(all(isinstance(entry[key], float) for key in ("ratio", "ours", "rival")), entry["name"])
            seen.add((entry["name"], entry["isa"]))
        self.assertEqual(len(seen), len(self.found), "a row stands twice for one instruction set")

    def test_history_has_its_header(self):
        with open(DOCS / "performance_history.csv", newline="", encoding="utf-8") as opened:
            lines = list(csv.reader(opened))
        self.assertEqual(tuple(lines[0]), report.HISTORY)
        for words in lines[1:]:
            self.assertEqual(len(words), len(report.HISTORY))
            self.assertIn(words[3], sets.TITLES)
        for column in report.HISTORY:
            self.assertIn(f"`{column}`", self.page)


class Tables(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.docs = pathlib.Path(holder.name)
        (self.docs / "performance.json").write_text("[]\n")
        (self.docs / "performance.md").write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")

    def read(self):
        return (self.docs / "performance.md").read_text(), json.loads((self.docs / "performance.json").read_text())

    def test_sets_stand_beside_each_other(self):
        report.publish(entries("avx512", 2.7), self.docs)
        report.publish(entries("avx2", 1.5), self.docs)
        page, found = self.read()
        self.assertEqual([(entry["isa"], entry["ratio"]) for entry in found], [("avx2", 1.5), ("avx512", 2.7)])
        self.assertEqual(cells(page, "MLP step: PyTorch eager, default Adam")[1:6],
                         ["1.50, missed", "≥ 1.9", "2.70", "≥ 2.61", "4.00 ms against 6.00 ms"])
        self.assertTrue(page.startswith("before\n\n") and page.endswith("\n\nafter\n"))
        self.assertIn("- AVX2: Made Up, 2 cores, commit 0123456789, 2026-01-02.", page)

    def test_a_run_takes_the_place_of_its_own_set_only(self):
        other = "start to the end of a training of one step over LibTorch's load"
        report.publish(entries("avx2", 1.5, ["MLP step: PyTorch eager, default Adam", other]), self.docs)
        report.publish(entries("avx512", 2.7), self.docs)
        report.publish(entries("avx2", 2.0), self.docs)
        page, found = self.read()
        self.assertEqual([(entry["isa"], entry["ratio"]) for entry in found], [("avx2", 2.0), ("avx512", 2.7)])
        self.assertEqual(cells(page, other)[1:5], ["–", "≤ 4", "–", "≤ 4"])

    def test_what_is_not_measured_is_a_dash(self):
        report.publish(entries("avx512", 2.7), self.docs)
        page, _ = self.read()
        for declared in declared_rows.TABLE:
            self.assertEqual(cells(page, declared.name)[1], "–")
        self.assertEqual(cells(page, "MLP step in bfloat16: our float32")[1:3], ["–", "–"])
        self.assertIn("- AVX2: not measured yet.", page)

    def test_bars_of_both_kinds(self):
        lower = declared_rows.BY_NAME["what a training waits for it, over writing it"]
        self.assertTrue(lower.met("avx2", 0.1) and not lower.met("avx2", 0.11))
        self.assertIn("NO ", report.line(row("MLP step: PyTorch eager, default Adam", 2.0), "avx512"))
        self.assertIn("yes", report.line(row("MLP step: PyTorch eager, default Adam", 2.0), "avx2"))

    def test_a_row_must_be_declared(self):
        with self.assertRaisesRegex(KeyError, "declares no row 'speed'"):
            row("speed", 1.0)

    def test_a_page_without_a_place_is_refused(self):
        with self.assertRaisesRegex(SystemExit, "must have the lines"):
            report.filled("no place here", [])


class History(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.file = pathlib.Path(holder.name) / "history.csv"

    def test_lines_are_appended(self):
        name = "MLP step: PyTorch eager, default Adam"  # has a comma
        report.History(self.file).append([row(name, 2.5)], TAKEN["avx2"])
        before = self.file.read_bytes()
        report.History(self.file).append([row(name, 2.625)], TAKEN["avx512"])
        self.assertTrue(self.file.read_bytes().startswith(before))
        with open(self.file, newline="") as opened:
            self.assertEqual(list(csv.reader(opened)), [list(report.HISTORY),
                             ["2026-01-02", "0123456789", "Made Up, 2 cores", "avx2", name, "4", "10", "ms", "2.5000"],
                             ["2026-01-02", "0123456789", "Made Up, 2 cores", "avx512", name, "4", "10.5", "ms", "2.6250"]])

    def test_another_file_is_left_alone(self):
        self.file.write_text("a,b\n1,2\n")
        with self.assertRaisesRegex(SystemExit, "should begin with the line 'date,commit.*but begins with 'a,b'"):
            report.History(self.file)
        self.assertEqual(self.file.read_text(), "a,b\n1,2\n")

    def test_the_commit_and_whether_files_differ(self):
        root = self.file.parent
        self.assertEqual(report.commit_of(root), "unknown")
        repository(root)
        commit = report.commit_of(root)
        self.assertRegex(commit, r"^[0-9a-f]{10}$")
        (root / "docs").mkdir()
        (root / "docs/performance.md").write_text("bench's own\n")
        git(root, "add", "docs")
        self.assertEqual(report.commit_of(root), commit)
        (root / "file").write_text("changed\n")
        self.assertEqual(report.commit_of(root), commit + "+")


def git(root, *words):
    subprocess.run(["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", *words],
                   check=True, capture_output=True)


def repository(root):
    git(root, "init", "-q")
    (root / "file").write_text("first\n")
    git(root, "add", "file")
    git(root, "commit", "-q", "-m", "first")


class InstructionSets(unittest.TestCase):
    def test_processor(self):
        self.assertEqual((ZEN4.name, ZEN4.own(), ZEN3.own()), ("AMD EPYC (family 25, model 17), 2 cores", "avx512", "avx2"))

    def test_default_is_the_processors_own(self):
        self.assertEqual([sets.chosen(None, each, {}) for each in (ZEN3, ZEN4)], ["avx2", "avx512"])
        self.assertEqual(sets.chosen("avx2", ZEN4, {}), "avx2")

    def test_refusals(self):
        with self.assertRaisesRegex(SystemExit, "--isa avx512 needs a processor with AVX-512, and this one .*model 1.* lacks avx512bw"):
            sets.chosen("avx512", ZEN3, {})
        with self.assertRaisesRegex(SystemExit, "has neither"):
            sets.chosen(None, sets.Processor(CPUINFO.format(model=1, flags="sse2"), cores=1), {})

    def test_variables_that_say_otherwise_are_refused(self):
        with self.assertRaisesRegex(SystemExit, "ATEN_CPU_CAPABILITY is set to 'avx2'.*AVX-512.*unset ATEN_CPU_CAPABILITY"):
            sets.chosen(None, ZEN4, {"ATEN_CPU_CAPABILITY": "avx2"})
        with self.assertRaisesRegex(SystemExit, r"ONEDNN_MAX_CPU_ISA is set to 'SSE41'.*\(AVX2\)"):
            sets.chosen("avx2", ZEN4, {"ONEDNN_MAX_CPU_ISA": "SSE41"})
        self.assertEqual(sets.chosen("avx2", ZEN4, {"ATEN_CPU_CAPABILITY": "avx2"}), "avx2")

    def test_environment(self):
        held = sets.environment("avx2", ZEN4, pathlib.Path("/cache"))
        for name, value in (("ONEDNN_MAX_CPU_ISA", "AVX2"), ("ATEN_CPU_CAPABILITY", "avx2"), ("MKL_ENABLE_INSTRUCTIONS", "AVX2")):
            self.assertEqual(held[name], value)
        caches = {sets.environment(isa, ZEN4, pathlib.Path("/cache"))["TORCHINDUCTOR_CACHE_DIR"] for isa in sets.TITLES}
        self.assertEqual(len(caches), 2)
        self.assertNotIn("ATEN_CPU_CAPABILITY", sets.environment("avx512", ZEN4, pathlib.Path("/cache")))

    def test_a_side_that_computes_otherwise_is_refused(self):
        place = figures.Place(None, None, None, 7, "avx2")
        for capability in ("AVX2", "AVX512"):
            participant = turns.Participant("them", [sys.executable, "-c", ANSWERS, "1", capability])
            if capability == "AVX2":
                with figures.checked(place, participant):
                    continue
            with self.assertRaisesRegex(SystemExit, "them computes with kernels for AVX512, but AVX2 was asked for"):
                figures.checked(place, participant)
            self.assertIsNotNone(participant.process.returncode, "it is still there")

    def test_what_avx2_cannot_do(self):
        self.assertNotIn("bfloat16", declared_rows.figures_with("avx2"))
        self.assertIn("bfloat16", declared_rows.figures_with("avx512"))
        with self.assertRaisesRegex(SystemExit, "bfloat16 cannot be measured with AVX2"):
            bench.chosen_figures(types.SimpleNamespace(figures=["bfloat16"]), "avx2")

    def test_the_command_that_measures_again(self):
        self.assertEqual(bench.command_of("avx2", ZEN4)("step"), "./variform bench step --isa avx2")
        self.assertEqual(bench.command_of("avx2", ZEN3)("step"), "./variform bench step")


@unittest.skipUnless(sets.Processor().has("avx512"), "this processor has no AVX-512 to be kept from")
class OwnKernels(unittest.TestCase):
    def test_they_follow(self):
        """The program's own choice of kernels under the variables of --isa avx2, by what oneDNN says that it computes."""
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, ONEDNN_VERBOSE="1", VARIFORM_KERNELS="onednn"):
            for isa in sets.TITLES:
                place = figures.Place(pathlib.Path(os.environ["VARIFORM_BUILD"]), SOURCE, pathlib.Path(folder), 7, isa)
                config, run = place.work / "small.toml", place.work / isa
                config.write_text(figures.Case(network="small", latent=4, batch=1024).config(place, 1, "steps = 40\n"))  # more words than a buffer holds
                variables = {**os.environ, **place.environment(), **sets.environment(isa, sets.Processor(), place.work)}
                said = subprocess.run([place.build / "variform", "train", config, "--folder", run, "--no-figures"], env=variables,
                                      text=True, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
                self.assertEqual(json.loads((run / "environment.json").read_text())["cpu"], sets.CAPABILITIES[isa])
                products = [line for line in said.splitlines() if ",exec,cpu,inner_product," in line or ",exec,cpu,matmul," in line]
                self.assertEqual("avx512" in products[0], isa == "avx512", products[0])


class Constant:
    """Rounds in which every participant takes 2 ms."""

    last = ready = type("Any", (dict,), {"__missing__": lambda self, key: {"loss": 1.0, "threads": 2}})()

    def ratio(self, *_):
        return 1.0

    def milliseconds(self, _):
        return 2.0


class Figures(unittest.TestCase):
    def test_every_figure_is_declared(self):
        self.assertEqual(set(figures.ALL), {declared.figure for declared in declared_rows.TABLE})
        self.assertEqual({**figures.LARGE, **figures.GPU}.keys(), {declared.figure for declared in declared_rows.BESIDE})
        self.assertLess(set(against.COMPARED), set(figures.ALL))

    def test_figures_yield_their_rows(self):
        """Those that measure by rounds of participants alone."""
        by_rounds = ("step", "conv", "batches", "shards", "small", "grae-approx", "checkpoint", "gpu-step", "gpu-grae", "gpu-precision", "gpu-conv")
        for isa in sets.TITLES:
            place = figures.Place(pathlib.Path("/build"), SOURCE, pathlib.Path("/work"), 7, isa)
            for name in by_rounds:
                with mock.patch.object(figures, "in_turn", lambda *_, **__: Constant()):
                    found = [each.name for each in bench.KNOWN[name](place)]
                self.assertEqual(found, [each.name for each in declared_rows.BY_NAME.values() if each.figure == name and each.limit(isa) is not None])

    def test_rate_of_one_thread(self):
        place = figures.Place(pathlib.Path("/build"), SOURCE, pathlib.Path("/work"), 7, "avx2")
        with mock.patch.object(figures, "in_turn", lambda *_, **__: Constant()):
            limit = next(each for each in figures.step(place) if "one thread" in each.name)
        self.assertEqual((limit.ratio, limit.ours, limit.rival), (2.0, 2.0, 1.0))  # 2 ms against 2 ms on one of two cores


class Options(unittest.TestCase):
    def refused(self, *words):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as raised:
            bench.parsed(["--build", "b", *words])
        self.assertEqual(raised.exception.code, 2)
        return said.getvalue()

    def test_refusals(self):
        self.assertIn("there is no figure stepp; there are: step, epochs", self.refused("stepp"))
        self.assertIn("fewer than 7 rounds", self.refused("--rounds", "3"))
        self.assertIn("'avx'", self.refused("--isa", "avx"))
        self.assertIn("gpu-step are a GPU's; use --json", self.refused("gpu-step", "--record"))
        self.assertIn("no rows for --record", self.refused("--against", "HEAD", "--record"))
        self.assertIn("no figure pair to compare with a commit; there are: step", self.refused("--against", "HEAD", "pair"))

    def test_the_script_lists(self):
        done = subprocess.run([sys.executable, SOURCE / "tests/bench/bench.py", "--build", "b", "--list"], capture_output=True, text=True)
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], list(bench.KNOWN), done.stderr)

    def test_a_gpus_figures_ask_for_no_instruction_set(self):
        other = sets.Processor("processor\t: 0\nFeatures\t: asimd\n", cores=64)
        sets.confirm("them", "DEFAULT", None)  # whatever it computes with
        self.assertEqual(bench.command_of(None, other)("gpu-step"), "tests/bench/gpu.sh PREFIX gpu-step")
        self.assertEqual(bench.chosen_figures(types.SimpleNamespace(figures=["gpu-step"]), None), ["gpu-step"])
        self.assertIn("9.000  ≥ 8     yes", report.line(row("GPU, MLP step: PyTorch eager, default Adam", 9.0), None))

    def test_a_run(self):
        """From the words to the history: one figure, whose numbers are made up."""
        name = "MLP step: PyTorch eager, fused Adam"
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said, \
                contextlib.redirect_stderr(io.StringIO()), mock.patch.dict(os.environ), \
                mock.patch.dict(bench.KNOWN, {"step": types.FunctionType(made_up.__code__, globals(), "step")}), \
                mock.patch.object(bench, "ROOT", pathlib.Path(folder)), mock.patch.object(sets, "Processor", lambda: ZEN4):
            for variable in sets.AVX2_ONLY:
                os.environ.pop(variable, None)
            bench.KNOWN["step"].__doc__ = made_up.__doc__
            (pathlib.Path(folder) / "docs").mkdir()
            bench.main(["--build", folder, "step", "--isa", "avx2", "--record", "--json", f"{folder}/rows.json"])
            with open(f"{folder}/docs/performance_history.csv", newline="") as opened:
                line = list(csv.DictReader(opened))
            entry, = json.loads(pathlib.Path(folder, "rows.json").read_text())
            self.assertEqual(os.environ["ONEDNN_MAX_CPU_ISA"], "AVX2")
        self.assertEqual([(each["row"], each["isa"], each["ratio"], each["commit"]) for each in line], [(name, "avx2", "1.2500", "unknown")])
        self.assertEqual((entry["name"], entry["isa"], entry["command"]), (name, "avx2", "./variform bench step --isa avx2"))
        self.assertIn("1.250  ≥ 1.55  NO ", said.getvalue())


def made_up(place):
    """Nothing is measured."""
    assert place.isa == "avx2"
    yield row("MLP step: PyTorch eager, fused Adam", 1.25)


class Against(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = pathlib.Path(holder.name)
        repository(self.root)

    def test_rounds_and_ratio_of_medians(self):
        """Real processes that take turns; what they say they need is made up, the warm-up a hundred times more."""
        participants = [turns.Participant(name, [sys.executable, "-c", ANSWERS, seconds, "AVX2"])
                        for name, seconds in ((against.HERE, "0.002"), (against.THERE, "0.003"))]
        with participants[0], participants[1]:
            rounds = turns.Rounds(participants, 10, 7)
        here, there = rounds.seconds[against.HERE], rounds.seconds[against.THERE]
        self.assertEqual((len(here), len(there)), (7, 7))
        self.assertEqual(against.line("MLP step", here, there).split(), ["MLP", "step", "2.000", "ms", "3.000", "ms", "1.500", "1.500", "to", "1.500"])

    def test_medians_are_of_each_side(self):
        words = against.line("step", [1, 2, 9], [3, 1, 4]).split()
        self.assertEqual((words[1], words[3], words[5]), ("2000.000", "3000.000", "1.500"))  # the rounds' ratios are 3, 0.5 and 0.44

    def test_commits(self):
        head = against.resolved(self.root, "HEAD")
        self.assertRegex(head, "^[0-9a-f]{40}$")
        for words in ("no-such", "HEAD:file", "--help"):
            with self.assertRaisesRegex(SystemExit, f"'{words}' is none that git knows"):
                against.resolved(self.root, words)

    def test_the_commit_is_checked_out_beside(self):
        first = against.resolved(self.root, "HEAD")
        (self.root / "file").write_text("second\n")
        git(self.root, "commit", "-q", "-a", "-m", "second")
        folder = self.root / ".variform/against" / first[:12]
        source = against.checked_out(self.root, first, folder)
        self.assertEqual(((source / "file").read_text(), (self.root / "file").read_text()), ("first\n", "second\n"))
        self.assertEqual(against.checked_out(self.root, first, folder), source)  # it is there already
        subprocess.run(["rm", "-r", str(folder)], check=True)  # as somebody who needs the space would
        self.assertEqual((against.checked_out(self.root, first, folder) / "file").read_text(), "first\n")

    def test_its_build_has_our_settings(self):
        (self.root / "CMakeCache.txt").write_text("# text\nCMAKE_BUILD_TYPE:STRING=Release\nLIBTORCH:PATH=/a/torch\nCMAKE_HOME_DIRECTORY:INTERNAL=/x\n"
                                                  "CMAKE_PREFIX_PATH:PATH=\n")
        self.assertEqual(against.settings(self.root), ["-DCMAKE_BUILD_TYPE=Release", "-DLIBTORCH=/a/torch"])

    def test_two_commits_from_the_words_to_the_table(self):
        """git, cmake and the turns are real; the training program is a script, which the second commit made faster."""
        (self.root / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(tiny NONE)\nadd_custom_target(variform)\nadd_custom_target(stock-plugins)\n"
            "add_custom_target(bench-train ${CMAKE_COMMAND} -E copy ${CMAKE_SOURCE_DIR}/bench-train ${CMAKE_BINARY_DIR}/tests/bench-train)\n")
        (self.root / ".gitignore").write_text("/.variform/\n/build/\n")
        script = self.root / "bench-train"
        for seconds in ("0.003", "0.002"):
            script.write_text(f"#!{sys.executable}\nimport sys\nsys.argv[1:] = ['{seconds}', 'AVX2']\n{ANSWERS}")
            script.chmod(0o755)
            git(self.root, "add", ".")
            git(self.root, "commit", "-q", "-m", seconds)
        work = self.root / ".variform/work"
        work.mkdir(parents=True)
        (self.root / "build").mkdir()
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()) as said:
            build = against.built(self.root, self.root / "build/here", [])
            against.compare(figures.Place(build, self.root, work, 7, "avx2"), "HEAD~1", ["small"])
        commit = against.resolved(self.root, "HEAD~1")
        self.assertIn(f"faster than HEAD~1 ({commit[:10]})", said.getvalue())
        self.assertEqual(said.getvalue().splitlines()[-1].split(),
                         "small model step 2.000 ms 3.000 ms 1.500 1.500 to 1.500".split())
        self.assertIn("0.003", (self.root / f".variform/against/{commit[:12]}/build/tests/bench-train").read_text())

    def test_a_build_that_fails_says_why(self):
        (self.root / "source").mkdir()
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaisesRegex(SystemExit, r"could not be built(.|\n)*CMakeLists.txt"):
            against.built(self.root / "source", self.root / "build", [])


if __name__ == "__main__":
    unittest.main()
