"""An installed tree, moved to a folder with a blank in its name, for the tests that use Variform as a stranger would:
nothing of the checkout, of the build tree or of the tests' own environment is visible to what they run."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
LIBTORCH = pathlib.Path(os.environ["VARIFORM_LIBTORCH"])


def run(*command, folder=None, check=False, **variables):
    """Runs a command in `folder`; `check`: it must succeed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("VARIFORM_", "LIBTORCH"))}
    environment.update({k: str(v) for k, v in variables.items()})
    done = subprocess.run([str(c) for c in command], cwd=folder, env=environment, capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


class Installed:
    """Use in setUpClass: `cls.tree = Installed(cls)`."""

    def __init__(self, test_class):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="variform-installed-"))
        test_class.addClassCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        first = self.folder / "first place"
        run("cmake", "--install", BUILD, "--prefix", first, check=True)
        self.prefix = self.folder / "second place"
        first.rename(self.prefix)
        self.program = self.prefix / "bin/variform"

    def empty_folder(self, name):
        folder = self.folder / name
        folder.mkdir()
        return folder

    def variform(self, *arguments, folder, check=True, **variables):
        return run(self.program, *arguments, folder=folder, check=check, OMP_NUM_THREADS=1, **variables)

    def build(self, source, build=None):
        """Configures and builds a project of plugins as its author would."""
        build = build or source / "build"
        run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", check=True)
        run("cmake", "--build", build, check=True)
        return build

    def files(self):
        """What is in the tree, with times: to see that nothing was rebuilt."""
        return {path: path.stat().st_mtime_ns for path in self.prefix.rglob("*") if path.is_file()}


def evaluation(run_folder, split="test"):
    return json.loads((run_folder / f"evaluation-{split}.json").read_text())["values"]
