"""What no receiver, and no beam, can beat, beside the figures of P1, P2 and P3: rows and panels.

The beams with the fewest misses for given symbol errors are the system ``front``. Each other system
has the limits of its own beam beside what was measured of it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from isaclib.experiments.engine.panels import LABELS, Drawing, Layer, Panel
from isaclib.experiments.engine.rows import FigureSpec, Row, no_rows
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.engine.tasks import At
from isaclib.experiments.limits.config import (
    P1_PRESETS,
    P2_PRESETS,
    P3_PRESETS,
    LimitsConfig,
    P3Limits,
)
from isaclib.experiments.limits.systems import Array, p1_arrays, p2_arrays, p3_arrays
from isaclib.experiments.limits.tasks import FindFront, FrontBeam, MeasureLimit, ShowMeasured
from isaclib.experiments.p3.figures import tradeoff_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

C = TypeVar("C", bound=LimitsConfig)

SEARCHED = ("ser", "p_md_search", "floor", "floor_known", "reached", "starts", "ser_floor")
MEASURED = ("measured_ser", "measured_p_md", "measured_rmse")


def fronts(c: LimitsConfig, seed: int, arrays: Iterable[Array]) -> Iterator[Row]:
    """The whole front on the first array, and its ends on the others."""
    for number, array in enumerate(arrays):
        beams = 2 if number else c.front.beams
        yield Row(
            {"system": "front", **array.at}, FindFront(array.baseline, beams, c.front.random, seed)
        )


def limits(c: LimitsConfig, seed: int, arrays: Sequence[Array]) -> Iterator[Row]:
    """Limits of the best beams, and of the systems' own."""
    for row in fronts(c, seed, arrays):
        assert isinstance(row.task, FindFront)
        for index in range(row.task.beams):
            limit = MeasureLimit(row.task.baseline, FrontBeam(row.task, index), c.test, seed)
            yield Row({**row.at, "beam": index}, limit)
    for array in arrays:
        for at, beam in array.systems:
            yield Row(at, MeasureLimit(array.baseline, beam, c.test, seed))


def p3_joint(c: P3Limits, seed: int) -> Iterator[Row]:
    """What Fig. 5 measures of the first array's joint beams."""
    for row in tradeoff_rows(c.systems, seed):
        if row.at["array"] == 0:
            yield Row({**row.at, "figure": "p3-fig5"}, ShowMeasured(row.task))


# Panels


@dataclass(frozen=True)
class System:
    """A system's Pareto points, and what no receiver with the same beams does better, dotted.

    A limit on the RMSE depends on how many targets are detected, and this is that of the system.
    """

    where: At
    label: str
    color: str
    marker: str

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS, plot_points
        from isaclib.metrics import pareto_front

        rows, color = rows.where(**self.where), COLORS[self.color]
        x, measured = f"measured_{x}", f"measured_{y}"
        shown = rows.take(pareto_front(rows[x].values, rows[measured].values))
        plot_points(axes, shown, x, measured, color=color, marker=self.marker, label=self.label)
        limit = shown["rmse_limit" if y == "rmse" else y].values
        if not any(map(math.isnan, limit)):  # where limits were measured
            axes.plot(shown[x].values, limit, ":", color=color, linewidth=1.2)


@dataclass(frozen=True)
class Best:
    """The best receiver with the best beams."""

    where: At

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS

        front = rows.where(**self.where)
        label = "best receiver, best beam"
        axes.plot(front[x].values, front[y].values, color=COLORS["black"], label=label)


def out_of_reach(where: At) -> Callable[["Axes", Table], None]:
    """Shades what is proven to be out of reach, of any receiver with any beam."""

    def shade(axes: "Axes", rows: Table) -> None:
        from isaclib.experiments.engine.plotting import COLORS

        axes.set_yscale("log")
        front = rows.where(**where)
        points = sorted(zip(front["ser"].values, front["floor_known"].values, strict=True))
        floor = [y for _, y in points]
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        # Below a SER nothing is possible; a floor holds for all smaller SERs, the last for all.
        least = front["ser_floor"].values[0]
        ser = [left, least, least, *(x for x, _ in points), right]
        edge = [top, top, floor[0], *floor, floor[-1]]
        axes.fill_between(ser, edge, bottom, color=COLORS["gray"], alpha=0.15, lw=0)
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)

    return shade


