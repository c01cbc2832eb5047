"""The SDK grows without a rebuild: a later SDK, with an ability and a kind more, loads a plugin built with today's headers,
which conforms and trains; and today's program loads a plugin built with the later headers. The integer stays the same."""

import importlib.util
import os
import pathlib
import shutil
import sys
import unittest

import numpy

from installed import LIBTORCH, Installed, run

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])

ABILITY = """#pragma once
#include <variform/prior.h>
namespace variform {
inline namespace v2 {
class Tempered {
 public:
  static constexpr std::string_view kId = "variform.tempered/1";
  virtual double temperature() const = 0;

 protected:
  ~Tempered() = default;
};
}  // namespace v2
}  // namespace variform
"""
# The later SDK: (file, text, its replacement). Its model says that it has found the new ability.
GROWTH = [
    ("include/variform/schema.h", "  kReader,\n", "  kReader,\n  kSampler,\n"),
    ("include/variform/schema.h", "kKinds + 2> kComponentKinds", "kKinds + 3> kComponentKinds"),
    ("include/variform/schema.h", "Kind::kReader};", "Kind::kReader, Kind::kSampler};"),
    ("include/variform/schema.h", '"reader"};', '"reader", "sampler"};'),
    ("include/variform/manifest.h", 'VARIFORM_SDK_VERSION "2.0.0"', 'VARIFORM_SDK_VERSION "2.1.0"'),
    ("src/model.cpp", "#include <variform/host.h>\n", "#include <variform/ext/tempered.h>\n#include <variform/host.h>\n"),
    ("src/model.cpp", "Tensor Model::log_prior(const Tensor& z, const Context& context) {\n",
     "Tensor Model::log_prior(const Tensor& z, const Context& context) {\n"
     '  if (const auto* known = variform::ability<Tempered>(prior()))\n'
     '    throw Error("the later SDK found the temperature " + std::to_string(known->temperature()));\n'),
]
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(growth LANGUAGES CXX)
find_package(VariformSdk REQUIRED)
variform_add_plugin({name} SOURCES {name}.cpp)
"""
OLD = """#include <variform/plugin.h>
#include <ATen/ATen.h>
namespace {
class Wide final : public variform::Prior {
 public:
  explicit Wide(const variform::Build& build) : latent_(build.latent), options_(build.options) {}
  at::Tensor log_prob(const at::Tensor& z, const variform::Context&) override {
    return (-0.125 * z.square() - 1.6120857137646180).sum(-1);  // N(0, 4)
  }
  at::Tensor sample(int64_t n, at::Generator& rng, const variform::Context&) override {
    return 2 * at::randn({n, latent_}, rng, options_);
  }

 private:
  int64_t latent_;
  at::TensorOptions options_;
};
}  // namespace
VARIFORM_PLUGIN("org.example.old", "1.0.0", variform::component<Wide>("old", "N(0, 4).", "no paper"))
"""
NEW = (OLD.replace("#include <variform/plugin.h>", "#include <variform/plugin.h>\n#include <variform/ext/tempered.h>")
       .replace("public variform::Prior {", "public variform::With<variform::Prior, variform::Tempered> {")
       .replace(" private:\n", "  double temperature() const override { return 2; }\n\n private:\n", 1)
       .replace("}  // namespace\n", """class Sampler final : public variform::Component {
 public:
  static constexpr variform::Kind kKind = variform::Kind::kSampler;
  explicit Sampler(const variform::Build&) {}
};
}  // namespace
""").replace("org.example.old", "org.example.new").replace('("old"', '("new"')
       .replace('"no paper"))', '"no paper"),\n    variform::component<Sampler>("walk", "Of a kind to come.", "no paper"))'))
CONFIG = """name = "small"
[data.dataset]
name = "spots"
[data.dataset.splits.train]
x = "images.npy"
[model]
latent = 3
encoder = { type = "mlp", hidden = [8] }
decoder = { type = "mlp", hidden = [8] }
family = { type = "diagonal" }
prior = { type = "PRIOR" }
likelihood = { type = "gaussian" }
[objective]
type = "beta-vae"
[train]
steps = 3
batch = 16
threads = 1
device = "cpu"
"""


def abi_tools():
    sys.dont_write_bytecode = True
    specification = importlib.util.spec_from_file_location("abi", SOURCE / "sdk/abi/abi.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Growth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = Installed(cls)
        cls.library = next((cls.tree.prefix / "lib").rglob("libvariform-sdk.so"))
        cls.later = cls.tree.folder / "later"
        shutil.copytree(SOURCE / "sdk", cls.later)
        (cls.later / "include/variform/ext/tempered.h").write_text(ABILITY)
        for file, text, replacement in GROWTH:
            path = cls.later / file
            before = path.read_text()
            if before.count(text) != 1:
                raise AssertionError(f"{file} has {before.count(text)} times '{text}'; the test expects it once")
            path.write_text(before.replace(text, replacement))
        cls.old = cls.plugin("old", OLD)
        cls.new = cls.plugin("new", NEW, f"-DCMAKE_CXX_FLAGS=-I{cls.later / 'include'}")

    @classmethod
    def plugin(cls, name, text, *options):
        folder = cls.tree.empty_folder(name)
        (folder / "CMakeLists.txt").write_text(PROJECT.format(name=name))
        (folder / f"{name}.cpp").write_text(text)
        run("cmake", "-S", folder, "-B", folder, f"-DCMAKE_PREFIX_PATH={cls.tree.prefix}", f"-DLIBTORCH={LIBTORCH}",
            "-DVARIFORM_PLUGIN_PCH=OFF", *options, check=True)
        run("cmake", "--build", folder, check=True)
        numpy.save(folder / "images.npy", numpy.random.default_rng(1).random((64, 8, 8), dtype=numpy.float32))
        (folder / "small.toml").write_text(CONFIG.replace("PRIOR", name))
        return folder / f"{name}.so"

    def train(self, plugin):
        return self.tree.variform("train", "small.toml", "--no-figures", "--no-check", folder=plugin.parent, check=False,
                                  VARIFORM_PLUGIN_PATH=plugin.parent)

    def check(self, plugin, name):
        done = self.tree.variform("check", plugin, "--component", name, folder=plugin.parent, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_todays_program_takes_a_plugin_of_a_later_sdk(self):
        self.check(self.new, "prior:new")
        done = self.train(self.new)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_later_sdk_takes_a_plugin_of_today(self):
        before = self.library.read_bytes()
        abi = abi_tools()
        self.assertEqual(abi.abi_integer(self.later), abi.abi_integer(SOURCE / "sdk"))
        built, _ = abi.library(BUILD, self.later, self.tree.empty_folder("whole"))
        shutil.copy(built, self.library)
        try:
            self.check(self.old, "prior:old")
            done = self.train(self.old)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            found = self.train(self.new)
            self.assertNotEqual(found.returncode, 0)
            self.assertIn("the later SDK found the temperature 2", found.stdout + found.stderr)
        finally:
            self.library.write_bytes(before)


if __name__ == "__main__":
    unittest.main()
