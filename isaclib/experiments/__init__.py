"""The registry of figures: what can be run, with which presets, and how it is drawn.

Each paper has a module here (``p1``, ...) that lists its figures in ``FIGURES``. The modules are
imported only when the registry is asked, because they import the systems and, with them, PyTorch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isaclib.experiments.engine.result_schema import PRESETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from isaclib.experiments.engine.results import Result
    from isaclib.experiments.engine.sweep import Sweep

__all__ = ["PAPER_MODULES", "PRESETS", "FigureSpec", "RunContext", "figure", "figures"]

PAPER_MODULES = tuple(f"isaclib.experiments.p{number}.figures" for number in (1, 2, 3, 4))


@dataclass(frozen=True)
class RunContext:
    """What a figure's ``run`` function is given.

    Attributes:
        figure: Figure id, such as ``"p1-fig2"``.
        preset: ``"smoke"``, ``"desk"`` or ``"paper"``.
        config: The preset's configuration, a frozen dataclass of the paper's module.
        seed: Seed of the run.
        device: ``"cpu"`` or ``"cuda"``.
        results: Results folder. The finished result is saved there by whoever called ``run``.
        state: Work folder of this figure, preset, seed and configuration alone. Checkpoints live
            here, and so do weights files that belong to the result: written as ``state / name``,
            they are published together with the curves, in one step.
        sweep: Runs the figure's independent tasks, in this process or on a cluster.
    """

    figure: str
    preset: str
    config: Any
    seed: int
    device: str
    results: Path
    state: Path
    sweep: Sweep

    @property
    def paper_results(self) -> Path:
        """Folder of the paper's stored results, ``results/<paper>``."""
        return self.results / self.figure.partition("-")[0]


@dataclass(frozen=True)
class FigureSpec:
    """One figure of a paper.

    Attributes:
        id: Figure id, such as ``"p1-fig2"``.
        paper: Paper id, such as ``"p1"``; the id starts with it.
        title: What the figure shows, in one line.
        presets: Configuration of each preset, a frozen dataclass that
            :func:`dataclasses.asdict` turns into JSON data.
        run: Makes the result.
        draw: Draws a result.
    """

    id: str
    paper: str
    title: str
    presets: Mapping[str, Any]
    run: Callable[[RunContext], Result]
    draw: Callable[[Result], Figure]


def figures() -> dict[str, FigureSpec]:
    """Return every figure of every paper by its id, in the papers' order.

    Raises:
        ValueError: Two figures share an id, which is a mistake in a paper's module.
    """
    found: dict[str, FigureSpec] = {}
    for name in PAPER_MODULES:
        for spec in importlib.import_module(name).FIGURES:
            if spec.id in found:
                raise ValueError(f"{name}.FIGURES must have unique ids, got {spec.id!r} twice")
            found[spec.id] = spec
    return found


def figure(id: str) -> FigureSpec:
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
