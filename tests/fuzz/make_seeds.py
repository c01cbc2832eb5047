#!/usr/bin/env python3
"""Small valid files of every format into corpus/NAME, from which fuzzing starts.

What fuzzing found lies beside them and is not touched.
"""
import gzip
import io
import json
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import h5py
import numpy as np

CORPUS = Path(__file__).parent / "corpus"


# 8 x 8 pixels each, written by libjpeg: one value, three in progressive scans, four inks.
JPEG = {
    "grey": (
        "ffd8ffe000104a46494600010100000100010000ffdb004300100b0c0e0c0a100e0d0e1211101318281a181616183123251d"
        "283a333d3c3933383740485c4e404457453738506d51575f626768673e4d71797064785c656763ffc0000b08000800080101"
        "1100ffc40014000100000000000000000000000000000005ffc4001810000203000000000000000000000000000004052231"
        "ffda0008010100003f000938bca9ffd9"),
    "progressive": (
        "ffd8ffe000104a46494600010100000100010000ffdb004300100b0c0e0c0a100e0d0e1211101318281a181616183123251d"
        "283a333d3c3933383740485c4e404457453738506d51575f626768673e4d71797064785c656763ffdb004301111212181518"
        "2f1a1a2f63423842636363636363636363636363636363636363636363636363636363636363636363636363636363636363"
        "6363636363636363ffc20011080008000803012200021101031101ffc4001500010100000000000000000000000000000001"
        "ffc40014010100000000000000000000000000000001ffda000c03010002100310000001813fffc400161000030000000000"
        "000000000000000000000304ffda00080101000105029d47ffc40014110100000000000000000000000000000000ffda0008"
        "010301013f017fffc40014110100000000000000000000000000000000ffda0008010201013f017fffc40014100100000000"
        "000000000000000000000000ffda0008010100063f027fffc400161000030000000000000000000000000000002131ffda00"
        "08010100013f21923fffda000c0301000200030000001003ffc40014110100000000000000000000000000000000ffda0008"
        "010301013f107fffc40014110100000000000000000000000000000000ffda0008010201013f107fffc40014100100000000"
        "000000000000000000000000ffda0008010100013f1057ffd9"),
    "inks": (
        "ffd8ffee000e41646f626500640000000000ffdb004300100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a"
        "333d3c3933383740485c4e404457453738506d51575f626768673e4d71797064785c656763ffc00014080008000804431100"
        "4d11005911004b1100ffc400160001010100000000000000000000000000020003ffc4002110000103030501010000000000"
        "000000000102030504113100122141612251ffda000e0443004d0059004b00003f00a018663a8575951c34ca372b173e0bf6"
        "703d3a700c331d42baca8e1a651b958b9f05fb381e9d3884371516ed73a8ba5945c279fa380306d7240bfbad231b1170efd6"
        "90905a6c946e4920acf0906dfa481affd9"),
}


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def npy(array, fortran=False):
    out = io.BytesIO()
    np.save(out, np.asfortranarray(array) if fortran else array, allow_pickle=True)
    return out.getvalue()


def npz(compressed, **arrays):
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)
    return out.getvalue()


def idx(kind, array):
    return (bytes([0, 0, kind, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape)
            + array.astype(array.dtype.newbyteorder(">")).tobytes())


def png(width, height, kind, depth, rows, extra=b""):
    def chunk(name, content):
        return (struct.pack(">I", len(content)) + name + content
                + struct.pack(">I", zlib.crc32(name + content)))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
            + extra + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b""))


def hdf5(fill):
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        fill(file)
    return out.getvalue()


def arrays():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for name, array in {"u1": pixels, "f4": pixels.astype("f4"), "f8": pixels.astype("f8"), "f2": pixels.astype("f2"),
                        "i8": pixels.astype("i8"), "big": pixels.astype(">i4"), "bool": pixels > 3}.items():
        put("npy", name, npy(array))
    put("npy", "fortran", npy(pixels, fortran=True))
    put("npy", "object", npy(np.array([{"a": 1}], dtype=object)))
    put("npz", "stored", npz(False, x=pixels, labels=np.array([0, 1])))
    put("npz", "deflated", npz(True, x=pixels, y=np.array([0, 1])))
    put("idx", "images", idx(8, pixels))
    put("idx", "floats", idx(13, pixels.astype("f4")))
    put("idx", "gzip", gzip.compress(idx(8, pixels), mtime=0))
    import bz2
    import lzma
    put("idx", "xz", lzma.compress(idx(8, pixels)))
    put("idx", "bz2", bz2.compress(idx(8, pixels)))
    put("cifar", "two", (b"\3" + bytes(3072)) + (b"\7" + bytes(range(256)) * 12))
    put("cifar", "gzip", gzip.compress(b"\3" + bytes(3072), mtime=0))
    for name in ("stored", "deflated"):
        put("guess", name, (CORPUS / "npz" / name).read_bytes())
    put("guess", "npy", npy(pixels))
    put("guess", "csv", "a,b\n1,2\n3,4\n")


def tables():
    put("csv", "plain", "a,b\n1,2\n3.5,4e3\n")
    put("csv", "german", "a;b\r\n1,5;2\r\n3,25;4\r\n")
    put("csv", "quoted", '\ufeff"a ""x""","b,c"\n1,"2"\n"3\n4",x\n')
    put("csv", "pandas", ",0,1\n0,1.0,2.0\n1,NA,4.0\n")
    put("csv", "blanks", "# comment\n 1  2 3\n4 5 +6\n")
    put("csv", "text", "x,label\n1,cat\n2,dog\n")


