"""`variform new` against the installed tree, in empty folders: what it makes configures, builds, passes its tests, is found
and trains, by the very commands that it prints. Times are printed, not held against a limit: machines differ."""

import json
import pathlib
import re
import shlex
import time
import unittest

from installed import BUILD, LIBTORCH, Installed, run

KINDS = ("family", "prior", "likelihood", "encoder", "decoder", "objective", "reader")


def without_comments(text):
    return [line for line in text.splitlines() if line.strip() and not line.strip().startswith("//")]


class New(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.tree = Installed(cls)
        cls.identity = cls.tree.folder / "gitconfig"
        cls.identity.write_text("[user]\nname = A. Researcher\nemail = researcher@example.org\n")

    def setUp(self):
        self.work = self.tree.empty_folder(f"work of {self.id().split('.')[-1]}")

    def variform(self, *arguments, program=None, code=0, **variables):
        variables = {"GIT_CONFIG_GLOBAL": self.identity, "GIT_CONFIG_SYSTEM": "/dev/null", **variables}
        done = run(program or self.tree.program, *arguments, folder=self.work, OMP_NUM_THREADS=1, **variables)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def follow(self, printed, *more, count=4):
        """Runs the commands that `new` printed, each in the folder that the first one goes to; the seconds of each."""
        change, *commands = [line[2:] for line in printed.splitlines() if line.startswith("  ")]
        self.assertEqual(len(commands), count, printed)
        seconds, outputs = [], []
        for number, command in enumerate(commands):
            if number == len(commands) - 1:
                command = shlex.join([*shlex.split(command), *more])
            began = time.monotonic()
            done = run("bash", "-ec", f"{change}\n{command}", folder=self.work, OMP_NUM_THREADS=1)
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
            seconds.append(time.monotonic() - began)
            outputs.append(done.stderr + done.stdout)  # results last
        return seconds, outputs

    def everything(self, kind, program=None, *more):
        name = f"my-{kind}"
        began = time.monotonic()
        printed = self.variform("new", kind, name, program=program).stdout
        folder = self.work / name
        seconds, outputs = self.follow(printed, *more)
        total = time.monotonic() - began
        configure, build, test, train = seconds
        source = (folder / f"src/{name}.cpp").read_text()
        print(f"{kind}: {len(source.splitlines())} lines ({len(without_comments(source))} without comments and blanks); "
              f"configure {configure:.1f} s, build {build:.1f} s, tests {test:.1f} s, train {train:.1f} s; "
              f"from `new` to a trained model {total:.1f} s", flush=True)
        for test_name in ("check", "example"):
            self.assertRegex(outputs[2], rf"{name}-{test_name} \.* +Passed")
        self.assertRegex(outputs[2], rf"{name}_test \.* +Passed")
        last_run = folder / outputs[3].rstrip("\n").splitlines()[-1]
        self.assertTrue((last_run / "DONE").is_file(), outputs[3])
        self.assertNotRegex(outputs[0] + outputs[1], "(?i)warning")
        self.is_clean(folder)
        # By the environment alone, from another folder.
        listed = self.variform("list", kind, program=program, VARIFORM_PLUGIN_PATH=folder / "build").stdout
        self.assertRegex(listed, rf"\b{name}\b.*org\.example\.{name}")
        return folder

    def is_clean(self, folder):
        """Only what is to be kept is in git; nothing was edited or left to be filled in."""
        self.assertEqual(run("git", "-C", folder, "status", "--porcelain").stdout, "")
        for file in run("git", "-C", folder, "ls-files").stdout.split():
            text = (folder / file).read_text()
            self.assertNotRegex(text, r"@\w+@", file)
            self.assertNotIn(str(self.tree.folder), text, file)
            self.assertNotIn(str(LIBTORCH), text, file)

    def test_family(self):
        folder = self.everything("family")  # to the example's own end
        self.assertEqual(len(run("git", "-C", folder, "log", "--oneline").stdout.splitlines()), 1)
        # Its own test is one that can fail.
        source = folder / "src/my-family.cpp"
        source.write_text(source.read_text().replace("(noise.square() / df_).log1p()", "(noise.square() / 2).log1p()"))
        run("cmake", "--build", folder / "build", check=True)
        done = run("ctest", "--test-dir", folder / "build", "-R", "_test$")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"my-family_test \.*\*+Failed")

    def test_the_other_kinds(self):
        """In one build, so that LibTorch's headers are read once for all of them; the rest is as everything() does it."""
        folders = {}
        for kind in KINDS[1:]:
            self.variform("new", kind, f"my-{kind}")
            folders[kind] = self.work / f"my-{kind}"
        together = "".join(f"add_subdirectory(my-{kind})\n" for kind in folders)
        (self.work / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.25)\nproject(together LANGUAGES CXX)\nenable_testing()\n{together}")
        build = self.work / "build"
        run("cmake", "-S", self.work, "-B", build, f"-DCMAKE_PREFIX_PATH={self.tree.prefix}", check=True)
        made = run("cmake", "--build", build, check=True)
        self.assertNotRegex(made.stdout + made.stderr, "(?i)warning")
        tested = run("ctest", "--test-dir", build, "--output-on-failure", OMP_NUM_THREADS=1)
        self.assertEqual(tested.returncode, 0, tested.stdout + tested.stderr)
        for kind, folder in folders.items():
            with self.subTest(kind=kind):
                self.is_found_and_trains(kind, folder, build / f"my-{kind}", tested.stdout)

    def is_found_and_trains(self, kind, folder, built, tested):
        name = f"my-{kind}"
        for test_name in ("check", "example"):
            self.assertRegex(tested, rf"{name}-{test_name} \.* +Passed")
        self.assertRegex(tested, rf"{name}_test \.* +Passed")
        plugins = {"VARIFORM_PLUGIN_PATH": built}
        self.assertRegex(self.variform("list", kind, **plugins).stdout, rf"\b{name}\b.*org\.example\.{name}")
        trained = run(self.tree.program, "train", "example.toml", "train.steps=20", "--no-figures", folder=folder,
                      OMP_NUM_THREADS=1, **plugins)
        self.assertEqual(trained.returncode, 0, trained.stdout + trained.stderr)
        self.assertTrue((folder / trained.stdout.strip().splitlines()[-1] / "DONE").is_file(), trained.stdout)
        self.is_clean(folder)

    def test_metric(self):
        """A stranger's metric is in the evaluation, in its JSON, in a study's table, on a figure's axis, and described."""
        printed = self.variform("new", "metric", "my-metric").stdout
        folder = self.work / "my-metric"
        seconds, outputs = self.follow(printed, "--limit", "500", "--importance-samples", "0", count=5)
        print(f"metric: configure {seconds[0]:.1f} s, build {seconds[1]:.1f} s, tests {seconds[2]:.1f} s", flush=True)
        self.assertRegex(outputs[2], r"my-metric-check \.* +Passed")
        self.assertRegex(outputs[2], r"my-metric_test \.* +Passed")
        self.assertRegex(outputs[4], r"\nmy-metric\nvalue .*\n.*\nhoyer +0\.\d+ ± 0\.\d+ ")
        found = json.loads((folder / "runs/example/evaluation-test.json").read_text())
        self.assertIn("my-metric", found["metrics"])
        self.assertGreater(found["my-metric"]["hoyer"]["value"], 0)
        self.assertIn("org.example.my-metric", found["plugins"])
        plugin = ("--plugin", folder / "build")
        self.assertIn("Hoyer's sparsity of the codes", self.variform("describe", "metric:my-metric", *plugin).stdout)
        source = folder / "src/my-metric.cpp"  # with a unit, to see it on an axis
        source.write_text(source.read_text().replace('{{"hoyer", "",', '{{"hoyer", "hoyers",'))
        self.assertEqual(run("cmake", "--build", folder / "build").returncode, 0)
        (folder / "study.toml").write_text("""include = ["example.toml"]
name = "sparsity"
[study.axes]
"objective.beta" = [0.1, 1.0]
[study.evaluate.final]
limit = 200
importance_samples = 0
[[study.tables]]
name = "table"
rows = ["objective.beta"]
metrics = ["hoyer", "latent_kl"]
[[study.figures]]
name = "figure"
kind = "curves"
x = "objective.beta"
metrics = ["hoyer"]
""")
        self.variform("study", folder / "study.toml", "train.steps=30", "--studies", self.work / "studies",
                      "--runs", self.work / "runs")
        tables = list((self.work / "studies").rglob("table.md"))
        self.assertRegex(tables[0].read_text(), r"\| beta \| +hoyer \| +latent_kl \|")
        [figure] = (self.work / "studies").rglob("figure.svg")
        self.assertIn("hoyer, hoyers", figure.read_text())

    def test_from_the_build_tree(self):
        self.everything("prior", BUILD / "variform", "train.steps=20", "--no-figures")

    def test_without_an_identity(self):
        done = self.variform("new", "encoder", "mine", "--into", "deep/er", GIT_CONFIG_GLOBAL="/dev/null",
                             HOME=self.work, XDG_CONFIG_HOME=self.work)
        self.assertIn("git knows neither your user.name nor your user.email", done.stdout)
        folder = self.work / "deep/er/mine"
        self.assertIn("A  src/mine.cpp", run("git", "-C", folder, "status", "--porcelain").stdout)

    def test_inside_a_repository(self):
        run("git", "init", "-q", self.work, check=True)
        done = self.variform("new", "encoder", "mine")
        self.assertIn("inside a git repository", done.stdout)
        self.assertFalse((self.work / "mine/.git").exists())

    def test_json(self):
        done = self.variform("new", "encoder", "mine", "--json")
        result = json.loads(done.stdout)
        self.assertEqual(pathlib.Path(result["folder"]), self.work / "mine")
        self.assertIn(f"-DCMAKE_PREFIX_PATH='{self.tree.prefix}'", result["commands"][1])

    def test_names_that_cannot_be(self):
        for name in ("Heavy", "heavy_tail", "2-fold", "tail-", "a--b", "é", "a/b", "a" * 41):
            done = self.variform("new", "family", name, code=2)
            self.assertRegex(done.stderr, f"^error: '{re.escape(name)}' cannot be a component's name: .* for instance heavy-tail\n$")
        done = self.variform("new", "family", "test", code=2)
        self.assertRegex(done.stderr, "^error: 'test' is the name of a build command; choose another name\n$")
        done = self.variform("new", "family", "full", code=2)
        self.assertRegex(done.stderr, "^error: there is a family 'full' already, in plugin org.variform.families; ")
        done = self.variform("new", "encoder", "mlp", code=2)
        self.assertRegex(done.stderr, "^error: there is an encoder 'mlp' already, in plugin org.variform.encoders; ")
        self.assertEqual(list(self.work.iterdir()), [])

    def test_a_folder_that_is_there(self):
        (self.work / "mine").mkdir()
        done = self.variform("new", "family", "mine", code=2)
        self.assertRegex(done.stderr, "^error: mine exists already; choose another name, or another place by --into\n$")
        self.assertEqual(list((self.work / "mine").iterdir()), [])

    def test_a_kind_that_is_none(self):
        done = self.variform("new", "families", "mine", code=2)
        self.assertRegex(done.stderr, '^error: there is no kind "families"; the kinds are encoder, decoder, family, .*\n$')
        self.assertEqual(list(self.work.iterdir()), [])


