"""The wheel of `./variform wheel`, made from this build folder: its tag, what is in it, and a stranger's session in an
environment where it is installed by pip. PyTorch is that of the tests, by a .pth file, since downloading it takes long;
tests/package/clean_root.sh does all of it in a fresh Debian."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

from installed import BUILD, LIBTORCH, run

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
VERSION = re.search(r"project\(Variform VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text())[1]


class Environment:
    """A virtual environment without pip. with_torch: it sees the tests' PyTorch; version: of a torch package that is a fake."""

    def __init__(self, folder, wheel, with_torch=True, version=None):
        run(sys.executable, "-m", "venv", "--without-pip", folder, check=True)
        self.python, self.program = folder / "bin/python", folder / "bin/variform"
        self.packages = next(folder.glob("lib/python3*/site-packages"))
        run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.python, "install", "--no-deps", "--no-index",
            "--no-compile", wheel, check=True)
        if with_torch:
            (self.packages / "tests.pth").write_text(f"{LIBTORCH.parent}\n")
        if version:
            (self.packages / "torch").mkdir()
            (self.packages / "torch/__init__.py").touch()
            (self.packages / "torch/version.py").write_text(f"__version__ = '{version}'\n")


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="variform-wheel-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        out = cls.folder / "dist"
        printed = run(sys.executable, SOURCE / "python/wheel/build.py", "--build", BUILD, "--out", out, "--sdist", check=True).stdout
        cls.wheel, cls.sdist = (pathlib.Path(line) for line in printed.splitlines()[-2:])
        cls.names = zipfile.ZipFile(cls.wheel).namelist()
        cls.environment = Environment(cls.folder / "environment", cls.wheel)
        cls.minor = re.search(r"^minor='(.*)'$", (BUILD / "core/launcher/variform").read_text(), re.M)[1]

    def member(self, pattern):
        found = [name for name in self.names if re.search(pattern, name)]
        self.assertEqual(len(found), 1, (pattern, found))
        return found[0]

    def session(self, *command, check=True, **variables):
        return run(*command, folder=self.folder, check=check, OMP_NUM_THREADS=1, **variables)

    def test_tag(self):
        self.assertEqual(self.wheel.name, f"variform-{VERSION}-py3-none-manylinux_2_34_x86_64.whl")
        shown = " ".join(self.session(sys.executable, "-m", "auditwheel", "show", self.wheel).stdout.split())
        constrained = re.search(r'constrains the platform tag to "manylinux_2_(\d+)_x86_64"', shown)
        self.assertTrue(constrained, shown)
        self.assertLessEqual(int(constrained[1]), 34)

    def test_requirement(self):
        metadata = zipfile.ZipFile(self.wheel).read(self.member(r"dist-info/METADATA$")).decode()
        self.assertIn(f"\nRequires-Dist: torch=={self.minor}.*\n", metadata)
        self.assertIn(f"\nVersion: {VERSION}\n", metadata)
        self.assertIn(f"variform {VERSION} ", self.session(self.environment.program, "--version").stdout)

    def test_contents(self):
        tree = f"variform/torch-{self.minor}"
        for name in ("bin/variform", "libexec/variform/variform", "lib/libvariform_python.so", "lib/cmake/VariformSdk/VariformSdkConfig.cmake",
                     "include/variform/plugin.h", "lib/variform/plugins/variform-families.so", "share/variform/configs/quickstart.toml",
                     "share/variform/datasets/fashion-mnist.toml", "share/variform/template/common/CMakeLists.txt"):
            self.assertIn(f"{tree}/{name}", self.names)
        self.member(r"^variform\.libs/libhdf5_serial-")
        for name in self.names:  # LibTorch is the environment's; HDF5's curl is a stand-in, and what curl would need is not there
            self.assertNotRegex(name, r"libtorch(_|\.)|libc10|libgomp|libssl|libldap|libgnutls|libkrb5|__pycache__|share/variform/(libtorch|docs)")

    def test_libraries_are_found_in_the_wheel(self):
        installed = self.environment.packages
        self.assertLess((installed / self.member(r"libcurl")).stat().st_size, 30_000)
        binaries = [path for path in installed.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
        self.assertGreater(len(binaries), 30)
        for path in binaries:
            for where in re.findall(r"R(?:UN)?PATH.*\[(.*)\]", run("readelf", "-d", path).stdout):
                for each in where.split(":"):
                    self.assertRegex(each, r"^\$ORIGIN", path)
                    self.assertTrue(path.parent.joinpath(each.replace("$ORIGIN", ".")).is_dir(), (path, each))

    def test_session(self):
        trained = self.session(self.environment.program, "train", "quickstart", "train.steps=20", "--no-figures")
        script = "import sys, variform; run = variform.load(sys.argv[1]); print(run.step, tuple(run.sample(2, seed=1).shape))"
        loaded = self.session(self.environment.python, "-c", script, trained.stdout.strip().splitlines()[-1])
        self.assertEqual(loaded.stdout.strip(), "20 (2, 1, 28, 28)", loaded.stderr)
        script = "import variform; print(variform.train('quickstart', {'train.steps': 2}, progress=False, no_figures=True))"
        self.assertIn("quickstart at step 2", self.session(self.environment.python, "-c", script).stdout)
        script = "import sys, variform, variform._command; print('torch' in sys.modules, sorted(set(variform.__all__) - set(dir(variform))))"
        self.assertEqual(self.session(self.environment.python, "-c", script).stdout.strip(), "False []")

    def test_stock_plugins_are_taken(self):
        doctor = self.session(self.environment.program, "doctor")
        self.assertNotIn("refused:", doctor.stdout + doctor.stderr)
        self.assertIn("metric", self.session(self.environment.program, "list").stdout)
        metrics = self.environment.packages / self.member(r"variform-metrics\.so$")  # with libraries that the wheel brings along
        self.session(self.environment.program, "check", metrics, "--filter", "flags")

    def test_missing_data_are_said(self):
        done = self.session(self.environment.program, "train", "configs/models/celeba_conv.toml", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "name the folder that holds .* with --data or VARIFORM_DATA")

    def test_another_torch_is_said(self):
        other = Environment(self.folder / "other", self.wheel, with_torch=False, version="2.7.1+cpu")
        done = self.session(other.program, "list", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"variform: this wheel is for torch {self.minor}, and this environment has torch 2.7; "
                                      f"install torch=={self.minor}.*\n")
        none = Environment(self.folder / "none", self.wheel, with_torch=False)
        done = self.session(none.program, "list", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"^variform: LibTorch {re.escape(self.minor)} was not found, neither in \S+ nor in this Python environment; "
                                      rf"install torch=={re.escape(self.minor)}\.\* there, or set LIBTORCH to the folder")

    def test_another_build_is_said(self):
        build = self.folder / "build"
        (build / "core/launcher").mkdir(parents=True)
        for text, sentence in ((None, "is not a build folder of Variform"),
                               ("minor='2.7'\n", f"is for LibTorch 2.7, and pyproject.toml makes a wheel for {self.minor}.")):
            if text:
                (build / "core/launcher/variform").write_text(text)
                (build / "CMakeCache.txt").write_text("VARIFORM_HDF5_LIBRARY:FILEPATH=/lib/x86_64-linux-gnu/libc.so.6\n")
            done = self.session(sys.executable, SOURCE / "python/wheel/build.py", "--build", build, "--out", self.folder / "none-made",
                                check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(sentence, done.stderr)

    def test_a_family_configures(self):
        prefix = self.session(self.environment.program, "--cmake-prefix").stdout.strip()
        self.assertEqual(self.session(self.environment.python, "-m", "variform.cmake_prefix_path").stdout.strip(), prefix)
        printed = self.session(self.environment.program, "new", "family", "mine").stdout
        self.assertIn(f"-DCMAKE_PREFIX_PATH={prefix}", printed)
        # Beside the package, where pip puts it, torch is found without being named.
        (self.environment.packages / "torch").symlink_to(LIBTORCH)
        self.addCleanup((self.environment.packages / "torch").unlink)
        self.session("cmake", "-S", self.folder / "mine", "-B", self.folder / "mine/build", f"-DCMAKE_PREFIX_PATH={prefix}")
        cache = (self.folder / "mine/build/CMakeCache.txt").read_text()
        self.assertIn(f"VariformSdk_DIR:PATH={prefix}/lib/cmake/VariformSdk", cache)
        self.assertRegex(cache, rf"LIBTORCH:PATH={re.escape(str(LIBTORCH.resolve()))}\n")

    def test_sdist_configures(self):
        with tarfile.open(self.sdist) as archive:
            archive.extractall(self.folder / "sdist", filter="data")
        source = self.folder / "sdist" / f"variform-{VERSION}"
        build = self.folder / "sdist/build"
        self.session("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DLIBTORCH={LIBTORCH}", "-DSKBUILD=2")
        self.assertIn("VARIFORM_TESTS:BOOL=OFF", (build / "CMakeCache.txt").read_text())
        rules = (build / "build.ninja").read_text()
        for product in ("variform", "lib/libvariform_python.so", "plugins/variform-metrics.so"):
            self.assertRegex(rules, rf"(?m)^build {re.escape(product)}[ :]")


if __name__ == "__main__":
    unittest.main()
