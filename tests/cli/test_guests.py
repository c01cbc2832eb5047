"""What did not come with the program is tried before it is first trained with: silently other numbers are refused, with
the likely cause; once for a file, a component and its parameters. And what a config says of plugins that are not there."""

import json
import os
import pathlib
import resource
import shutil
import unittest

from program import ProgramTest, main

RUDE = pathlib.Path(os.environ["VARIFORM_TEST_PLUGINS"]) / "cli" / "ill-mannered.so"
DISTRIBUTIONS = pathlib.Path(os.environ["VARIFORM_TEST_PLUGINS"]) / "conformance" / "faulty-distributions.so"
TRIED = "tried before its first training: "


class Guests(ProgramTest):
    def fill_folder(self):
        super().fill_folder()
        self.plugin = self.folder / "mine" / "rude.so"
        self.plugin.parent.mkdir()
        shutil.copy(RUDE, self.plugin)

    def begin(self, *arguments, manners="", code=0, decoder=True, family=True):
        env = {"VARIFORM_PLUGIN_PATH": str(self.plugin.parent), "VARIFORM_TEST_MANNERS": manners,
               "XDG_CACHE_HOME": str(self.folder / "cache")}
        slots = (["model.decoder={ type = \"rude\" }"] if decoder else []) + \
                (["model.family={ type = \"rude\" }"] if family else [])
        return self.run_program("train", "small.toml", "train.steps=2", *slots, "--no-figures", *arguments, code=code, env=env)

    def remembered(self):
        return sorted(path.name for path in (self.folder / "cache" / "variform" / "checked").glob("[0-9a-f]*"))

    def test_other_numbers_are_refused_with_their_cause(self):
        for manners, who, causes in (
            ("family detach", "family rude (org.variform.test.ill-mannered 1.0.0)", ["gradients: ", "It is rsample whose gradient is wrong", "is the draw detached?"]),
            ("family draw", "family rude (org.variform.test.ill-mannered 1.0.0)",
             ["global-rng: a call draws from the global generator (rsample)"]),
            ("decoder draw", "decoder rude (org.variform.test.ill-mannered 1.0.0)", ["global generator (decode"]),
            ("decoder memory", "decoder rude (org.variform.test.ill-mannered 1.0.0)", ["keep something between calls"]),
        ):
            with self.subTest(manners):
                result = self.begin(manners=manners, code=1, decoder="decoder" in manners, family="family" in manners)
                self.assertEqual(result.stdout, "")
                self.assertIn(f"error: {who} does not compute what it says; nothing was trained.\n", result.stderr)
                for cause in causes:
                    self.assertIn(cause, result.stderr)
                self.assertIn(f"variform check {self.plugin} ", result.stderr)
                self.assertIn("--latent 4 --data 1,", result.stderr)
                self.assertIn("To train with it all the same: --no-check", result.stderr)
                self.assertFalse((self.folder / "runs").exists())
        self.assertEqual(self.remembered(), [])

    def test_the_command_that_is_advised_says_it_too(self):
        refused = self.begin(manners="family detach", code=1, decoder=False)
        line = next(line for line in refused.stderr.splitlines() if "variform check" in line)
        arguments = line.split("variform ", 1)[1].split()
        told = self.run_program(*arguments, code=1, env={"VARIFORM_TEST_MANNERS": "family detach"})
        self.assertIn("FAIL     gradients", told.stdout)

    def test_once_for_a_file(self):
        first = self.begin()
        self.assertEqual(first.stderr.count(TRIED), 2)
        self.assertIn(TRIED + "family rude (org.variform.test.ill-mannered 1.0.0)", first.stderr)
        self.assertEqual(len(self.remembered()), 2)
        # Remembered by the file alone: what it does now is not looked at again.
        second = self.begin("--overwrite", manners="family detach")
        self.assertNotIn(TRIED, second.stderr)
        self.assertIn("is the draw detached?", second.stderr)  # the look at one step warns
        self.assertEqual(self.run_program("train", "small.toml", "train.steps=1", "--no-figures").stderr.count(TRIED), 0)

    def test_what_is_remembered_in_another_form_is_forgotten(self):
        self.begin(decoder=False)
        [name] = self.remembered()
        path = self.folder / "cache" / "variform" / "checked" / name
        whole = path.read_text()
        for text in ('{"done":"x"}', '{"done":true,"attempts":1,"warnings":[7]}', "[" * 100000):
            path.write_text(text)
            self.assertEqual(self.begin("--overwrite", decoder=False).stderr.count(TRIED), 1, text[:40])
            self.assertEqual(json.loads(path.read_text()), json.loads(whole))

    def test_a_changed_file_is_tried_again(self):
        self.begin(decoder=False)
        with self.plugin.open("ab") as file:
            file.write(b"\n")  # behind the end of what is loaded
        refused = self.begin("--overwrite", manners="family detach", decoder=False, code=1)
        self.assertIn("is the draw detached?", refused.stderr)
        self.assertEqual(self.begin("--overwrite", decoder=False).stderr.count(TRIED), 1)

    def test_a_damaged_memory_is_none(self):
        self.begin(decoder=False)
        kept, = (path for path in (self.folder / "cache" / "variform" / "checked").glob("[0-9a-f]*"))
        right = kept.read_text()
        for text in ('{"done": 3, "attempts": "x", "warnings": 1}', '{"done": true}', "[true]", '{"done": tr', ""):
            with self.subTest(text):
                kept.write_text(text)
                self.assertEqual(self.begin("--overwrite", decoder=False).stderr.count(TRIED), 1)
                self.assertEqual(kept.read_text(), right)

    def test_any_file_name(self):
        self.plugin = self.plugin.rename(self.plugin.with_name("rude.plugin"))
        first = self.begin("--plugin", self.plugin)
        self.assertEqual(first.stderr.count(TRIED), 2)
        self.run_program("check", self.plugin, "--component", "decoder:rude", "--quick")
        self.run_program("check", self.plugin, "--filter", "manifest")

    def test_a_trial_that_could_not_start(self):
        env = {"VARIFORM_TEST_MANNERS": "family remove", "VARIFORM_TEST_FILE": str(self.plugin),
               "VARIFORM_PLUGIN_PATH": str(self.plugin.parent), "XDG_CACHE_HOME": str(self.folder / "cache")}
        result = self.run_program("train", "small.toml", "train.steps=2", 'model.family={ type = "rude" }', "--no-figures",
                                  code=None, env=env)
        self.assertIn("could not be tried: 'variform check' ended with exit code 2 and without a result. To see why: "
                      f"variform check {self.plugin} ", result.stderr)
        self.assertNotIn("in the time allowed", result.stderr)
        self.assertEqual(self.remembered(), [])

    def test_a_slow_test_takes_no_more_than_there_is(self):
        def seconds_of(*arguments, **env):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            result = self.run_program(*arguments, code=None, env=env)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result

        start, _ = seconds_of("list")
        taken, result = seconds_of("check", self.plugin, "--component", "family:rude", "--quick=1", "--json",
                                   VARIFORM_TEST_MANNERS="family spin")
        late = [test for test in result.json["results"] if test.get("late")]
        self.assertIn("it did not end in the time of a quick run", late[0]["detail"])
        self.assertGreater(len(late), 3)
        self.assertLess(taken - start, 3)  # 1, whole seconds are counted, and a test that was in time

    def test_no_check(self):
        result = self.begin("--no-check", manners="family detach")
        self.assertNotIn(TRIED, result.stderr)
        self.assertIn("warning: family rude", result.stderr)
        self.assertEqual(self.remembered(), [])

    def test_resume_tries_too(self):
        run = self.begin("train.steps=4", "--stop-at", 2, "--no-check").last_line
        env = {"VARIFORM_PLUGIN_PATH": str(self.plugin.parent), "XDG_CACHE_HOME": str(self.folder / "cache")}
        refused = self.resume(run, env={**env, "VARIFORM_TEST_MANNERS": "family detach"}, code=1)
        self.assertIn("is the draw detached?", refused.stderr)
        self.assertFalse((self.folder / run / "FAILED").exists())
        self.assertIn(TRIED, self.resume(run, env=env).stderr)

    def test_stock_plugins_are_not_tried(self):
        result = self.run_program("train", "small.toml", "train.steps=1", "--no-figures",
                                  env={"XDG_CACHE_HOME": str(self.folder / "cache")})
        self.assertNotIn(TRIED, result.stderr)
        self.assertFalse((self.folder / "cache" / "variform" / "checked").exists())

    def test_parameters_of_the_config_are_those_that_are_tried(self):
        for fault, says in (("entropy", "entropy: "), ("generator of its own", "std::mt19937")):
            result = self.run_program("train", "small.toml", "train.steps=1", "--no-figures",
                                      f"model.family={{ type = \"faulty\", fault = \"{fault}\" }}",
                                      "--plugin", DISTRIBUTIONS, code=1)
            self.assertIn(says, result.stderr)

    def test_what_could_not_be_tried_is_said_and_tried_again(self):
        for _ in range(2):
            result = self.run_program("train", "small.toml", "train.steps=1", "--no-figures", "--overwrite",
                                      "model.family={ type = \"faulty\", fault = \"dtype\" }",
                                      "--plugin", DISTRIBUTIONS, env={"XDG_CACHE_HOME": str(self.folder / "cache")})
            self.assertIn("dtypes: in a Double model location is Float", result.stderr)
            self.assertIn("not tried, because they build on tests that did not pass: ", result.stderr)
            self.assertIn(TRIED, result.stderr)

    def test_cells_of_a_study_share_it(self):
        (self.folder / "study.toml").write_text(
            'include = "small.toml"\nname = "s"\n[plugins]\npaths = ["mine"]\n[train]\nsteps = 2\n'
            '[model]\nfamily = { type = "rude" }\n[study.axes]\nseed = [1, 2, 3]\n')
        cache = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        self.assertIn("is the draw detached?", self.run_program(
            "study", "study.toml", code=None, env={**cache, "VARIFORM_TEST_MANNERS": "family detach"}).stderr)
        result = self.run_program("study", "study.toml", "--jobs", 2, env=cache)
        said = result.stderr + "".join(path.read_text() for path in (self.folder / "studies").glob("s/logs/*"))
        self.assertEqual(said.count(TRIED), 1)
        self.assertEqual(len(self.remembered()), 1)