class Package(unittest.TestCase):
    """find_package(VariformSdk): the same in an installation and in the build tree."""

    @classmethod
    def setUpClass(cls):
        cls.tree = Installed(cls)
        cls.places = {"installed": (cls.tree.prefix, cls.tree.program), "build": (BUILD, BUILD / "variform")}

    def configure(self, name, text, *arguments, **variables):
        folder = self.tree.empty_folder(name)
        (folder / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(Stranger LANGUAGES CXX)\n" + text)
        return run("cmake", "-S", folder, "-B", folder / "build", *arguments, **variables)

    def test_what_it_says(self):
        text = "find_package(VariformSdk 2.0 REQUIRED)\n"
        for key in ("VERSION", "ABI", "FINGERPRINT", "PROGRAM", "TEMPLATE"):
            text += f'message(STATUS "{key}=[${{VariformSdk_{key}}}]")\n'
        text += 'message(STATUS "flags=[${CMAKE_BUILD_TYPE} ${CMAKE_CXX_FLAGS_RELEASE}]")\n'
        for place, (prefix, program) in self.places.items():
            with self.subTest(place=place):
                done = self.configure(f"says {place}", text, f"-DCMAKE_PREFIX_PATH={prefix}")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                said = dict(re.findall(r"-- (\w+)=\[(.*)\]", done.stdout))
                host = json.loads(run(program, "doctor", "--json", check=True).stdout)["host"]
                self.assertEqual(said["FINGERPRINT"], host["fingerprint"])
                self.assertEqual((said["VERSION"], said["ABI"]), (host["sdk"], host["sdk_abi"]))
                self.assertEqual(said["flags"], "Release -O2 -DNDEBUG")
                self.assertTrue(pathlib.Path(said["PROGRAM"]).samefile(program))
                self.assertTrue((pathlib.Path(said["TEMPLATE"]) / "common/CMakeLists.txt").is_file())

    def test_by_its_folder(self):
        for place, (prefix, _) in self.places.items():
            done = self.configure(f"folder {place}", "find_package(VariformSdk REQUIRED)\n",
                                  f"-DVariformSdk_DIR={prefix}/lib/cmake/VariformSdk")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_choice_of_flags_is_the_users(self):
        done = self.configure("flags", "find_package(VariformSdk REQUIRED)\nmessage(STATUS \"[${CMAKE_BUILD_TYPE}]\")\n"
                              "message(STATUS \"[${CMAKE_CXX_FLAGS_RELEASE}]\")\n", f"-DCMAKE_PREFIX_PATH={self.tree.prefix}",
                              "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_RELEASE=-O1")
        self.assertIn("-- [Debug]\n-- [-O1]", done.stdout, done.stderr)

    def test_another_libtorch_stops_it(self):
        ours = json.loads(run(self.tree.program, "doctor", "--json", check=True).stdout)["host"]["libtorch"]
        major, minor, _ = ours.split(".", 2)
        other = int(minor) - 1
        libtorch = self.tree.empty_folder("another libtorch")
        for file in ("include/ATen/core/Tensor.h", "lib/libtorch_cpu.so", "lib/libc10.so", "lib/libtorch.so"):
            (libtorch / file).parent.mkdir(parents=True, exist_ok=True)
            (libtorch / file).touch()
        header = libtorch / "include/torch/headeronly/version.h"
        header.parent.mkdir(parents=True)
        header.write_text(f"#define TORCH_VERSION_MAJOR {major}\n#define TORCH_VERSION_MINOR {other}\n#define TORCH_VERSION_PATCH 0\n")
        for place, (prefix, _) in self.places.items():
            done = self.configure(f"another {place}", "find_package(VariformSdk REQUIRED)\n", f"-DCMAKE_PREFIX_PATH={prefix}",
                                  LIBTORCH=libtorch)
            self.assertNotEqual(done.returncode, 0, done.stdout)
            sentence = (f"This Variform SDK was built with LibTorch {major}.{minor}, but '{libtorch}' is version "
                        f"{major}.{other}.0: set LIBTORCH to a LibTorch {major}.{minor}, or build Variform with yours.")
            self.assertIn(sentence, " ".join(done.stderr.split()))

    def test_a_test_that_is_not_there(self):
        done = self.configure("no test", "find_package(VariformSdk REQUIRED)\nfile(WRITE a.cpp \"\")\n"
                              "variform_add_plugin(a SOURCES a.cpp TESTS b.cpp)\n", f"-DCMAKE_PREFIX_PATH={self.tree.prefix}")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(" ".join(done.stderr.split()), r"variform_add_plugin\(a\): the test '.*/b.cpp' is not there\.")


if __name__ == "__main__":
    unittest.main()
