"""The registry of figures: what can be run, with which presets, and how it is drawn.

The papers' lists are imported only when the registry is asked, because they import the systems and,
with them, PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["figure", "figures", "listed"]


def listed() -> Sequence[Sequence[Any]]:
    """Return the list of figures of each paper, and that of their limits."""
    from isaclib.experiments.limits import figures as limits
    from isaclib.experiments.p1 import figures as p1
    from isaclib.experiments.p2 import figures as p2
    from isaclib.experiments.p3 import figures as p3
    from isaclib.experiments.p4 import figures as p4

    return [p1.FIGURES, p2.FIGURES, p3.FIGURES, p4.FIGURES, limits.FIGURES]


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
