"""Plugins written against earlier SDKs 2.x keep compiling and working: with today's headers, which is the source promise,
and, built with the headers that were recorded with the binary interface, with today's library, which is the binary one."""

import os
import pathlib
import re
import unittest

import numpy

from installed import LIBTORCH, Installed, run

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = sorted(HERE.glob("source-*"))
NEXT = sorted(HERE.glob("next-*"))  # of the coming release; not yet kept from edits
RECORDED = sorted(HERE.glob("headers-*"))

CONFIG = """
name = "small"
[data.dataset]
name = "spots"
domain = "binary"
[data.dataset.splits.train]
x = "images.npy"
labels = "labels.npy"
rows = [0, 96]
[data.dataset.splits.test]
x = "images.npy"
labels = "labels.npy"
rows = [96, 128]
[model]
latent = 3
encoder = { type = "mlp", hidden = [8] }
decoder = { type = "mlp", hidden = [8] }
family = { type = "diagonal" }
prior = { type = "gaussian" }
likelihood = { type = "gaussian" }
[objective]
type = "beta-vae"
beta = 0.5
[train]
steps = 3
batch = 16
threads = 1
device = "cpu"
"""
# The same with another data set: of a file that a plugin reads, and of images of which some values are missing.
OF_A_FILE = '[data]\ndataset = "table.source20"\ntest = 0.25\n'
TABLE = re.sub(r"\[data\.dataset\].*?(?=\[model\])", OF_A_FILE, CONFIG, flags=re.S)
HOLES = CONFIG.replace('labels = "labels.npy"', 'labels = "labels.npy"\nmask = "mask.npy"')
CONFIGS = {"small.toml": CONFIG, "table.toml": TABLE, "holes.toml": HOLES}
CONDITIONED = ["data.condition=labels", 'model.encoder={type="source-told", condition=true}',
               'model.decoder={type="source-telling", condition=true}']
# What is swapped into a config ("small.toml" where none is named): every component, in combinations that strain what
# passes between them. By release.
TRAININGS = {"2.0": {
    "encoder perceptron": ['model.encoder={type="source-perceptron", normalisation="layer"}'],
    "encoder affine": ['model.encoder={type="source-affine"}'],
    "decoder of layers, by its curvature": ['model.decoder={type="source-grown", output="sigmoid"}', 'objective={type="source-curved"}'],
    "decoder by hand, by its curvature": ['model.decoder={type="source-hand"}', 'objective={type="source-curved", structure="diagonal"}'],
    "decoder without pushforward, by its curvature": ['model.decoder={type="source-plain"}', 'objective={type="source-curved"}'],
    "decoder around another": ['model.decoder={type="source-turned", of={type="source-hand"}}', 'objective={type="grae-approx"}'],
    "decoder around a stock one": ['model.decoder={type="source-turned", of={type="mlp", hidden=[8]}}'],
    "family laplace": ['model.family={type="source-laplace"}', 'objective={type="source-sampled", draws=2}'],
    "family blocks": ['model.family={type="source-blocks"}', 'model.prior={type="source-wide"}'],
    "family on an interval": ['model.family={type="source-logit-normal"}', 'model.prior={type="source-cube"}'],
    "family of one variance, by its curvature": ['model.family={type="source-tied"}', 'objective={type="source-stiff"}'],
    "family of secants": ['model.family={type="source-secant"}'],
    "prior logistic": ['model.prior={type="source-logistic"}'],
    "prior of the model's own": ['model.prior={type="source-mixture"}'],
    "likelihood poisson": ['model.likelihood={type="source-poisson"}'],
    "likelihood of two outputs, by its curvature": ['model.likelihood={type="source-spread"}', 'objective={type="source-curved"}'],
    "objective with a schedule": ['objective={type="source-sampled", closed=false, beta={schedule="linear", from=0.1, to=1.0, steps=2}}'],
    "objective with an adversary": ['objective={type="source-deceived"}'],
    "normalised convolutions": ['model.encoder={type="source-halving", normalisation="spectral"}',
                                'model.decoder={type="source-doubling", normalisation="spectral"}', 'objective={type="grae"}'],
    "normalised affine map": ['model.decoder={type="source-short"}'],
    "decoder with inner products by hand": ['model.decoder={type="source-flat"}', 'objective={type="grae"}'],
    "layers with slopes": ['model.decoder={type="source-bent"}', 'objective={type="grae"}', 'model.likelihood={type="source-one-variance"}'],
    "network with a pushforward of its own": ['model.decoder={type="source-doubled"}', 'objective={type="grae-approx"}'],
    "decoder of fewer latents": ['model.decoder={type="source-first", of={type="source-hand"}}',
                                 'objective={type="grae-approx"}'],
    "networks with a condition": CONDITIONED,
    "prior with a condition": [*CONDITIONED, 'model.prior={type="source-guided"}'],
    "likelihood of observed values": ["holes.toml", "data.missing=mask", 'model.likelihood={type="source-patchy"}'],
    "levels": ['model.family={type="source-steps"}', 'model.prior={type="source-stairs"}'],
    "levels of the family alone": ['model.family={type="source-steps", levels=[1, 2]}'],
    "a file of one's own": ["table.toml"],
    "a file of one's own that stays on the disk": ["table.toml", "data.stream=true", "name=streamed"],
}}
# Metrics, and a quantity of each, that an evaluation of one of these models is asked for.
METRICS = {"2.0": {"source-cloud": "source_cloud", "source-offset": "source_offset"}}


