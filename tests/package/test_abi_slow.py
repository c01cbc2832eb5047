"""The binary interface is the recorded one while VARIFORM_SDK_ABI stands, and the comparison sees what breaks plugins.

The proofs compile a changed copy of the SDK: one with a change of each kind that must be seen, one with none.
"""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])

# Breaks plugins: (file, text, its replacement, what the report must name).
BREAKING = [
    ("family.h", "  virtual int64_t parameter_count(int64_t d) const = 0;",
     "  virtual int more() const { return 1; }\n  virtual int64_t parameter_count(int64_t d) const = 0;",
     "the vtable offset of method virtual int64_t variform::v2::VariationalFamily::parameter_count(int64_t) const changed"),
    ("ext/posterior.h", "  virtual Tensor entropy() const = 0;", "  virtual int more() const { return 1; }\n  virtual Tensor entropy() const = 0;",
     "ClosedEntropy"),
    ("family.h", "struct Draw {\n", "struct Draw {\n  Tensor first;\n", "'at::Tensor first', at offset 0"),
    ("likelihood.h", "enum class Domain { kReal,", "enum class Domain { kReal, kPositive,", "'variform::v2::Domain::kBinary' from value"),
    ("likelihood.h", "diagonal_curvature_form(const Tensor& t, const Tensor& weight);",
     "diagonal_curvature_form(const Tensor& t, const Tensor& weight, bool twice);", "Removed function"),
    ("schema.h", "kMaxChoices = 16;", "kMaxChoices = 20;", "variform::v2::Parameter"),
    ("ext/prior.h", "virtual int moments_needed()", "virtual int64_t moments_needed()",
     "'method virtual int variform::v2::MomentsNeeded::moments_needed() const' has some sub-type changes"),
    ("component.h", "  int64_t latent = 0; ", "  int64_t more = 0;\n  int64_t latent = 0; ", "'int64_t more'"),
    ("../../src/component.cpp", "diagonal_curvature_form(const Tensor& t, const Tensor& weight) {",
     "diagonal_curvature_form(const Tensor& t, const Tensor& weight, bool) {", ""),
]
# Harms no plugin that was built before.
HARMLESS = [
    ("likelihood.h", "VARIFORM_API Tensor diagonal_curvature_form(",
     "VARIFORM_API Tensor more(const Tensor& t);\nVARIFORM_API Tensor diagonal_curvature_form("),
    ("../../src/component.cpp", "Tensor diagonal_curvature_form(",
     "Tensor more(const Tensor& t) { return t; }\nTensor diagonal_curvature_form("),
    ("covariance.h", "  /// d.\n  int64_t dimension() const;", "  int64_t dimension() const;\n  int64_t twice() const { return 2 * dimension(); }"),
    ("ext/prior.h", "/// A Gaussian prior. Needed by", "class Tempered {\n public:\n  static constexpr std::string_view kId = \"t/1\";\n"
     "  virtual double temperature() const = 0;\n\n protected:\n  ~Tempered() = default;\n};\n\n/// A Gaussian prior. Needed by"),
    ("../../src/model.cpp", "Tensor Model::decode(const Tensor& z, const Context& context) {\n",
     "Tensor Model::decode(const Tensor& z, const Context& context) {\n  in(*this, Kind::kDecoder, \"nothing\", [] { return 0; });\n"),
]


def load_abi():
    sys.dont_write_bytecode = True
    specification = importlib.util.spec_from_file_location("abi", SOURCE / "sdk/abi/abi.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


abi = load_abi()


class Abi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="variform-abi-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # The unchanged copy too is compared as a copy, with itself recorded: the proofs do not depend on the record.
        cls.base, cls.libtorch = cls.interface("base", [])

    @classmethod
    def copy(cls, name, changes):
        tree = cls.folder / name
        shutil.copytree(SOURCE / "sdk", tree / "sdk")
        for file, text, replacement, *_ in changes:
            path = tree / "sdk/include/variform" / file
            before = path.read_text()
            if before.count(text) != 1:
                raise AssertionError(f"{file} has {before.count(text)} times '{text}'; the test expects it once")
            path.write_text(before.replace(text, replacement))
        return tree

    @classmethod
    def interface(cls, name, changes):
        tree = cls.copy(name, changes)
        return abi.interface(BUILD, tree / "sdk", tree)

    def test_the_interface_is_the_recorded_one(self):
        record, recorded = abi.read_record(SOURCE)
        self.assertEqual(record["abi"], abi.abi_integer(SOURCE / "sdk"),
                         f"VARIFORM_SDK_ABI moved: record the interface with {abi.RECORD_COMMAND}")
        if self.libtorch != record["libtorch"]:
            self.skipTest(f"recorded with LibTorch {record['libtorch']}, this build has {self.libtorch}")
        changes = abi.differences(recorded, self.base)
        if changes:
            self.fail(abi.sentence(changes, record["abi"]))

    def test_every_ability_is_recorded_whole(self):
        """An abstract class that nothing derives from has its functions in the record, not its name alone."""
        text = abi.read_record(SOURCE)[1].read_text()
        for header in sorted((SOURCE / "sdk/include").rglob("*.h")):
            for name in re.findall(r"(?m)^class (?:VARIFORM_API )?(\w+)[^;{]*\{[^}]*?std::string_view kId =", header.read_text()):
                with self.subTest(ability=name):
                    self.assertRegex(text, rf"<class-decl name=[\"']{name}[\"'] (?![^>]*is-declaration-only=.yes)[^>]*>")

    def test_what_breaks_plugins_is_seen(self):
        found, _ = self.interface("breaking", BREAKING)
        report = abi.differences(self.base, found)
        for file, _, replacement, said in BREAKING:
            with self.subTest(file=file, change=replacement):
                self.assertIn(said, report)

    def test_what_harms_no_plugin_is_not(self):
        found, _ = self.interface("harmless", HARMLESS)
        self.assertEqual(abi.differences(self.base, found), "")

    def test_a_moved_integer_wants_a_new_record(self):
        number = abi.abi_integer(SOURCE / "sdk")
        tree = self.copy("moved", [("manifest.h", f"#define VARIFORM_SDK_ABI {number}\n", "#define VARIFORM_SDK_ABI 99\n")])
        done = subprocess.run([sys.executable, SOURCE / "sdk/abi/abi.py", "check", "--build", BUILD, "--tree", tree],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"VARIFORM_SDK_ABI is 99, but the recorded interface is that of \d+: record it again "
                                      r"with sdk/abi/abi.py record --build build/release --release MAJOR.MINOR, and "
                                      r"rebuild every plugin\n$")

    def test_recorded_headers_are_of_the_recorded_interface(self):
        record, _ = abi.read_record(SOURCE)
        for folder in (SOURCE / "tests/package").glob("headers-*"):  # none before the first release of the integer
            with self.subTest(folder.name):
                self.assertEqual(abi.abi_integer(folder, "variform"), record["abi"])
                version = re.search(r'VARIFORM_SDK_VERSION "(\d+\.\d+)\.', (folder / "variform/manifest.h").read_text())
                self.assertEqual(f"headers-{version.group(1)}", folder.name)


if __name__ == "__main__":
    if not shutil.which("abidiff"):
        print("abidiff is missing; install abigail-tools")
        sys.exit(77)
    unittest.main()