class Sizes(ProgramTest):
    def test_check_builds_with_the_sizes_that_are_asked_for(self):
        told = self.run_program("check", DISTRIBUTIONS, "family:faulty.fault=shape", "--component", "family:faulty",
                                "--latent", 5, "--data", "2,3", code=1)
        self.assertIn("(d = 5, data [2, 3])", told.stdout)
        components = {result["component"] for result in self.run_program(
            "check", DISTRIBUTIONS, "--component", "prior:faulty", "--json", "--quick").json["results"]}
        self.assertEqual(components, {"prior:faulty"})

    def test_wrong_sizes(self):
        for arguments, says in ((("--data", "somewhere"), "takes --data as the shape of one example"),
                                (("--data", "1,0"), "takes --data as the shape of one example"),
                                (("--latent", -1), "--latent"),
                                (("--component", "family:none"), "the plugin has no family:none")):
            with self.subTest(says):
                self.assertIn(says, self.run_program("check", DISTRIBUTIONS, *arguments, code=2).stderr)


class Places(ProgramTest):
    def write(self, paths):
        (self.folder / "other.toml").write_text(f'include = "small.toml"\n[plugins]\npaths = {json.dumps(paths)}\n')

    def test_a_folder_that_is_not_there(self):
        self.write(["nowhere"])
        said = self.run_program("check", "other.toml").stderr
        self.assertIn(f"warning: [plugins].paths of other.toml: {self.folder}/nowhere: there is no such folder or file", said)
        self.assertEqual(said.count("nowhere"), 1)

    def test_a_folder_without_a_plugin(self):
        (self.folder / "empty").mkdir()
        self.write(["empty"])
        self.assertIn(f"{self.folder}/empty: there is no plugin (*.so) in this folder",
                      self.run_program("check", "other.toml").stderr)

    def test_a_folder_with_one_is_not_mentioned(self):
        (self.folder / "mine").mkdir()
        shutil.copy(RUDE, self.folder / "mine")
        self.write(["mine"])
        self.assertEqual(self.run_program("check", "other.toml").stderr, "")


if __name__ == "__main__":
    main()
