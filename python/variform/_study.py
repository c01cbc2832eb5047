"""A study's results: tables and figures."""

import csv
import os
import pathlib
from typing import List, Optional, Union

from . import _program


def _names(folder: pathlib.Path, suffix: str) -> List[str]:
    return sorted(path.stem for path in folder.glob("*" + suffix))


def _read(file: pathlib.Path):
    try:
        import pandas
    except ImportError:
        with open(file, newline="", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))
    return pandas.read_csv(file)


class Figure:
    """A figure of a study: a picture that a notebook shows, and its files."""

    def __init__(self, stem: pathlib.Path):
        self._stem = stem

    def file(self, kind: str = "svg") -> pathlib.Path:
        """Its "svg", "png", "csv" (the numbers), "gp" (the gnuplot script) or "txt" (the caption). Raises ValueError."""
        found = self._stem.with_name(f"{self._stem.name}.{kind}")
        if not found.is_file():
            raise ValueError(f"there is no {found}; the figure has {', '.join(p.suffix[1:] for p in sorted(self._stem.parent.glob(self._stem.name + '.*')))}.")
        return found

    @property
    def data(self):
        """Its numbers: a pandas.DataFrame where pandas is installed, else a list of dicts."""
        return _read(self.file("csv"))

    @property
    def caption(self) -> str:
        return self.file("txt").read_text(encoding="utf-8").strip()

    def _repr_svg_(self) -> Optional[str]:
        svg = self._stem.with_name(self._stem.name + ".svg")
        return svg.read_text(encoding="utf-8") if svg.is_file() else None

    def _repr_png_(self) -> Optional[bytes]:
        svg, png = (self._stem.with_name(self._stem.name + end) for end in (".svg", ".png"))
        return png.read_bytes() if png.is_file() and not svg.is_file() else None

    def __repr__(self) -> str:
        return f"Figure({str(self._stem)!r})"


class Study:
    """The results of a study, as ``variform study`` has left them in its folder."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    @property
    def tables(self) -> List[str]:
        """The names of its tables."""
        return _names(self.path / "tables", ".csv")

    @property
    def figures(self) -> List[str]:
        """The names of its figures."""
        return sorted({path.stem for path in (self.path / "figures").glob("*.*")})

    def table(self, name: str):
        """A table by its name: a pandas.DataFrame where pandas is installed, else a list of dicts. Raises ValueError."""
        if name not in self.tables:
            raise ValueError(f"study {self.path} has no table '{name}'; it has {', '.join(self.tables) or 'none'}.")
        return _read(self.path / "tables" / f"{name}.csv")

    def figure(self, name: str) -> Figure:
        """A figure by its name. Raises ValueError."""
        if name not in self.figures:
            raise ValueError(f"study {self.path} has no figure '{name}'; it has {', '.join(self.figures) or 'none'}.")
        return Figure(self.path / "figures" / name)

    @property
    def results(self):
        """Every number of every evaluation, a row each."""
        return _read(self.path / "results.csv")

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r}, tables: {', '.join(self.tables) or 'none'}; figures: {', '.join(self.figures) or 'none'})"


def study(path: Union[str, os.PathLike], *, progress: bool = True, studies: Union[str, os.PathLike] = "studies",
          runs: Union[str, os.PathLike] = "runs", plugins: _program.Paths = (), data: _program.Paths = (), **options) -> Study:
    """Opens a study's folder; given a study's file, ``STUDY.toml``, runs it first: ``variform study``, which repeats nothing
    that is done.

    Options are the program's: ``jobs=2`` … Raises RuntimeError when there is no such study.
    """
    folder = pathlib.Path(path)
    if folder.suffix == ".toml":
        _program.run([*_program.repeated("--plugin", plugins), *_program.repeated("--data", data), "--runs", runs,
                      *([] if progress else ["--quiet"]), "study", folder, "--studies", studies, *_program.options_of(options)],
                     progress)
        folder = pathlib.Path(studies) / _name_of(folder)
    if not (folder / "study.json").is_file():
        raise RuntimeError(f"{folder} is not a study's folder: it has no study.json. Expected studies/NAME, or a file STUDY.toml.")
    return Study(folder)


def _name_of(file: pathlib.Path) -> str:
    """The name that a study's file gives it, or the last file that it includes."""
    import tomllib

    with open(file, "rb") as stream:
        text = tomllib.load(stream)
    if "name" in text:
        return text["name"]
    names = [_name_of(file.parent / each) for each in text.get("include", [])]
    return next((name for name in reversed(names) if name), "")
