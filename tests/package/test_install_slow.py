"""The installed tree: it starts from any place, says where LibTorch is missing, and serves a stranger's plugin."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
LIBTORCH = pathlib.Path(os.environ["VARIFORM_LIBTORCH"])


def run(*command, **variables):
    """Runs a command without what the test's own environment says about Variform."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("VARIFORM_", "LIBTORCH"))}
    environment.update(variables)
    return subprocess.run([str(c) for c in command], env=environment, capture_output=True, text=True)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="variform-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        first = cls.folder / "first place"
        done = run("cmake", "--install", BUILD, "--prefix", first)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        cls.prefix = cls.folder / "second place"
        first.rename(cls.prefix)
        cls.program = cls.prefix / "bin/variform"

    def with_built_path(self, path):
        """A second command whose configured LibTorch is `path`."""
        text = self.program.read_text()
        changed = re.sub("^built_with=.*$", f"built_with='{path}'", text, flags=re.M)
        self.assertNotEqual(text, changed)
        other = self.prefix / "bin/variform-elsewhere"
        other.write_text(changed)
        other.chmod(0o755)
        return other

    def test_moved_tree_works(self):
        done = run(self.program, "list")
        self.assertEqual(done.returncode, 0, done.stderr)
        for component in ("beta-vae", "diagonal", "mlp", "gaussian"):
            self.assertIn(component, done.stdout)

    def test_python(self):
        """The package finds the library, the stock plugins and the program of its own tree."""
        script = "import variform, variform._program as p; print(p.run(['list', 'family'], False)); variform.load('nowhere')"
        done = run(sys.executable, "-c", script, PYTHONPATH=self.prefix / "share/variform/python")
        self.assertIn("family:diagonal", done.stdout, done.stderr)
        self.assertIn("there is no run or checkpoint nowhere", done.stderr)

    def test_through_a_link(self):
        link = self.folder / "link"
        link.symlink_to(self.program)
        self.assertEqual(run(link, "list").returncode, 0)

    def test_no_path_of_the_build_machine(self):
        files = list(self.prefix.glob("lib/**/*.so")) + [self.prefix / "libexec/variform/variform"]
        self.assertGreater(len(files), 6)
        for file in files:
            dynamic = run("readelf", "-d", file).stdout
            paths = re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic)
            expected = ["$ORIGIN/../../lib"] if file.parent.name == "variform" and file.suffix == "" else []
            if file.name == "libvariform_python.so":
                expected = ["$ORIGIN"]
            self.assertEqual(paths, expected, file)

    def test_plugins_export_one_symbol(self):
        plugins = list(self.prefix.glob("lib/variform/plugins/*.so"))
        self.assertGreaterEqual(len(plugins), 6)
        for plugin in plugins:
            symbols = run("nm", "-D", "--defined-only", plugin).stdout.split("\n")
            self.assertEqual([s.split()[2] for s in symbols if s], ["variform_plugin"], plugin)

    def test_wrong_libtorch_is_said(self):
        done = run(self.program, "list", LIBTORCH="/nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^variform: LIBTORCH=/nowhere is not a LibTorch folder, it has no lib/libtorch_cpu.so")
        self.assertEqual(done.stderr.count("\n"), 1)

    def test_libtorch_of_another_version_is_said(self):
        other = self.folder / "libtorch"
        (other / "lib").mkdir(parents=True)
        (other / "lib/libtorch_cpu.so").touch()
        (other / "include/torch/headeronly").mkdir(parents=True)
        (other / "include/torch/headeronly/version.h").write_text(
            "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 7\n#define TORCH_VERSION_PATCH 1\n")
        done = run(self.program, "list", LIBTORCH=other)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is version 2.7; set it to a LibTorch 2.", done.stderr)

    def test_missing_libtorch_is_said(self):
        done = run(self.with_built_path("/nowhere"), "list")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^variform: LibTorch 2\.\d+ was not found, .* set LIBTORCH to the folder")

    def test_order_of_places(self):
        command = self.with_built_path("/nowhere")
        self.assertEqual(run(command, "list", LIBTORCH=LIBTORCH).returncode, 0)
        bundle = self.prefix / "lib/variform/libtorch"
        bundle.symlink_to(LIBTORCH / "lib")
        self.addCleanup(bundle.unlink)
        self.assertEqual(run(command, "list").returncode, 0)
        self.assertEqual(run(command, "list", LIBTORCH="/nowhere").returncode, 1)

    def test_a_plugin_from_outside(self):
        source, build = pathlib.Path(__file__).parent / "outside", self.folder / "outside"
        for step in (["-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                      f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DLIBTORCH={LIBTORCH}"], ["--build", build]):
            done = run("cmake", *step)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = run(self.program, "list", "prior", VARIFORM_PLUGIN_PATH=build)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("cube", done.stdout)


if __name__ == "__main__":
    unittest.main()
