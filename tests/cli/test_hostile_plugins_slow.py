"""Plugins as guests: whatever one does while it is loaded or called, it is named, nothing looks like success, and what it
changed that is not its own is put back. tests/cli/plugins/hostile.cpp does what VARIFORM_TEST_HOSTILE says."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import time

from program import ProgramTest, checkpoint, main, metrics, wait_until

PLUGIN = pathlib.Path(os.environ["VARIFORM_TEST_PLUGINS"]) / "cli" / "hostile.so"
NAME = "org.variform.test.hostile 1.0.0"
SLOTS = ("model.family.type=hostile", "model.decoder.type=hostile", "model.likelihood.type=hostile")
# Steps 4, 8 … have checkpoints.
SHORT = ("train.steps=24", "train.checkpoint_every=4", "train.evaluate_every=0", "train.log_every=1")
SHORT_LIMITS = {"VARIFORM_PLUGIN_SECONDS": "5"}
# What a way of ending is called in the messages.
ENDS = {
    "exit": "exit(0) was called",
    "_exit": "_exit(0) was called",
    "_Exit": "_Exit(0) was called",
    "quick_exit": "quick_exit() was called",
    "abort": "signal 6 (Aborted) ended the program",
    "terminate": "std::terminate() was called",
    "segv": "signal 11 (Segmentation fault) ended the program",
    "recursion": "The stack was full: is there a recursion without an end?",
    "fpe": "signal 8 (Floating point exception) ended the program",
    "ill": "signal 4 (Illegal instruction) ended the program",
    "bus": "signal 7 (Bus error) ended the program",
}


class Guests(ProgramTest):
    def hostile(self, what, *arguments, code=None, env=None, **options):
        environment = {"VARIFORM_TEST_HOSTILE": what, **SHORT_LIMITS, **(env or {})}
        if arguments[0] in ("train", "resume") and "--no-check" not in arguments:
            arguments = (*arguments, "--no-check")  # which would find most of them before (test_guests.py)
        return self.run_program("--plugin", PLUGIN, *arguments, code=code, env=environment, **options)

    def train_with(self, what, *arguments, runs, **options):
        """A training that is harmed; its result and its folder, None where there is none."""
        result = self.hostile(what, "train", "small.toml", *SLOTS, *SHORT, *arguments, "--no-check", "--no-figures", "--runs", runs,
                              **options)
        folders = [path for path in (self.folder / runs).glob("small-*")] if (self.folder / runs).is_dir() else []
        return result, folders[0] if folders else None

    def all_of(self, cases, check):
        """check(case) for every case, some at the same time."""
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for case, done in [(case, pool.submit(check, case)) for case in cases]:
                with self.subTest(case=case):
                    done.result()


class AtLoading(Guests):
    WAYS = {
        "exit": "it ended the process (exit status 0) while it was loaded",
        "_exit": "it ended the process (exit status 0) while it was loaded",
        "quick_exit": "it ended the process (exit status 0) while it was loaded",
        "abort": "its process was killed by signal 6 (Aborted) while it was loaded",
        "terminate": "its process was killed by signal 6 (Aborted) while it was loaded",
        "segv": "its process was killed by signal 11 (Segmentation fault) while it was loaded",
        "recursion": "its process was killed by signal 11 (Segmentation fault) while it was loaded",
        "kill": "its process was killed by signal 9 (Killed) while it was loaded",
        "loop": "it did not return within 5 s while it was loaded (VARIFORM_PLUGIN_SECONDS sets the limit)",
        "sleep": "it did not return within 5 s while it was loaded (VARIFORM_PLUGIN_SECONDS sets the limit)",
    }

    def test_list_and_doctor_name_it_and_show_the_others(self):
        stock = {(entry["kind"], entry["id"]) for entry in self.run_program("list", "--json").json}

        def check(way):
            doctor = self.hostile(f"load {way}", "doctor", code=0)
            self.assertIn(f"refused: {PLUGIN}: {self.WAYS[way]}", " ".join(doctor.stdout.split()))
            self.assertIn("org.variform.encoders", doctor.stdout)
            listed = self.hostile(f"load {way}", "list", "--json", code=0)
            self.assertEqual({(entry["kind"], entry["id"]) for entry in listed.json}, stock)
            self.assertIn(f"warning: {PLUGIN}: {self.WAYS[way]}", listed.stderr)

        self.all_of(self.WAYS, check)

    def test_train_fails_with_its_name(self):
        def check(way):
            result, folder = self.train_with(f"load {way}", runs=f"runs-{way}")
            self.assertEqual(result.code, 2, str(result))
            self.assertIn(f"Plugin {NAME} offers it but was refused: {PLUGIN}: {self.WAYS[way]}", result.stderr)
            self.assertEqual((result.stdout, folder), ("", None))

        self.all_of(("exit", "_exit", "abort", "segv", "loop"), check)

    def test_several_slow_ones_take_the_time_of_one(self):
        folder = self.folder / "plugins"
        folder.mkdir()
        for number in range(4):
            # Another id in each, of the same length: other plugins.
            data = PLUGIN.read_bytes().replace(b"org.variform.test.hostile", b"org.variform.test.hostil" + b"%d" % number)
            (folder / f"slow{number}.so").write_bytes(data)
        began = time.monotonic()
        doctor = self.run_program("doctor", "--json", env={"VARIFORM_TEST_HOSTILE": "load sleep", "VARIFORM_PLUGIN_PATH":
                                                            str(folder), "VARIFORM_PLUGIN_SECONDS": "5"})
        self.assertLess(time.monotonic() - began, 15)
        self.assertEqual(sum("did not return within 5 s" in plugin["reason"] for plugin in doctor.json["plugins"]), 4)

    def test_output_is_the_commands_alone(self):
        listed = self.hostile("load print", "list", "--json", code=0)
        self.assertIn("hostile", {entry["id"] for entry in listed.json})
        result, folder = self.train_with("load print", runs="runs", code=0)
        self.assertEqual(result.stdout.count("\n"), 1)
        self.assertEqual(pathlib.Path(result.last_line).name, folder.name)

    def test_check_names_it(self):
        for way in ("exit", "segv"):
            result = self.hostile(f"load {way}", "check", PLUGIN, code=1)
            self.assertIn(str(PLUGIN), result.stdout + result.stderr)


class InTraining(Guests):
    PLACES = {
        "constructor": (f"family hostile ({NAME}), in its constructor", None),
        "posterior": (f"family hostile ({NAME}), in posterior, at step 18", 18),
        "rsample": (f"family hostile ({NAME}), in rsample, at step 18", 18),
        "nll": (f"likelihood hostile ({NAME}), in nll, at step 18", 18),
        "decode": (f"decoder hostile ({NAME}), in decode, at step 18", 18),
        "backward": (f"the backward pass of the loss, at step 18, in an operation of plugin {NAME}", 18),
        "posterior-destructor": (f"family hostile ({NAME}), in the posterior's destructor, at step 18", 18),
        "destructor": (f"family hostile ({NAME}), in its destructor", 24),
    }

    def check_end(self, place, way, said):
        where, step = self.PLACES[place]
        result, run = self.train_with(f"{place} {way} {18 if step == 18 else ''}", runs=f"runs-{place}-{way}")
        self.assertEqual(result.code, 1, str(result))
        self.assertIn(said, result.stderr)
        self.assertIn(f"in {where}", result.stderr)
        self.assertNotIn("frame #", result.stderr)
        if step is None:   # before there is a run
            self.assertIsNone(run)
            return
        self.assertIn(where, (run / "FAILED").read_text())
        self.assertIn(where, (run / "log.txt").read_text())
        self.assertFalse((run / "DONE").exists())
        self.assert_kept(run, step // 4 * 4)

    def assert_kept(self, run, last):
        """The last checkpoint, or one before it: they are written while the training goes on."""
        self.assertIn(checkpoint(run).step, range(last - 12, last + 1, 4))

    def test_every_end_in_a_function_is_named_and_marked(self):
        self.all_of(ENDS, lambda way: self.check_end("posterior", way, ENDS[way]))

    def test_every_place_is_named_and_marked(self):
        cases = [(place, way) for place in self.PLACES for way in ("exit", "abort")]
        self.all_of(cases, lambda case: self.check_end(*case, ENDS[case[1]]))

    def test_exceptions_that_nothing_catches(self):
        for place in ("posterior-destructor", "destructor"):
            self.check_end(place, "throw", "an exception that nothing can catch (from a destructor, a noexcept function or a "
                                           "thread) ended the program: the sensor fell off")

    def test_exceptions_have_no_frames_and_name_the_component(self):
        def check(place):
            result, run = self.train_with(f"{place} frames 18", runs=f"runs-{place}")
            self.assertEqual(result.code, 1, str(result))
            where = self.PLACES[place][0].split(", in an operation")[0]
            self.assertIn(f"{where}: mat1 and mat2 shapes cannot be multiplied", result.stderr)
            for text in (result.stderr, (run / "FAILED").read_text(), (run / "log.txt").read_text()):
                self.assertNotIn("frame #", text)
                self.assertNotIn("Exception raised from", text)

        self.all_of(("posterior", "rsample", "nll", "decode"), check)
        result, _ = self.train_with("backward throw 18", runs="runs-backward")
        self.assertIn(f"the backward pass of the loss, at step 18: the sensor fell off (plugins with operations of their own "
                      f"in it: {NAME})", result.stderr)

    def test_a_thread_that_ends_itself(self):
        result, run = self.train_with("posterior pthread_exit 18", runs="runs", timeout=60)
        self.assertNotEqual(result.code, 0)
        self.assertIn(self.PLACES["posterior"][0], result.stderr)
        self.assertTrue((run / "FAILED").exists())

    def test_what_cannot_be_caught_is_no_success(self):
        result, run = self.train_with("posterior kill 18", runs="runs")
        self.assertEqual(result.code, -signal.SIGKILL)
        self.assertFalse((run / "DONE").exists())
        self.assert_kept(run, 16)
        self.hostile("", "resume", run, "--no-figures", code=0)
        self.assertEqual(checkpoint(run).step, 24)

    def test_resume_goes_on_from_the_last_checkpoint(self):
        _, run = self.train_with("posterior exit 18", runs="runs")
        self.hostile("", "resume", run, "--no-figures", code=0)
        self.assertTrue((run / "DONE").exists())
        self.assertFalse((run / "FAILED").exists())
        _, whole = self.train_with("", runs="whole", code=0)
        self.assert_same_checkpoint(run / "checkpoints" / "last.h5", whole / "checkpoints" / "last.h5")

    def test_other_commands_fail_too(self):
        _, run = self.train_with("", runs="runs", code=0)
        for command in (("evaluate", run, "--limit", "8"), ("sample", run), ("encode", run)):
            result = self.hostile("decode exit first" if command[0] == "sample" else "posterior exit first", *command)
            self.assertEqual(result.code, 1, str(result))
            self.assertIn("exit(0) was called, in ", result.stderr)
            self.assertTrue((run / "DONE").exists())

    def test_a_study_has_no_such_cell_among_its_results(self):
        (self.folder / "study.toml").write_text(
            f'include = ["small.toml"]\n[plugins]\npaths = ["{PLUGIN}"]\n[study.axes]\nseed = [1, 2]\n')
        result = self.run_program("study", "study.toml", *SLOTS, *SHORT, "--no-check", code=None,
                                  env={"VARIFORM_TEST_HOSTILE": "posterior exit 18"})
        self.assertNotEqual(result.code, 0, str(result))
        self.assertIn("exit(0) was called", "".join(log.read_text(errors="replace") for log in self.folder.rglob("*")
                                                    if log.is_file() and log.suffix in (".txt", ".log")) + result.stderr)


class Long(Guests):
    def start_loop(self, **environment):
        process = self.start("--plugin", PLUGIN, "train", "small.toml", *SLOTS, *SHORT, "--no-check", "--no-figures", "--runs", "runs",
                             env={"VARIFORM_TEST_HOSTILE": "posterior loop 18", **environment})
        self.addCleanup(process.kill)

        def is_there():
            found = list((self.folder / "runs").glob("small-*/metrics.jsonl"))
            return found and len(metrics(found[0].parent)) >= 18

        wait_until(is_there, process)
        return process

    def test_it_is_named_while_it_lasts(self):
        process = self.start_loop(VARIFORM_CALL_SECONDS="0.4")
        where = f"family hostile ({NAME}), in posterior, at step 18: has not returned for "
        log = next((self.folder / "runs").glob("small-*")) / "log.txt"
        wait_until(lambda: where in log.read_text(), process, timeout=20)
        process.kill()
        self.assertIn(f"note: {where}", process.communicate()[1])

    def test_the_first_signal_says_where_it_is_and_how_to_stop(self):
        for sent in (signal.SIGTERM, signal.SIGINT):
            process = self.start_loop()
            time.sleep(0.3)
            process.send_signal(sent)
            time.sleep(0.3)
            process.kill()
            self.assertIn(f"ending in order, as soon as this has returned: family hostile ({NAME}), in posterior, at step 18; "
                          f"to end at once, without that: Ctrl-C three times, or kill -KILL {process.pid}\n",
                          process.communicate()[1])
            shutil.rmtree(self.folder / "runs")


    def test_a_study_of_it_ends_with_its_commands(self):
        (self.folder / "s.toml").write_text('include = ["small.toml"]\n[study.axes]\nseed = [1]\n')
        process = self.start("--plugin", PLUGIN, "study", "s.toml", *SLOTS, *SHORT, "--no-check", "--runs", "runs",
                             env={"VARIFORM_TEST_HOSTILE": "posterior loop 1"})
        self.addCleanup(process.kill)
        wait_until(lambda: list((self.folder / "runs").glob("small-*/metrics.jsonl")), process)
        (child,) = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for _ in range(3):
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130)
        end = time.monotonic() + 20
        while pathlib.Path(f"/proc/{child}").exists() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertFalse(pathlib.Path(f"/proc/{child}").exists())


class Changed(Guests):
    WAYS = {
        "round": "the processor's rounding (was to nearest, became upward; restored)",
        "denormals": "the processor's treatment of denormals (was zero, became as they are; restored)",
        "traps": "the floating-point exceptions that are signals (was none, became some; restored)",
        "dtype": "LibTorch's default dtype (was float, became double; restored)",
        "gradients": "the recording of gradients (was on, became off; restored)",
        "threads": "the number of threads (was 1, became 3; restored)",
        "folder": "the working folder (was {folder}, became /; restored)",
        "locale": "the locale (was C, became C.UTF-8; restored)",
        "environment": "the variable OMP_NUM_THREADS of the environment (was '1', became '7'; restored)",
        "handler": "what signal SIGTERM does (was ",
        "mask": "the signals that are blocked (was ",
        "umask": "the umask (was 0",
        "stdout": "standard output (was open, became closed; restored)",
        "stderr": "standard error (was open, became another file; restored)",
        "limit": "the limit on open files (was ",
        "alarm": "a timer (alarm, setitimer) (was not set, became set; restored)",
        "generator": "LibTorch's global generator of random numbers (was at one place of its sequence, became at another; "
                     "restored)",
        "deterministic": "LibTorch's deterministic algorithms (was off, became on; restored)",
        "vectors": "the processor's rounding (was to nearest, became upward; restored)",
        "products": "LibTorch's precision of float32 (was ieee in products on GPUs, ieee in products on the CPU, became tf32 in "
                    "products on GPUs, bf16 in products on the CPU; restored)",
        "tf32": "LibTorch's precision of float32 (was ieee in products on GPUs, became tf32 in products on GPUs; restored)",
        "reductions": "LibTorch's reductions of bfloat16 in less than float32 (was on, became off, without parts; restored)",
        "cudnn": "LibTorch's deterministic cuDNN (was off, became on; restored)",
        "onednn": "LibTorch's use of oneDNN (was on, became off; restored)",
    }

    def losses(self, run):
        return [line["loss"] for line in metrics(run, "train")]

    def test_at_loading_they_are_restored_and_named(self):
        _, plain = self.train_with("", runs="plain", code=0)

        def check(way):
            result, run = self.train_with(f"load {way}", runs=f"runs-{way}", code=0)
            said = self.WAYS[way].format(folder=self.folder)
            self.assertIn(f"warning: plugin {NAME} ({PLUGIN}), while it was loaded, changed what belongs to the whole "
                          f"program: {said}", result.stderr)
            self.assert_same_checkpoint(run / "checkpoints" / "last.h5", plain / "checkpoints" / "last.h5")
            self.assertEqual(self.losses(run), self.losses(plain))

        self.all_of(self.WAYS, check)

    def test_in_the_constructor_too(self):
        for way in ("round", "dtype", "threads", "folder"):
            result, _ = self.train_with(f"constructor {way}", runs=f"runs-{way}", code=0)
            self.assertIn(f"warning: family hostile ({NAME}), in its constructor, changed what belongs to the whole program: "
                          + self.WAYS[way].format(folder=self.folder), result.stderr)

    def test_at_the_first_call_the_function_is_named(self):
        def check(way):
            result, _ = self.train_with(f"posterior {way} first", runs=f"runs-{way}", code=0)
            self.assertIn(f"warning: family hostile ({NAME}), in posterior, changed what belongs to the whole program: "
                          + self.WAYS[way].format(folder=self.folder), result.stderr)

        self.all_of(("round", "dtype", "threads", "handler", "locale", "products", "tf32"), check)

    def test_check_names_them_too(self):
        def check(way):
            said = self.hostile(f"load {way}", "check", PLUGIN, "--filter", "library", code=1)
            name = self.WAYS[way].split(" (")[0]
            self.assertIn(f"loading it changes settings of the whole process: {name}", " ".join(said.stdout.split()))

        self.all_of(("round", "denormals", "environment", "umask", "mask", "products", "reductions"), check)

    def test_in_a_later_step(self):
        _, plain = self.train_with("", runs="plain", code=0)
        for way, said in (("round", "left the processor's rounding"), ("gradients", "left the recording of gradients")):
            result, run = self.train_with(f"nll {way} 18", runs=f"runs-{way}", code=0)
            self.assertIn(f"warning: likelihood hostile ({NAME}), in nll, at step 18, {said}", result.stderr)
            self.assertEqual(self.losses(run)[:18], self.losses(plain)[:18])
        result, _ = self.train_with("nll threads 18", runs="runs-threads", code=0)
        self.assertIn("warning: a component, up to step 20, changed what belongs to the whole program: "
                      + self.WAYS["threads"], result.stderr)

    def test_in_an_evaluation(self):
        _, run = self.train_with("", runs="runs", code=0)
        result = self.hostile("posterior folder first", "evaluate", run, "--limit", "8", "--out", "values.json", code=0)
        self.assertIn("a component of this model, changed what belongs to the whole program: "
                      + self.WAYS["folder"].format(folder=self.folder), result.stderr)


class RunsOfOthers(Guests):
    """A run's folder that somebody sent brings no code."""

    def setUp(self):
        super().setUp()
        _, self.run_folder = self.train_with("", runs="runs", code=0)
        self.config = self.run_folder / "config.resolved.toml"

    def name_plugins(self, paths):
        text = self.config.read_text().split("[plugins]")[0]
        self.config.write_text(text + f"\n[plugins]\npaths = {json.dumps(paths)}\n")

    def assert_not_loaded(self, why, environment="load exit"):
        for command in (("sample", self.run_folder), ("evaluate", self.run_folder, "--limit", "8"),
                        ("export", self.run_folder), ("resume", self.run_folder, "train.steps=30"),
                        ("compare", self.run_folder, self.run_folder)):
            result = self.run_program(*command, code=None, env={"VARIFORM_TEST_HOSTILE": environment})
            self.assertIn(result.code, (1, 2), str(result))
            self.assertIn("not loaded: the config of the run ", result.stderr)
            self.assertIn(why, result.stderr)
            self.assertIn("A plugin is code that does whatever you may do", result.stderr)
            self.assertIn("say so with --plugin ", result.stderr)

    def test_inside_the_folder(self):
        (self.run_folder / "p").mkdir()
        shutil.copy(PLUGIN, self.run_folder / "p" / "guest.so")
        inside = "names this file inside the run's folder"
        for paths in (["p"], ["p/guest.so"], [str(self.run_folder / "p")], ["../" + self.run_folder.name + "/p"]):
            self.name_plugins(paths)
            self.assert_not_loaded(inside)
        result = self.run_program("--plugin", self.run_folder / "p" / "guest.so", "sample", self.run_folder)
        self.assertNotIn("not loaded", result.stderr)

    def test_by_a_config_that_was_changed(self):
        (self.run_folder / "p").mkdir()
        shutil.copy(PLUGIN, self.run_folder / "p" / "guest.so")
        # Of another file, which would not be known to belong to the run.
        whole = self.config.read_text()
        (self.run_folder / "x.toml").write_text('[plugins]\npaths = ["p"]\n')
        self.config.write_text('include = ["x.toml"]\n' + whole)
        bare = self.folder / "runs" / "bare"
        shutil.copytree(self.run_folder, bare)
        shutil.rmtree(bare / "checkpoints")
        for command, said in ((("resume", self.run_folder), "was changed since the checkpoint was written: include is"),
                              (("resume", bare), "holds all that it needs, and includes nothing"),
                              (("train", self.config, "--folder", "new"), "holds all that it needs, and includes nothing")):
            result = self.run_program(*command, code=None, env={"VARIFORM_TEST_HOSTILE": "load exit"})
            self.assertEqual(result.code, 2, str(result))
            self.assertIn(said, result.stderr)
        # Of the checkpoint, which counts where the file is gone.
        link = self.folder / "link"
        link.symlink_to(PLUGIN.parent)
        _, run = self.train_with("", f"plugins.paths={json.dumps([str(link)])}", runs="others", code=0)
        shutil.copytree(self.run_folder / "p", run / "p")
        link.unlink()
        link.symlink_to(run / "p")
        (run / "config.resolved.toml").unlink()
        result = self.run_program("resume", run, "train.steps=30", code=None, env={"VARIFORM_TEST_HOSTILE": "load exit"})
        self.assertIn("names this file inside the run's folder", result.stderr)

    def test_through_links_and_relative_paths(self):
        outside = self.folder / "outside"
        outside.mkdir()
        shutil.copy(PLUGIN, outside / "guest.so")
        (self.run_folder / "link").symlink_to(outside)
        self.name_plugins(["link"])
        self.assert_not_loaded("names this file inside the run's folder")
        self.name_plugins(["../../outside/guest.so"])
        self.assert_not_loaded("names this file by a relative path")
        (self.run_folder / "guest.so").write_bytes(PLUGIN.read_bytes())
        (outside / "back.so").symlink_to(self.run_folder / "guest.so")
        self.name_plugins([str(outside / "back.so")])
        self.assert_not_loaded("names this file inside the run's folder")

    def test_what_one_has_named_oneself_is_loaded(self):
        self.name_plugins([str(PLUGIN)])
        self.run_program("sample", self.run_folder)
        self.name_plugins(["p"])
        (self.run_folder / "p").mkdir()
        shutil.copy(PLUGIN, self.run_folder / "p" / "guest.so")
        self.run_program("sample", self.run_folder, env={"VARIFORM_PLUGIN_PATH": str(PLUGIN)})


if __name__ == "__main__":
    main()