def version(folder):
    """2.1 of source-2.1, next-2.1 and headers-2.1."""
    return folder.name.partition("-")[2]


def release(folder):
    return tuple(int(part) for part in version(folder).split("."))


def write_data(folder):
    random = numpy.random.default_rng(1)
    numpy.save(folder / "images.npy", (random.random((128, 8, 8)) < 0.3).astype(numpy.uint8))
    numpy.save(folder / "labels.npy", numpy.arange(128) % 3)
    numpy.save(folder / "mask.npy", random.random((128, 8, 8)) < 0.8)
    table = random.normal(size=(64, 5)).astype(numpy.float32)
    sizes = numpy.array(table.shape, numpy.int64)
    (folder / "table.source20").write_bytes(b"SOURCE20" + sizes.tobytes() + table.tobytes())
    for name, text in CONFIGS.items():
        (folder / name).write_text(text)


class Plugins:
    """What is asked of each source-2.x; the two classes below say of which, and with which headers."""
    sources = SOURCES

    def options(self, source):
        """What CMake is told besides."""
        return []

    def build(self, source):
        build = self.tree.folder / source.name
        run("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.tree.prefix}",
            f"-DLIBTORCH={LIBTORCH}", *self.options(source), check=True)
        run("cmake", "--build", build, check=True)
        return build

    def test_builds_loads_conforms_and_trains(self):
        for source in self.sources:
            build = self.build(source)
            plugin, = build.glob("*.so")
            self.look(source, build)
            # A patch release of LibTorch is not in the manifest, and so no reason to refuse.
            self.assertRegex(plugin.read_bytes(), rb"\nlibtorch: \d+\.\d+\n")
            listed = self.tree.variform("list", folder=build, VARIFORM_PLUGIN_PATH=build).stdout
            for component in re.findall(r'component<\w+>\("([^"]+)"', "".join(f.read_text() for f in source.glob("*.cpp"))):
                self.assertIn(f"{component} ", listed)
            with self.subTest("check", source=source.name):
                done = self.tree.variform("check", plugin, folder=build, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            write_data(build)
            self.train(source, build)
            self.measure(source, build)

    def train(self, source, build):
        for name, given in TRAININGS[version(source)].items():
            config, overrides = (given[0], given[1:]) if given[0] in CONFIGS else ("small.toml", given)
            with self.subTest(name, source=source.name):
                done = self.tree.variform("train", config, "--no-figures", *overrides, folder=build, check=False,
                                          VARIFORM_PLUGIN_PATH=build)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def measure(self, source, build):
        run_folder = self.tree.variform("train", "small.toml", "--no-figures", "--quiet", "name=measured", folder=build,
                                        VARIFORM_PLUGIN_PATH=build).stdout.strip()
        for metric, quantity in METRICS[version(source)].items():
            with self.subTest(metric, source=source.name):
                done = self.tree.variform("evaluate", run_folder, "--only", metric, folder=build, check=False,
                                          VARIFORM_PLUGIN_PATH=build)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertRegex(done.stdout, rf"(?m)^{quantity} +\d")

    def look(self, source, build):
        """Holds the build against what it should be."""


class TodaysHeaders(Plugins, unittest.TestCase):
    """Those of releases, and those of the next one, which are compiled with these headers alone."""
    sources = SOURCES + NEXT

    @classmethod
    def setUpClass(cls):
        cls.tree = Installed(cls)

    def look(self, source, build):
        """The author's own tests, too."""
        done = run("ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error", "-E", "check$")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


@unittest.skipUnless(SOURCES and RECORDED, "no release with this binary interface yet")
class RecordedHeaders(Plugins, unittest.TestCase):
    """The oldest recorded ones that have all that the source uses. -I comes before the -isystem of the installed package."""

    @classmethod
    def setUpClass(cls):
        cls.tree = Installed(cls)

    def headers(self, source):
        return min((h for h in RECORDED if release(h) >= release(source)), key=release)

    def options(self, source):
        return [f"-DCMAKE_CXX_FLAGS=-I{self.headers(source)}"]

    def look(self, source, build):
        read = run("ninja", "-C", build, "-t", "deps", check=True).stdout
        self.assertIn(str(self.headers(source) / "variform/plugin.h"), read)
        self.assertNotIn(str(self.tree.prefix / "include"), read)


if __name__ == "__main__":
    unittest.main()
