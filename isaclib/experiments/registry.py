"""The registry of figures: what can be run, with which presets, and how it is drawn.

A figure is in the ``FIGURES`` of any module of its paper's package. These are imported only when
the registry is asked, because they import the systems and, with them, PyTorch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["figure", "figures", "listed"]


def listed() -> Sequence[Sequence[Any]]:
    """Return the list of figures of each paper, and that of their limits."""
    from isaclib.experiments import limits, p1, p2, p3, p4

    return [_figures_of(package) for package in (p1, p2, p3, p4, limits)]


def _figures_of(package: ModuleType) -> list[Any]:
    """Figures of all modules of a package, those of ``figures`` first."""
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "figures")
    found: list[Any] = []
    for name in ("figures", *names):
        # All that is below this module, so no contract is gone round.
        module = importlib.import_module(f"{package.__name__}.{name}")  # noqa: TID251
        found += getattr(module, "FIGURES", ())
    return found


def figures() -> dict[str, Any]:
    """Return every figure of every paper by its id, in the papers' order.

    Raises:
        ValueError: Two figures share an id, which is a mistake in a paper's list.
    """
    found: dict[str, Any] = {}
    for spec in sorted((spec for specs in listed() for spec in specs), key=lambda spec: spec.paper):
        if spec.id in found:
            raise ValueError(f"figures must have unique ids, got {spec.id!r} twice")
        found[spec.id] = spec
    return found


def figure(id: str) -> Any:
    """Return one figure.

    Args:
        id: Figure id, such as ``"p1-fig2"``.

    Raises:
        ValueError: There is no such figure; the message lists those there are.
    """
    known = figures()
    if id not in known:
        raise ValueError(f"figure must be one of {', '.join(map(repr, known))}, got {id!r}")
    return known[id]
