"""The SDK's documentation is complete and is what the headers say: Doxygen finds nothing public without a comment, and
the reference in docs/sdk.md is the one that docs/update_sdk.py makes. What the comments must say: test_contracts.py."""

import importlib.util
import os
import pathlib
import re
import shutil
import sys
import unittest

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])


def load():
    sys.dont_write_bytecode = True
    specification = importlib.util.spec_from_file_location("update_sdk", SOURCE / "docs/update_sdk.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


update_sdk = load()


class Sdk(unittest.TestCase):
    def test_everything_public_has_a_comment(self):
        missing = update_sdk.undocumented()
        self.assertEqual(missing, [], "without a comment, or with one that Doxygen does not understand:\n" + "\n".join(missing))

    def test_the_reference_is_what_the_headers_say(self):
        page = (SOURCE / "docs/sdk.md").read_text()
        changes = update_sdk.differences(page, update_sdk.updated(page))
        if changes:
            self.fail(f"docs/sdk.md is not what the headers say; run docs/update_sdk.py\n{changes}")

    def test_the_reference_holds_every_interface(self):
        page = (SOURCE / "docs/sdk.md").read_text()
        for name in ("Encoder", "Decoder", "VariationalFamily", "Prior", "Likelihood", "Objective", "Model", "Build"):
            self.assertRegex(page, rf"(?m)^#### class {name}\b")
        self.assertIn("- `virtual Tensor nll(const Tensor& x, const Tensor& g, const Context& context) = 0`", page)

    def test_no_macro_is_public_that_the_policy_does_not_name(self):
        page = (SOURCE / "docs/sdk.md").read_text()
        public = set(re.findall(r"(?m)^- `(VARIFORM_\w+)", page))
        policy = page[page.index("**What is public.**"):page.index("**What is not covered.**")]
        self.assertEqual(public - set(re.findall(r"VARIFORM_\w+", policy)), {"VARIFORM_API", "VARIFORM_FINGERPRINT"})


if __name__ == "__main__":
    if not shutil.which("doxygen"):
        print("doxygen is missing; install it")
        sys.exit(77)
    unittest.main()
