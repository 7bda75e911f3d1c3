"""Execute the chapters and write their notebook twins, so that the same code gives the same bytes.

A chapter is a MyST-Markdown notebook, ``chapters/*.md`` with a kernel in its header. Its twin, the
``.ipynb`` beside it, holds the outputs: nbval compares them, GitHub and JupyterLab show them.
Whatever differs from one machine or execution to the next is left out of a twin.

Run as ``make chapters``, or ``python tools/chapters.py chapters/01_end_to_end_learning.md``.
"""

import argparse
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
CELL_TIMEOUT_S = 300
# The first cell of a notebook that Colab opens; where isaclib is there, it does nothing.
INSTALL = """\
# Without isaclib, as in Colab: fetch the book with its results, and install the library from it.
import importlib.util
import os

if importlib.util.find_spec("isaclib") is None:
    !git clone --quiet --depth 1 --branch {branch} {url} isaclib-book
    %pip install --quiet ./isaclib-book
    os.chdir("isaclib-book/chapters")"""


def sources(folder: Path = CHAPTERS) -> list[Path]:
    """Chapters to execute: the Markdown files of a folder that name a kernel.

    Args:
        folder: Folder to look in.

    Returns:
        Their paths, sorted; plain pages such as the notation are not among them.
    """
    return [
        path
        for path in sorted(folder.glob("*.md"))
        if "kernelspec" in jupytext.read(path, config=load_config(path)).metadata
    ]


def load_config(path: Path) -> jupytext.config.JupytextConfiguration | None:
    """Read the jupytext configuration that holds for a file (``jupytext.toml``)."""
    return jupytext.config.load_jupytext_config(str(path))


def repository() -> dict[str, str]:
    """Read ``repository:`` of ``_config.yml``: its ``url``, which may be empty, and ``branch``."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]


def read_source(path: Path) -> nbformat.NotebookNode:
    """Read a chapter as a notebook without outputs, its cell ids numbered.

    Args:
        path: The chapter's ``.md``.

    Returns:
        The notebook. Ids are numbered because random ones would change with every execution. Where
        the book has a repository, the first cell installs isaclib from there.
    """
    notebook = jupytext.read(path, config=load_config(path))
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index:03d}"
    place = repository()
    if place["url"]:
        cell = nbformat.v4.new_code_cell(INSTALL.format_map(place), id="cell-install")
        notebook.cells.insert(0, cell)
    header = notebook.metadata
    notebook.metadata = nbformat.from_dict(
        {key: header[key] for key in ("jupytext", "kernelspec") if key in header}
    )
    # Which release of jupytext wrote the text says nothing about the chapter.
    notebook.metadata.get("jupytext", {}).get("text_representation", {}).pop(
        "jupytext_version", None
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(path: Path) -> nbformat.NotebookNode:
    """Execute a chapter in its own folder.

    Args:
        path: The chapter's ``.md``.

    Returns:
        The notebook with its outputs, without times and other traces of the machine.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    notebook = read_source(path)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name=notebook.metadata.kernelspec.name,
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    for key in ("language_info", "widgets"):
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.pop("transient", None)
    return notebook


def write_twin(path: Path) -> Path:
    """Execute a chapter and write its twin beside it.

    Args:
        path: The chapter's ``.md``.

    Returns:
        Path of the twin. An old twin stays as it is when a cell fails.
    """
    notebook = execute(path)
    nbformat.validate(notebook)
    twin = path.with_suffix(".ipynb")
    twin.write_text(nbformat.writes(notebook, version=4) + "\n", encoding="utf-8")
    return twin


def main() -> int:
    """Execute the chapters that the command line names, or all of them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("chapter", nargs="*", type=Path, help="the .md files (default: all)")
    chapters = [path.resolve() for path in parser.parse_args().chapter] or sources()
    if not chapters:
        print(f"no chapter with a kernel in {CHAPTERS}", file=sys.stderr)
        return 1
    for chapter in chapters:
        started = time.perf_counter()
        twin = write_twin(chapter)
        print(f"{twin.name}: executed in {time.perf_counter() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
