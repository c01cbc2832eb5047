"""Runs every Python example of the document given, in a folder with checkpoints/last.h5, and checks the outcome.

Exit code 77: cannot run here.
"""
import re
import sys

try:
    import h5py
    import numpy
except ImportError as error:
    print(error)
    sys.exit(77)

with open(sys.argv[1], encoding="utf-8") as document:
    examples = re.findall(r"```python\n(.*?)```", document.read(), re.S)
assert len(examples) == 2, f"expected two examples in {sys.argv[1]}, found {len(examples)}"
assert len(examples[0].splitlines()) == 6, "the first example is to have six lines"

first = {}
exec(examples[0], first)
assert first["config"].startswith('name = "sample"'), first["config"]
with h5py.File("checkpoints/last.h5") as file:
    assert numpy.array_equal(first["weight"], file["model/encoder/parameters/net.0.weight"][()], equal_nan=True)
    assert first["weight"].shape == (7, 2) and first["weight"].dtype == numpy.float32
    assert file["model/Bool/parameters/net.0.bias"].dtype == bool
    assert file["model/BFloat16/parameters/net.0.bias"].attrs["dtype"] == "bfloat16"
    assert file["progress/step"][()] == 1 and file["progress/step"].shape == ()
    assert file.attrs["note"] == "Größe ∂ℓ/∂z" and file.attrs["empty"] == ""

exec(examples[1], {})  # recomputes the checksums and asserts them