P2_PLACE: At = {"array": 0, "sector": "seen"}
P3_PLACE: At = {"array": 0}
JOINT: At = {"figure": "p3-fig5", **P3_PLACE}
P1_SYSTEMS = (
    System({"system": "baseline"}, "baseline: least squares, MAPRT", "gray", "x"),
    System({"system": "autoencoder"}, "autoencoder", "orange", "s"),
)
P2_SYSTEMS = (
    System({"spacings": "known", **P2_PLACE}, "baseline, spacings known", "gray", "x"),
    System({"spacings": "unknown", **P2_PLACE}, r"baseline, assumes $\lambda/2$", "purple", "D"),
    System(
        {"system": "model-driven", "complexity": "unlimited", **P2_PLACE},
        *("model-driven", "blue", "o"),
    ),
    System({"system": "networks", **P2_PLACE}, "networks, $N=21$", "orange", "s"),
)
P3_SYSTEMS = (
    System({"system": "known", **JOINT}, "baseline, spacings known", "gray", "x"),
    System({"system": "unknown", **JOINT}, r"baseline, assumes $\lambda/2$", "purple", "D"),
    System({"system": "SL", **JOINT}, "SL, all iterations", "blue", "o"),
    System({"system": "SL+UL", **JOINT}, "SSL", "green", "^"),
)
"""Systems that are drawn, for the first array; those of P3 with their joint beams."""


def panels(systems: Sequence[System], place: At, error: str) -> list[Panel]:
    """Misses and errors of the targets that are detected, over symbol errors."""
    front = {"system": "front", **place}
    layers: list[Layer] = [*systems, Best(front)]
    shade = out_of_reach(front)
    return [
        Panel("ser", "p_md", layers, xscale="log", yscale="plain", finish=shade),
        Panel("ser", "rmse", layers, ylabel=LABELS[error], xscale="log", yscale="plain"),
    ]


def spec(
    shows: str,
    presets: Mapping[str, C],
    arrays: Callable[[C, int], list[Array]],
    *builds_on: str,
    systems: Sequence[System],
    place: At,
    joint: Callable[[C, int], Iterable[Row]] = no_rows,
) -> FigureSpec[C]:
    """Limits of a paper's systems, and rows of joint beams whose limits are not measured."""
    paper = builds_on[0][:2]
    unit, error = ("m", "position") if paper == "p3" else ("deg", "rmse_deg")
    names = (*SEARCHED, "p_md", "p_fa", "rmse", "rmse_limit", *MEASURED)
    return FigureSpec(
        f"{paper}-limits",
        f"{shows} beside what no receiver, and no beam, can beat",
        presets,
        lambda c, seed: chain(limits(c, seed, arrays(c, seed)), joint(c, seed)),
        {name: unit if "rmse" in name else "1" for name in names},
        Drawing(lambda c: panels(systems, place, error)),
        lambda c, seed: fronts(c, seed, arrays(c, seed)),
        builds_on,
    )


P1 = spec("P1 Fig. 2", P1_PRESETS, p1_arrays, "p1-fig2", systems=P1_SYSTEMS, place={})
P2 = spec(
    *("P2 Figs. 4 and 5", P2_PRESETS, p2_arrays, "p2-fig4"),
    systems=P2_SYSTEMS,
    place=P2_PLACE,
)
P3 = spec(
    *("P3 Figs. 3 and 5", P3_PRESETS, p3_arrays, "p3-fig3", "p3-fig5"),
    systems=P3_SYSTEMS,
    place=P3_PLACE,
    joint=p3_joint,
)
FIGURES = (P1, P2, P3)
