"""The log: what is said at which level, to whom, and as what; and what a shell and man can ask the program for."""

import json
import re
import subprocess
import sys
import pathlib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from program import SOURCE, ProgramTest  # noqa: E402


class Log(ProgramTest):
    def say(self, *arguments, code=0, **environment):
        return self.run_program("train", "small.toml", "--overwrite", "--no-figures", *arguments, code=code,
                                env=self.environment(**environment))

    def test_levels(self):
        usual = self.say()
        self.assertIn("run: ", usual.stderr)
        self.assertNotIn("debug", usual.stderr)
        self.assertRegex(self.say("-v").stderr, r"debug \(plugins\): loaded: |debug \(plugins\): available: ")
        one = self.say(VARIFORM_LOG="warning,plugins=debug").stderr
        self.assertIn("debug (plugins): ", one)
        self.assertNotIn("run: ", one)
        self.assertEqual(self.say("-q").stderr, "")

    def test_a_level_that_there_is_not(self):
        result = self.say(code=2, VARIFORM_LOG="plugins=loud")
        self.assertIn("error: VARIFORM_LOG: ", result.stderr)
        self.assertIn("expected one of trace, debug, info, note, warning, error, found 'loud'", result.stderr)

    def test_json(self):
        for line in self.say("--log-json", "-v").stderr.splitlines():
            entry = json.loads(line)
            self.assertEqual(set(entry), {"time", "level", "topic", "text"})
        wrong = self.run_program("train", "small.toml", "train.stepz=3", "--log-json", code=2)
        mistake = json.loads(wrong.stderr.splitlines()[-1])
        self.assertEqual(mistake["level"], "error")
        self.assertIn("stepz", mistake["text"])
        self.assertNotIn("error:", mistake["text"])

    def test_a_runs_log_has_time_and_step(self):
        run = self.folder / self.say("-q").last_line
        lines = (run / "log.txt").read_text().splitlines()
        self.assertTrue(lines)
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d step \d+  \S")
        self.assertRegex(lines[0], "step 0  run: ")


class Shell(ProgramTest):
    def test_version(self):
        self.assertRegex(self.run_program("--version").stdout, r"^variform \d+\.\d+\.\d+ \(.*\), SDK \d.*, LibTorch 2\.")

    def test_bash_completes(self):
        script = self.run_program("completion", "bash").stdout
        for words, expected in ((["variform", "ev"], "evaluate"), (["variform", "data", "im"], "import"),
                                (["variform", "evaluate", "--cur"], "--curvature"),
                                (["variform", "evaluate", "--curvature", "fi"], "fisher")):
            found = subprocess.run(["bash", "-c", script + "\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _variform; "
                                    "echo \"${COMPREPLY[*]}\"", "bash", *words], capture_output=True, text=True)
            self.assertEqual((found.stdout.split(), found.stderr), ([expected], ""), words)
        self.assertIn("complete -c variform", self.run_program("completion", "fish").stdout)
        self.assertTrue(self.run_program("completion", "zsh").stdout.startswith("#compdef variform"))
        self.run_program("completion", "tcsh", code=2)

    def test_the_man_page_has_every_command(self):
        page = self.run_program("man").stdout
        for line in page.splitlines():
            self.assertFalse(line.startswith(".") and not re.match(r"\.(TH|SH|SS|TP|B)\b", line), line)
        for command in ("train", "evaluate", "data import", "study"):
            self.assertIn(f"\n.SS {command}\n", page)


class Printing(unittest.TestCase):
    def test_nothing_prints_by_itself(self):
        """Results and messages pass core/cli/terminal.cpp, what the process says at its end base/signal_text.cpp."""
        found = []
        for path in sorted(SOURCE.glob("core/**/*.cpp")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                code = line.split("//")[0]
                if re.search(r"\b(fprintf|printf|puts|fputs|perror)\s*\(|std::c(err|out|log)\b", code):
                    found.append(f"{path.relative_to(SOURCE)}:{number}: {line.strip()}")
        allowed = ("core/cli/terminal.cpp:", "core/base/caught_output.cpp:")  # the second flushes what plugins left
        self.assertEqual([line for line in found if not line.startswith(allowed)], [])


if __name__ == "__main__":
    unittest.main()
