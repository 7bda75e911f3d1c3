"""Which figures can be converted, and by whose names."""

from __future__ import annotations

from pathlib import Path

from isaclib.experiments.convert import limits, p1, p2, p3, p4
from isaclib.experiments.convert.documents import Names, convert
from isaclib.experiments.engine.results import Folder
from isaclib.experiments.registry import figure

NAMES: dict[str, Names] = {"p1": p1, "p2": p2, "p3": p3, "p4": p4}
"""Modules that know the names of a paper's series."""


def convert_figure(id: str, directory: Folder = None) -> Path:
    """Convert the stored result of a figure; ValueError if there is no such figure."""
    spec = figure(id)
    if id in limits.SYSTEMS:
        return convert(spec, limits, directory, limits.prepared)
    return convert(spec, NAMES[spec.paper], directory)
