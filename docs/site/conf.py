"""The documents as one site: ./variform docs. Sphinx reads them where they are; this folder holds its settings alone."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

project = "Variform"
author = "The Variform maintainers"
copyright = "the Variform maintainers"
version = release = re.search(r"project\(\w+ VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]

extensions = ["myst_nb"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
nb_execution_mode = "off"  # notebooks are shown as they are stored; tests/docs/test_notebooks_slow.py executes them
root_doc = "docs/site/index"
include_patterns = ["docs/*.md", "docs/notebooks/*.ipynb", "docs/site/*.md", "README.md", "datasets/README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "Variform"
html_static_path = []
html_theme_options = {"navigation_with_keys": True}
html_show_sphinx = False


def files_of_the_project():
    """Paths of files and folders that documents may link to although they are not pages."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    paths = {pathlib.PurePosixPath(name) for name in listed}
    return paths | {parent for path in paths for parent in path.parents}


PATHS = files_of_the_project()
LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\((?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?\)")


def show_links_to_sources(app, docname, source):
    """A link to a file that is not a page becomes its name: the site holds the documents, the checkout the rest."""
    folder = pathlib.PurePosixPath(docname).parent
    if folder.name == "notebooks":  # JSON; they link to pages alone
        return

    def fix(match):
        parts = []
        for part in (folder / match[2]).parts:
            parts = parts[:-1] if part == ".." else parts + [part]
        path = pathlib.PurePosixPath(*parts)
        if path.suffix in (".md", ".ipynb") and path in PATHS:
            return match[0]
        if path in PATHS:
            return f"{match[1]} (`{path}`)" if match[1].strip("`") != str(path) else f"`{path}`"
        return match[0]  # Sphinx warns of it

    source[0] = LINK.sub(fix, source[0])


def setup(app):
    app.connect("source-read", show_links_to_sources)
