"""Sphinx extension: pages of the library reference, from the package itself.

On a page, the line ``<!-- modules: isaclib.signal -->`` becomes the documentation of that package
and of all public modules in it that have no page of their own (``... without isaclib.signal.a``),
and ``<!-- commands: isaclib -->`` that of the command line.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
# As data flows: from a scenario over transmitter, channel and receiver to a loss or a metric.
ORDER = [
    *(
        "signal",
        "channels",
        "receivers",
        "limits",
        "learning",
        "systems",
        "data",
        "metrics",
        "comparison",
    ),
    "experiments",
]
# Modules without anything to call: starting points, plumbing, and what one paper runs and draws.
HIDDEN = re.compile(
    r"isaclib(\.__main__|\.cli|\.data\.(cifar10|synthetic)"
    r"|\.experiments\.(engine|limits|p\d|convert.*)"
    r"|\.experiments\.(p\d\.(?!config|scenario|claims|gap)|limits\.(?!config)).*"
    r"|\.experiments\.engine\.(cache|cluster|interrupt|progress|provenance|runs))?$"
)
MARK = re.compile(r"^<!-- (modules|commands): (\S+)(?: without (\S+))? -->$", re.MULTILINE)


def modules(package: str = "isaclib", root: Path = ROOT) -> list[str]:
    """Public modules that the reference shows, a package before what is in it."""
    names = []
    place = root / package.replace(".", "/")
    for path in sorted([*place.rglob("*.py"), *place.parent.glob(f"{place.name}.py")]):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        if "._" not in name and not HIDDEN.match(name):
            names.append(name)
    return sorted(names, key=lambda name: (ORDER.index(name.split(".")[1]), name.split(".")))


def document_modules(package: str, without: str | None) -> str:
    """MyST source of the documentation of a package's modules, but those of one package in it."""
    parts = []
    for name in modules(package):
        if without and name.startswith(without):
            continue
        if name != package:
            parts.append(f"## `{name.removeprefix(f'{package}.')}`")
        plain = (ROOT / name.replace(".", "/") / "__init__.py").is_file()
        members = "\n   :no-members:" if plain else ""
        parts.append(f"```{{eval-rst}}\n.. automodule:: {name}{members}\n```")
    return "\n\n".join(parts)


def document_commands(name: str) -> str:
    """MyST source of what ``isaclib --help`` and the help of each command say."""
    import click
    import typer
    from typer.cli import get_docs_for_click

    from isaclib.cli import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=click.Context(command, info_name=name), name=name)
    return re.sub(r"\$ISACLIB_\w+", r"`\g<0>`", text.split("\n", 1)[1])


def expand(_app: Sphinx, _docname: str, source: list[str]) -> None:
    """Put the documentation in the place of the marks of a page."""

    def write(mark: re.Match[str]) -> str:
        if mark[1] == "commands":
            return document_commands(mark[2])
        return document_modules(mark[2], mark[3])

    source[0] = MARK.sub(write, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", expand)
    return {"parallel_read_safe": True}