def images():
    grey = [bytes(range(i, i + 8)) for i in range(8)]
    put("png", "grey", png(8, 8, 0, 8, grey))
    put("png", "colour", png(4, 4, 2, 8, [bytes(range(12))] * 4))
    put("png", "alpha", png(4, 4, 6, 8, [bytes(range(16))] * 4))
    put("png", "bits", png(8, 4, 0, 1, [b"\xaa"] * 4))
    put("png", "sixteen", png(2, 2, 0, 16, [b"\1\2\3\4"] * 2))
    palette = bytes(range(12))
    chunk = struct.pack(">I", 12) + b"PLTE" + palette + struct.pack(">I", zlib.crc32(b"PLTE" + palette))
    put("png", "palette", png(4, 4, 3, 8, [b"\0\1\2\3"] * 4, chunk))
    for name, text in JPEG.items():
        put("jpeg", name, bytes.fromhex(text))
    put("images", "bmp", b"BM" + struct.pack("<IHHI", 70, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 24, 0, 16, 1, 1, 0, 0) + bytes(16))
    put("images", "gif", bytes.fromhex("4749463839610200020080000000000000ffffff2c00000000020002000002024c01003b"))
    put("images", "webp", bytes.fromhex("524946461e000000574542505650384c110000002f0100000007d0ff"
                                        "fef7bfff8188e87f0000"))
    tiff = struct.pack("<2sHI", b"II", 42, 8)
    fields = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 122),
              (277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, 4)]
    put("images", "tiff", tiff + struct.pack("<H", len(fields))
        + b"".join(struct.pack("<HHII", *field) for field in fields) + struct.pack("<I", 0) + b"\1\2\3\4")


def datasets():
    def plain(file):
        file["x"] = np.arange(24, dtype="f4").reshape(4, 6)
        file.create_group("g")["labels"] = np.arange(4)

    def packed(file):
        file.create_dataset("x", data=np.arange(64).reshape(8, 8), chunks=(2, 8), compression="gzip", shuffle=True)
        file.create_dataset("z", data=np.zeros((8, 8), "u1"), chunks=(4, 8), compression="lzf", fletcher32=True)

    def linked(file):
        file["x"] = np.ones(3, dtype=bool)
        file["soft"] = h5py.SoftLink("/x")
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
        file["text"] = "words"
        file["x"].attrs["a"] = [1, 2]
    for name, fill in {"plain": plain, "packed": packed, "linked": linked}.items():
        put("hdf5", name, hdf5(fill))

    def latest():
        out = io.BytesIO()
        with h5py.File(out, "w", libver="latest") as file:
            packed(file)
        return out.getvalue()
    put("hdf5", "latest", latest())


def texts(source):
    put("toml", "data", 'dataset = { x = "a.npy", labels = "b.npy", shape = [1, 2, 2], domain = "binary" }\n'
        '[splits.train]\nx = ["a", "b"]\nrows = [0, 3]\n[files."a.npy"]\nbytes = 3\n')
    put("toml", "study", '[study]\naxes.beta = { key = "objective.beta", values = [0.1, 1] }\n'
        'evaluate.e = { limit = 64 }\nfigures = [{ name = "f", x = "beta", metrics = ["elbo"] }]\nseeds = [1, 2]\n')
    for name in ("mnist.toml",):
        for found in sorted((source / "configs").rglob(name))[:1]:
            put("toml", "mnist", found.read_bytes())
    put("toml", "strings", "a = '''\nx'''\nb = \"\\u00e9\\n\"\nc = 1979-05-27T07:32:00Z\nd = [1, [2.5, inf], {e = -0x1f}]\n")
    put("study", "small", json.dumps({
        "version": 1, "name": "s", "axes": [{"name": "a", "labels": ["x", "y"]}],
        "cells": [{"labels": {"a": "x"}, "run": "r", "seed": 1}], "evaluations": [], "figures": []}))


def plugin():
    """A library of one function that carries a manifest, as a plugin does."""
    manifest = ("variform-plugin: 1\nid: org.example.tiny\nversion: 1.0.0\nsdk-abi: 2\nlibtorch: 2.13\ncxx11-abi: 1\n"
                "sanitizer: none\nfingerprint: variform_sdk2_torch2_13_cxx11abi1_none\n\0component: family:tiny\n")
    code = ('__attribute__((used, section(".variform_manifest"))) static const char m[] = %s;\n'
            "int f(int x) { return x + 1; }\n" % json.dumps(manifest).replace("\\u0000", "\\0"))
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "tiny.so"
        subprocess.run(["gcc", "-x", "c", "-", "-shared", "-fPIC", "-nostdlib", "-Os", "-s", "-Wl,-z,norelro,-z,noseparate-code",
                        "-Wl,--build-id=none", "-o", library], input=code.encode(), check=True)
        put("elf", "plugin", library.read_bytes())


def checkpoints():
    """What lies behind a checkpoint's seal, in its layout; of other bytes than its checksum says, which is judged last."""
    def fill(file):
        text = h5py.string_dtype("utf-8")
        for name, value in (("format_version", "1"), ("content_sha256", "0" * 64), ("config", "seed = 1\n")):
            file.attrs.create(name, value, dtype=text)
        for name, array in (("model/encoder/w", np.ones((3, 4), "f4")), ("model/encoder/steps", np.arange(3)),
                            ("optimizer/w", np.zeros((2, 0), "f8")), ("mask", np.array([True, False]))):
            file.create_dataset(name, data=array)
    put("checkpoint", "small", hdf5(fill))


def main():
    source = Path(__file__).resolve().parents[2]
    arrays()
    tables()
    images()
    datasets()
    texts(source)
    plugin()
    checkpoints()


if __name__ == "__main__":
    main()
