"""Which figures can be converted, and by whose names."""

from __future__ import annotations

from pathlib import Path

from isaclib.experiments.convert import p1, p3
from isaclib.experiments.convert.documents import Names, convert
from isaclib.experiments.engine.results import Folder
from isaclib.experiments.registry import figure

NAMES: dict[str, Names] = {"p1": p1, "p3": p3}
"""Modules that know the names of a paper's series."""


def convert_figure(id: str, directory: Folder = None) -> Path:
    """Convert the stored result of a figure.

    Raises:
        ValueError: There is no such figure, or its results were always rows.
    """
    spec = figure(id)
    if spec.paper not in NAMES or id.endswith("-limits"):
        raise ValueError(
            f"figure must be one that was stored as series and is rows now, got {id!r}"
        )
    return convert(spec, NAMES[spec.paper], directory)
