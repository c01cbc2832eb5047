"""The command `variform` of a Python environment: becomes the wheel's program, with this environment's LibTorch.

Nothing here imports torch, which takes seconds: the torch package is only looked for.
"""

import importlib.util
import os
import pathlib
import re
import sys
from typing import Dict, Optional

HERE = pathlib.Path(__file__).resolve().parent


def torch_folder() -> Optional[pathlib.Path]:
    """This environment's torch package, which is a LibTorch folder; None without one."""
    found = importlib.util.find_spec("torch")
    places = list(found.submodule_search_locations or []) if found else []
    return pathlib.Path(places[0]) if places else None


def torch_minor(folder: pathlib.Path) -> str:
    """The minor version of the torch package in `folder`: "2.13"."""
    text = (folder / "version.py").read_text(encoding="utf-8")
    found = re.search(r"__version__\s*=\s*['\"](\d+\.\d+)", text)
    return found[1] if found else "unknown"


def tree_for(minor: Optional[str]) -> pathlib.Path:
    """The wheel's tree for a minor version of torch; the program itself says what is missing if there is no torch.

    Raises ImportError where the wheel has other versions only, or no tree at all.
    """
    there = sorted(folder.name.removeprefix("torch-") for folder in HERE.glob("torch-*"))
    if not there:
        raise ImportError(f"variform: {HERE} has no program; install the wheel that ./variform wheel makes.")
    if minor is not None and minor not in there:
        raise ImportError(f"variform: this wheel is for torch {' and '.join(there)}, and this environment has torch {minor}; "
                          f"install torch=={there[-1]}.*")
    return HERE / f"torch-{minor or there[-1]}"


def installed_tree() -> pathlib.Path:
    """The tree that this environment uses: program, SDK and stock plugins."""
    folder = torch_folder()
    return tree_for(torch_minor(folder) if folder else None)


def environment(torch: Optional[pathlib.Path], libtorch: Optional[str] = None) -> Dict[str, str]:
    """What the program is started with: LibTorch, which is `libtorch` or else the package `torch`, and a PATH on which
    this environment's own commands are, last, such as PyPI's gnuplot: environments are also used without being activated."""
    found = dict(os.environ)
    if libtorch or torch:
        found["LIBTORCH"] = libtorch or str(torch)
    found["PATH"] = os.pathsep.join(filter(None, [found.get("PATH"), os.path.dirname(sys.executable)]))
    return found


def main() -> None:
    """Becomes the program. `variform --cmake-prefix` prints what CMAKE_PREFIX_PATH has to name for plugins."""
    try:
        folder, tree = torch_folder(), installed_tree()
    except ImportError as error:
        sys.exit(str(error))
    if sys.argv[1:] == ["--cmake-prefix"]:
        print(tree)
        return
    command = tree / "bin/variform"
    os.execve(command, [str(command), *sys.argv[1:]], environment(folder, os.environ.get("LIBTORCH")))
