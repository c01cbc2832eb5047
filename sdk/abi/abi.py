#!/usr/bin/env python3
"""The record of the SDK's binary interface: makes it, and holds a tree against it.

    sdk/abi/abi.py check  --build build/release                 does the tree still have the recorded interface?
    sdk/abi/abi.py record --build build/release --release 1.0   records it again, with a copy of the public headers

While VARIFORM_SDK_ABI stands, plugins that were built before must load and work. What they rely on (exported symbols,
layout of virtual function tables and structs, values of enumerations) is read from debugging information by abidw and
compared by abidiff, both of Debian's abigail-tools; docs/sdk.md says what may change when. Only what lies in the
namespace variform is recorded: of types of LibTorch and the standard library the name (and size) alone, so that
the record does not depend on a patch release of theirs.
"""

import argparse
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

TREE = pathlib.Path(__file__).resolve().parents[2]
RECORD_COMMAND = "sdk/abi/abi.py record --build build/release --release MAJOR.MINOR"

# How abidw writes what it reads: nothing that depends on the machine, on files' places or on parameters' names.
DUMP = ("--no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --no-parameter-names --drop-undefined-syms "
        "--drop-private-types --type-id-style hash").split()
# Only our own symbols: the library also holds instantiations of templates of LibTorch and the standard library, and
# the Model's own ones for its lambdas (IZN), and what host/ declares for the engine is no plugin's to call.
ONLY_OURS = """\
[suppress_function]
symbol_name_not_regexp = ^_ZNK?8variform
drop = yes
[suppress_function]
symbol_name_regexp = IZN
drop = yes
[suppress_function]
symbol_name_regexp = 7Calling|9KeptModes|16call_in_progress|18take_changed_modes
drop = yes
[suppress_variable]
symbol_name_not_regexp = ^_ZT[VIS]N8variform|^_ZN8variform|^variform_
drop = yes
"""
# New functions harm no plugin that was built before them.
COMPARE = ("--no-added-syms", "--no-show-locs")
TYPES = {"class-decl", "union-decl", "enum-decl", "typedef-decl", "pointer-type-def", "reference-type-def",
         "qualified-type-def", "type-decl", "array-type-def", "function-type"}


