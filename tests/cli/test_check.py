"""`variform check PLUGIN.so`, as its user and as a program that reads its output meet it."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from program import PLUGINS, ProgramTest, main, wait_until

FAULTY = pathlib.Path(os.environ["VARIFORM_TEST_PLUGINS"]) / "conformance" / "faulty-networks.so"
AT_LOAD = FAULTY.with_name("at-load.so")
ENCODERS = PLUGINS / "variform-encoders.so"
FAULT = "encoder:faulty.fault="


class Check(ProgramTest):
    def fill_folder(self):
        pass

    def check(self, *arguments, code=0, **options):
        return self.run_program("check", *arguments, code=code, **options)

    def test_what_passes_is_a_summary(self):
        result = self.check(ENCODERS, "--filter", "encoder:linear", "--seed", 4)
        self.assertEqual(result.stderr, "")
        self.assertRegex(result.stdout, r"^org\.variform\.encoders \S+ \(.*\)\n\n\d+ passed.* \(seed 4\): the plugin conforms\n$")
        everything = self.check(ENCODERS, "--filter", "encoder:linear", "--all")
        self.assertIn("pass     rows", everything.stdout)

    def test_what_fails_is_said_with_its_reason(self):
        result = self.check(FAULTY, "--filter", "encoder:faulty", FAULT + "rows interact", code=1)
        self.assertEqual(result.stderr, "")
        self.assertIn("FAIL     rows", result.stdout)
        self.assertIn("with the other data in the batch; rows must", result.stdout)
        self.assertIn("does not conform", result.stdout)
        self.assertNotIn("pass ", result.stdout)
        # What could not be run is named without a reason each, and lines fit a terminal but for a test's sentence.
        broken = self.check(FAULTY, "--filter", "encoder:faulty", FAULT + "throws int", code=1).stdout
        self.assertEqual(broken.count("Not run, because"), 1)
        for line in broken.splitlines()[1:]:
            if not re.match(r"  (FAIL|CRASH|warning) ", line):
                self.assertLessEqual(len(line), 100)

    def test_warnings_conform(self):
        result = self.check(FAULTY, "--filter", "encoder:faulty", FAULT + "unused parameter")
        self.assertIn("warning  trained", result.stdout)
        self.assertIn("1 warned", result.stdout)

    def test_json(self):
        result = self.check(FAULTY, "--json", "--seed", 7, "--filter", "encoder:faulty", FAULT + "aborts", code=1)
        found = result.json
        self.assertEqual((found["seed"], found["conforms"]), (7, False))
        self.assertTrue(found["plugin"].startswith("org.variform.test.faulty-networks "))
        outcomes = {}
        for test in found["results"]:
            self.assertEqual({"component", "test", "group", "sentence", "outcome", "blocked", "detail"}, set(test))
            self.assertEqual(test["component"], "encoder:faulty")
            self.assertTrue(test["sentence"].endswith("."))
            outcomes[test["test"]] = test["outcome"]
        self.assertEqual(outcomes["create"], "pass")
        self.assertEqual(outcomes["runs"], "crash")
        self.assertEqual(outcomes["rows"], "skipped")

    def test_filter(self):
        found = self.check(FAULTY, "--json", "--filter", "pushforward-value").json["results"]
        self.assertEqual({(test["component"], test["test"]) for test in found}, {("decoder:faulty", "pushforward-value")})
        nothing = self.check(FAULTY, "--filter", "no-such-test", code=2)
        self.assertIn("no-such-test", nothing.stderr)

    def test_in_process(self):
        result = self.check(FAULTY, "--json", "--in-process", "--filter", "encoder:faulty")
        outcomes = {test["test"]: test["outcome"] for test in result.json["results"]}
        self.assertEqual(outcomes["gradients"], "pass")
        library = self.check(AT_LOAD, "--json", "--in-process", "--filter", "quiet").json["results"]
        self.assertEqual([test["outcome"] for test in library], ["skipped"])
        crashed = self.check(FAULTY, "--in-process", "--filter", "encoder:faulty", FAULT + "aborts", code=None)
        self.assertEqual(crashed.code, 1)  # as every end of the process in a plugin
        self.assertIn("signal 6 (Aborted)", crashed.stderr)

    def test_list(self):
        listed = self.check("--list", "--json").json
        self.assertGreater(len(listed), 30)
        for test in listed:
            self.assertTrue(test["sentence"].endswith("."), test)
        text, table = self.check("--list").stdout, self.check("--list", "--markdown").stdout
        for test in listed:
            self.assertIn(test["test"], text)
            self.assertIn(f"| `{test['test']}` |", table)
        sentences = {test["sentence"] for test in listed}
        columns = {len(line) - len(line[line.index(sentence):]) for line in text.splitlines() for sentence in sentences
                   if line.endswith(" " + sentence)}
        self.assertEqual(len(columns), 1, "the sentences do not begin in one column")

    def test_limit(self):
        begin = time.monotonic()
        result = self.check(FAULTY, "--limit", 0.5, "--filter", "encoder:faulty", FAULT + "endless call", code=1)
        self.assertIn("did not end within 0.5 s", result.stdout)
        self.assertLess(time.monotonic() - begin, 30)

    def test_what_prints_spoils_nothing(self):
        result = self.check(AT_LOAD, "--json", "--filter", "encoder", env={"VARIFORM_TEST_AT_LOAD": "print a lot"})
        self.assertTrue(result.json["conforms"])

    def test_wrong_usage(self):
        for arguments, says in (((), "check takes a plugin"),
                                (("nothing.so",), "there is no file nothing.so"),
                                ((FAULTY, "encoder:faulty"), "encoder:faulty"),
                                ((FAULTY, "encoder:other.fault=x"), "the plugin has no encoder:other; it has encoder:faulty"),
                                ((FAULTY, "encoder:faulty.flaw=x"), "has no parameter 'flaw'; it has fault, width"),
                                ((FAULTY, "encoder:faulty.width=wide"), "parameter 'width' is of type integer; found 'wide'"),
                                ((FAULTY, "encoder:faulty.width=17"), "parameter 'width' is from 1 to 16; found 17"),
                                ((FAULTY, "--limit", "-1"), "--limit")):
            with self.subTest(says):
                result = self.check(*arguments, code=2)
                self.assertIn(says, result.stderr)
                self.assertEqual(result.stdout, "")

    def test_no_plugin(self):
        (self.folder / "text.so").write_text("This is no library.")
        result = self.check("text.so", code=1)
        self.assertIn("FAIL     manifest", result.stdout)
        self.assertFalse(self.check("text.so", "--json", code=1).json["conforms"])

    def test_ctrl_c_ends_all_processes(self):
        mark = self.folder / "name-of-this-test"
        process = self.start("check", FAULTY, "--filter", "encoder:faulty", FAULT + "endless call",
                             env={"VARIFORM_TEST_MARK": str(mark)})
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))

        def processes():
            """Those whose environment names this test."""
            found = []
            for path in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    if str(mark).encode() in (path / "environ").read_bytes():
                        found.append(int(path.name))
                except OSError:
                    pass
            return found

        begin = time.monotonic()
        wait_until(lambda: len(processes()) == 3 and time.monotonic() - begin > 2, process)   # program, component, test
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        for _ in range(100):
            if not processes():
                break
            time.sleep(0.05)
        self.assertEqual(processes(), [])


if __name__ == "__main__":
    main()
