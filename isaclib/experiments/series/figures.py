"""What a figure is, and what running it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from isaclib.experiments.series.results import Result
    from isaclib.experiments.series.sweep import Sweep

__all__ = ["FigureSpec", "RunContext"]


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