class Problem(Exception):
    """What is wrong, and what to do about it, in one sentence."""


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise Problem(f"'{shlex.join(str(c) for c in command)}' failed: {(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def tool(name):
    found = shutil.which(name)
    if not found:
        raise Problem(f"{name} is missing; install Debian's abigail-tools")
    return found


def abi_integer(folder, headers="include/variform"):
    text = (folder / headers / "manifest.h").read_text()
    return int(re.search(r"^#define VARIFORM_SDK_ABI (\d+)$", text, re.M).group(1))


def compiler(build, sdk):
    """The command that compiles the SDK's sources in a build folder, without optimisation and precompiled headers."""
    commands = json.loads((build / "compile_commands.json").read_text())
    found = [c for c in commands if "/variform-sdk.dir/Unity/" in c["file"] or c["file"].endswith("/sdk/src/component.cpp")]
    if not found:
        raise Problem(f"{build} is no build folder of Variform: it does not compile the SDK's sources")
    home = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", (build / "CMakeCache.txt").read_text(), re.M).group(1)
    kept, skip = [], False
    for word in shlex.split(found[0]["command"]):
        if skip or word in ("-include", "-o", "-c"):
            skip = not skip
        elif word == f"-I{home}/sdk/cmake/light":
            continue  # LibTorch's own headers, as plugins see them
        elif word == f"-I{home}/sdk/include":
            kept += [f"-I{sdk / 'include'}", f"-I{sdk / 'src'}"]
        elif word == f"-I{home}/sdk/host":
            kept.append(f"-I{sdk / 'host'}")
        elif not re.match(r"-O|-g|-W|-fsanitize", word):
            kept.append(word)
    # An abstract class that no library derives from would be in the record by its name alone.
    return kept + ["-O0", "-g", "-femit-class-debug-always"]


def libtorch_minor(command):
    for word in command:
        for name in ("torch/headeronly/version.h", "torch/version.h"):
            header = pathlib.Path(word) / name
            numbers = dict(re.findall(r"define TORCH_VERSION_(\w+) (\d+)", header.read_text() if header.exists() else ""))
            if numbers:
                return f"{numbers['MAJOR']}.{numbers['MINOR']}"
    raise Problem("LibTorch's version.h was not found among the include folders of the build's compile command")


def library(build, sdk, folder):
    """libvariform-sdk.so with debugging information: all sources as one, since LibTorch's headers cost the time."""
    sources = sorted((sdk / "src").glob("**/*.cpp")) + [sdk / "abi/roots.cpp"]
    whole = folder / "whole.cpp"
    whole.write_text("".join(f'#include "{s}"\n' for s in sources))
    command = compiler(build, sdk)
    run(*command, "-c", whole, "-o", folder / "whole.o")
    linker = command[:[w.startswith("-") for w in command].index(True)]  # perhaps by way of ccache
    run(*linker, "-shared", folder / "whole.o", "-o", folder / "libvariform-sdk.so")
    return folder / "libvariform-sdk.so", libtorch_minor(command)


def slim(path):
    """Drops the insides of foreign types, and then whatever types nothing of ours refers to."""
    tree = ET.parse(path)
    root = tree.getroot()

    def strip(node, ours):
        for child in node:
            here = ours or (child.tag == "namespace-decl" and child.get("name") == "variform")
            if not here and child.tag in ("class-decl", "union-decl"):
                for part in list(child):
                    child.remove(part)
            strip(child, here)

    strip(root, False)
    by_id = {}
    for element in root.iter():
        if element.get("id"):
            by_id.setdefault(element.get("id"), []).append(element)
    live, waiting = set(), []

    def mark(element):
        waiting.extend(e.get("type-id") for e in element.iter() if e.get("type-id"))
        waiting.extend(e.get("id") for e in element.iter() if e.get("id"))

    def mark_ours(node):
        for child in node:
            if child.tag == "namespace-decl" and child.get("name") == "variform":
                mark(child)
            elif child.tag in ("abi-instr", "namespace-decl"):
                mark_ours(child)
            elif child.tag in ("function-decl", "var-decl"):
                mark(child)

    mark_ours(root)
    while waiting:
        name = waiting.pop()
        if name not in live:
            live.add(name)
            for element in by_id.get(name, []):
                mark(element)

    def sweep(node):
        for child in list(node):
            if child.tag in TYPES and not any(e.get("id") in live for e in child.iter()):
                node.remove(child)
            else:
                sweep(child)
                if child.tag == "namespace-decl" and len(child) == 0:
                    node.remove(child)

    sweep(root)
    for unit in root.iter("abi-instr"):
        unit.set("path", "sdk")  # there is one, and its file was a temporary one
    tree.write(path, encoding="unicode")


def dump(shared_library, sdk, out):
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as suppressions:
        suppressions.write(ONLY_OURS)
        suppressions.flush()
        run(tool("abidw"), "--suppressions", suppressions.name, "--headers-dir", sdk / "include", *DUMP,
            "--out-file", out, shared_library)
    slim(out)
    return out


def interface(build, sdk, folder):
    shared_library, libtorch = library(build, sdk, folder)
    return dump(shared_library, sdk, folder / "interface.abi"), libtorch


def differences(recorded, found):
    """What abidiff says; "" when no plugin that was built before can tell the two apart."""
    done = subprocess.run([tool("abidiff"), *COMPARE, str(recorded), str(found)], capture_output=True, text=True)
    if done.returncode & 3:
        raise Problem(f"abidiff failed: {done.stdout + done.stderr}")
    return done.stdout.strip() if done.returncode & 12 else ""


def read_record(tree):
    record = json.loads((tree / "sdk/abi/record.json").read_text())
    return record, tree / "sdk/abi/record.abi"


def sentence(changes, now):
    return (f"the ABI changed although VARIFORM_SDK_ABI is still {now}; plugins built before would misread it:\n\n"
            f"{changes}\n\nUndo the change, or (in a minor or major release of the SDK, see docs/sdk.md) move "
            f"VARIFORM_SDK_ABI in sdk/include/variform/manifest.h to {now + 1} and record the interface with "
            f"{RECORD_COMMAND}")


def check(build, tree):
    """Raises Problem when the interface is not the recorded one."""
    record, recorded = read_record(tree)
    now = abi_integer(tree / "sdk")
    if now != record["abi"]:
        raise Problem(f"VARIFORM_SDK_ABI is {now}, but the recorded interface is that of {record['abi']}: record it "
                      f"again with {RECORD_COMMAND}, and rebuild every plugin")
    with tempfile.TemporaryDirectory() as folder:
        found, libtorch = interface(build, tree / "sdk", pathlib.Path(folder))
        if libtorch != record["libtorch"]:
            return f"not compared: recorded with LibTorch {record['libtorch']}, this build has {libtorch}"
        changes = differences(recorded, found)
    if changes:
        raise Problem(sentence(changes, now))
    return ""


def record(build, tree, release, released):
    """Writes the record, and, once `released`, the public headers of the same moment to tests/package/headers-<release>.
    Headers of earlier releases stay while the integer does: plugins that were built with them must work."""
    with tempfile.TemporaryDirectory() as folder:
        found, libtorch = interface(build, tree / "sdk", pathlib.Path(folder))
        shutil.copyfile(found, tree / "sdk/abi/record.abi")
    about = {"abi": abi_integer(tree / "sdk"), "release": release, "libtorch": libtorch}
    (tree / "sdk/abi/record.json").write_text(json.dumps(about, indent=2) + "\n")
    for old in (tree / "tests/package").glob("headers-*"):
        if old.name == f"headers-{release}" or abi_integer(old, "variform") != about["abi"]:
            shutil.rmtree(old)
    if not released:
        return
    copy = tree / f"tests/package/headers-{release}"
    shutil.copytree(tree / "sdk/include/variform", copy / "variform")
    (copy / ".clang-format").write_text("DisableFormat: true\n")
    (copy / "README.md").write_text(
        f"The SDK's public headers as they were when SDK ABI {about['abi']} was recorded (release {release}), made by "
        "`sdk/abi/abi.py record`.\nA test builds plugins against this copy and runs them with today's library. "
        "Never edited.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "record"])
    parser.add_argument("--build", type=pathlib.Path, default=TREE / "build/release", help="a configured build folder")
    parser.add_argument("--tree", type=pathlib.Path, default=TREE, help="the sources, if not those beside this script")
    parser.add_argument("--release", help="record: the SDK's MAJOR.MINOR that the record begins with")
    parser.add_argument("--unreleased", action="store_true",
                        help="record: the interface alone, while a major release is in the making and may still change")
    given = parser.parse_args()
    if given.command == "record" and not re.fullmatch(r"\d+\.\d+", given.release or ""):
        parser.error("record needs --release MAJOR.MINOR")
    try:
        if given.command == "record":
            record(given.build.resolve(), given.tree.resolve(), given.release, not given.unreleased)
        else:
            said = check(given.build.resolve(), given.tree.resolve())
            if said:
                print(f"abi.py: {said}", file=sys.stderr)
                return 77
    except (Problem, OSError) as problem:
        print(f"abi.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
