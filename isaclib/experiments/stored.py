"""Reading stored results of both kinds, until all papers are ported to the engine."""

from __future__ import annotations

from typing import Any

from isaclib.experiments.engine import results
from isaclib.experiments.engine.results import Folder

SERIES = ("p1-limits", "p2-", "p4-", "p3-limits")
"""Beginnings of the figures whose results are still named series."""


def load_result(figure: str, directory: Folder = None) -> Any:
    """Read a stored result, see :func:`isaclib.experiments.engine.results.load_result`."""
    if str(figure).startswith(SERIES):
        from isaclib.experiments.series import results as series

        return series.load_result(figure, directory)
    return results.load_result(figure, directory)
