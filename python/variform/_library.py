"""Finds the compiled library and the program, and loads the library into this process.

They lie in one tree, an installation or a build folder: that which VARIFORM_PREFIX names, the one that this package is
installed in (a wheel's is torch-2.13/ beside this file, for that minor version of torch), or a build folder of the checkout that this package lies in. The library registers two classes with
PyTorch; it is LibTorch's own loader that loads it, so that any Python will do.
"""

import functools
import json
import logging
import mmap
import os
import pathlib
import re
import warnings
from typing import Iterable, NamedTuple, Optional, Sequence

import torch

from . import _command

LIBRARY = "lib/libvariform_python.so"
LOG = logging.getLogger("variform")


class VariformWarning(UserWarning):
    """What the engine or a plugin warns of."""


class Tree(NamedTuple):
    """An installation or a build folder."""

    prefix: pathlib.Path

    @property
    def library(self) -> pathlib.Path:
        return self.prefix / LIBRARY

    @property
    def is_installed(self) -> bool:
        return (self.prefix / "bin/variform").exists()

    @property
    def command(self) -> pathlib.Path:
        """What a user starts."""
        return self.prefix / ("bin/variform" if self.is_installed else "variform")

    @property
    def program(self) -> pathlib.Path:
        """The file beside which the engine looks for the stock plugins."""
        return self.prefix / ("libexec/variform/variform" if self.is_installed else "variform")

    @property
    def shared(self) -> pathlib.Path:
        return self.prefix / "share/variform"


def _candidates():
    """Folders that may be the tree, best first."""
    here = pathlib.Path(__file__).resolve().parent
    named = os.environ.get("VARIFORM_PREFIX")
    if named:
        return [pathlib.Path(named)]
    if any(here.glob("torch-*")):
        return [_command.tree_for(".".join(torch.__version__.split(".")[:2]))]
    installed = [here.parents[3]] if here.parent.name == "python" and here.parents[1].name == "variform" else []
    builds = here.parents[1] / "build"
    return installed + [builds / "release", *sorted(builds.glob("*"))]


@functools.lru_cache(maxsize=None)
def tree() -> Tree:
    """The tree that belongs to this package. Raises ImportError, which says where it was looked for."""
    looked = _candidates()
    for prefix in looked:
        if (prefix / LIBRARY).is_file():
            return Tree(prefix.absolute())
    raise ImportError(
        f"variform: the library {LIBRARY} was not found in {', '.join(map(str, looked))}. Set VARIFORM_PREFIX to an "
        "installation (the --prefix of `cmake --install`) or to a build folder.")


def _built_for(library: pathlib.Path) -> Optional[str]:
    """The minor version of LibTorch that the library was built for, read from the file without running any of it."""
    with open(library, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = re.search(rb"variform_python built for LibTorch ([0-9.]+);", content)
        return found[1].decode() if found else None


@functools.lru_cache(maxsize=None)
def load_library():
    """Loads the library once and returns the namespace of its classes. Raises ImportError when it is for another PyTorch."""
    library = tree().library
    here, built_for = ".".join(torch.__version__.split(".")[:2]), _built_for(library)
    if built_for != here:
        raise ImportError(
            f"variform: {library} was built for PyTorch {built_for}, and this Python has {torch.__version__}. Install "
            f"torch=={built_for}.* or build Variform with this one (LIBTORCH={pathlib.Path(torch.__file__).parent}).")
    torch.classes.load_library(str(library))
    return torch.classes.variform


def surroundings(plugins: Iterable, data: Iterable, classes: Sequence[int]) -> str:
    """Where the engine looks for things, and the numbers of Python's components, as JSON."""
    place = tree()
    texts = lambda paths: [os.path.abspath(os.fspath(each)) for each in paths]  # noqa: E731
    return json.dumps({"program": str(place.program), "plugins": texts(plugins), "data": texts(data),
                       "descriptors": [str(place.shared / "datasets")], "classes": list(classes)})


def tell(level_of_caller: int = 4) -> None:
    """Passes on what the engine and plugins have said: warnings as VariformWarning, the rest to the log "variform".

    level_of_caller: that many frames up is the user's line.
    """
    for message in torch.ops.variform.messages():
        tell_one(message, level_of_caller + 1)


def tell_one(message: str, level_of_caller: int) -> None:
    """One of them, "warning: …"."""
    level, _, text = message.partition(": ")
    if level in ("warning", "error"):
        warnings.warn(text, VariformWarning, stacklevel=level_of_caller)
    else:
        LOG.info(text)
