"""Reads weights.pt as a user would and holds it against expected.h5, bit for bit.

Exit code 77: cannot run here.
"""
import struct
import sys
import zipfile

try:
    import h5py
    import numpy
    import torch
except ImportError as error:
    print(error)
    sys.exit(77)

loaded = torch.load("weights.pt", weights_only=True)
mapped = torch.load("weights.pt", weights_only=True, mmap=True)
with h5py.File("expected.h5") as expected:
    order = [expected.attrs[key] for key in sorted(expected.attrs) if key.startswith("order")]
    assert list(loaded) == order, (list(loaded), order)
    assert set(loaded) == set(expected["model"])
    for name, stored in expected["model"].items():
        kind = stored.attrs.get("dtype", stored.dtype.name)
        for tensor in (loaded[name], mapped[name]):
            assert tensor.dtype == getattr(torch, kind), (name, tensor.dtype, kind)
            assert tuple(tensor.shape) == stored.shape, (name, tensor.shape, stored.shape)
            assert not tensor.requires_grad
            bits = tensor.view(torch.uint16) if kind == "bfloat16" else tensor
            assert bits.numpy().tobytes() == stored[()].tobytes(), name
assert loaded.metadata == {"config": "seed = 1\n", "note": "∂"}, loaded.metadata

with zipfile.ZipFile("weights.pt") as archive, open("weights.pt", "rb") as file:
    assert archive.testzip() is None  # checksums, which torch.load does not check
    for entry in archive.infolist():
        file.seek(entry.header_offset + 26)
        lengths = struct.unpack("<HH", file.read(4))
        assert (entry.header_offset + 30 + sum(lengths)) % 64 == 0, f"{entry.filename} is not aligned"

linear = torch.nn.Linear(3, 4, bias=False)
linear.load_state_dict(type(loaded)(weight=loaded["decoder.net.0.weight"]))
assert torch.equal(linear.weight, torch.arange(12.0).view(3, 4).t())

nothing = torch.load("none.pt", weights_only=True)
assert len(nothing) == 0 and nothing.metadata == {}
print(f"{len(loaded)} tensors agree, numpy {numpy.__version__}, torch {torch.__version__}")
