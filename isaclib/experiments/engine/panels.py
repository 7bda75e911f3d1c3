"""How rows are drawn: a drawing has panels, a panel has layers, and a layer selects rows.

A layer is anything with ``draw(axes, rows, x, y)``; a figure that needs its own kind defines one.
Nothing here imports Matplotlib before it draws.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.engine.tasks import At

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

C = TypeVar("C")
LABELS = {
    "ser": "symbol error rate, SER",
    "p_d": r"detection probability, $P_\mathrm{d}$",
    "p_md": r"misdetection probability, $P_\mathrm{md}$",
    "rmse_deg": "angle RMSE (degrees)",
    "position": "position RMSE (m)",
}
"""What the axes of common quantities are called."""


class Layer(Protocol):
    """Something drawn in a panel from some of a result's rows."""

    def draw(self, axes: Axes, rows: Table, x: str, y: str) -> None:
        """Draw it."""


@dataclass(frozen=True)
class Selected:
    """What most layers have: which rows, by their coordinates; an entry in the legend; a color.

    Colors are named in :data:`.plotting.COLORS`.
    """

    where: At
    label: str | None = None
    color: str = "blue"


@dataclass(frozen=True)
class Line(Selected):
    """A curve with the intervals of its points, or with its range over another coordinate.

    Attributes:
        marker: Marker of the points.
        line: Line style, ``""`` for none.
        filled: Whether the markers are filled.
        alpha: Opacity, where it is no mean.
        over: Coordinate, such as an array, over whose values the curve is a mean, with bars from
            the smallest to the largest. It ends with the shortest, and is the only one if it is.
        optional: Whether it is left out where there are no such rows.
    """

    marker: str = "o"
    line: str = "-"
    filled: bool = True
    alpha: float = 1.0
    over: str = ""
    optional: bool = False

    def draw(self, axes: Axes, rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine import plotting

        try:
            rows = rows.where(**self.where)
        except KeyError:
            if self.optional:
                return
            raise
        curves = list(rows.split(self.over).values()) if self.over else [rows]
        common = range(min(map(len, curves)))
        first, *others = (curve.take(common) for curve in curves)
        look: dict[str, Any] = {
            "label": self.label,
            "color": plotting.COLORS[self.color],
            "marker": self.marker,
        }
        if not others:
            look |= {"line": self.line, "filled": self.filled, "alpha": self.alpha}
            plotting.plot_points(axes, first, x, y, **look)
            return
        mean, low, high = plotting.spread([first, *others], y)
        bars = [
            [m - value for m, value in zip(mean, low, strict=True)],
            [value - m for m, value in zip(mean, high, strict=True)],
        ]
        axes.errorbar(first[x].values, mean, yerr=bars, elinewidth=1, **look)


@dataclass(frozen=True)
class Level(Selected):
    """A horizontal line at the mean of some rows, such as a baseline over all arrays.

    ``line`` and ``width`` are its style; a ``band`` shades the range of the rows.
    """

    color: str = "gray"
    line: str = "--"
    width: float | None = None
    band: bool = True

    def draw(self, axes: Axes, rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS

        values, color = rows.where(**self.where)[y].values, COLORS[self.color]
        mean = sum(values) / len(values)
        look: dict[str, Any] = {"linewidth": self.width} if self.width else {}
        axes.axhline(mean, color=color, linestyle=self.line, label=self.label, **look)
        if self.band:
            axes.axhspan(min(values), max(values), color=color, alpha=0.12, lw=0)


@dataclass(frozen=True)
class Front(Selected):
    """The points of a sweep that no other beats in both x and y, the others faintly.

    Attributes:
        marker: Marker of the front.
        over: Coordinate, such as an array, of which only the first value is drawn like this, and
            the others as faint lines.
        larger_is_better: Whether y is a benefit and not a cost.
    """

    marker: str = ""
    over: str = ""
    larger_is_better: bool = False

    def draw(self, axes: Axes, rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine import plotting
        from isaclib.metrics import pareto_front

        rows = rows.where(**self.where)
        color = plotting.COLORS[self.color]
        look: dict[str, Any] = {"color": color, "marker": self.marker, "label": self.label}
        for index, curve in enumerate(rows.split(self.over).values() if self.over else [rows]):
            sign = -1 if self.larger_is_better else 1
            front = curve.take(pareto_front(curve[x].values, [sign * v for v in curve[y].values]))
            if index:
                places = front[x].values, front[y].values
                axes.plot(*places, linewidth=1, color=color, alpha=0.25)
                continue
            axes.plot(curve[x].values, curve[y].values, ".", color=color, alpha=0.15)
            plotting.plot_points(axes, front, x, y, **look)


@dataclass(frozen=True)
class Band(Selected):
    """The range of a quantity ``over`` arrays or trainings, shaded, and its mean as a line.

    The line may be the ``first`` of them instead. The shade has an opacity and an edge of a width.
    """

    over: str = "array"
    first: bool = False
    alpha: float = 0.15
    edge: float = 0.0

    def draw(self, axes: Axes, rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine import plotting

        curves = list(rows.where(**self.where).split(self.over).values())
        color, (places, _, _) = plotting.COLORS[self.color], plotting.spread(curves, x)
        mean, low, high = plotting.spread(curves, y)
        axes.fill_between(places, low, high, color=color, alpha=self.alpha, lw=self.edge)
        line = (curves[0][x].values, curves[0][y].values) if self.first else (places, mean)
        axes.plot(*line, color=color, label=self.label)


@dataclass(frozen=True)
class Ranges(Selected):
    """An average of the rows at each value of x as a marker, and their range as a bar.

    The values of x are categories, the first at 0, the second at 1 and so on.

    Attributes:
        marker: Marker of the averages.
        shift: How far it stands to the right of the categories.
        average: Which average; None shows each row as a marker, where they are few.
        places: Further coordinates at each category, in the place of a value of x.
    """

    marker: str = "o"
    shift: float = 0.0
    average: Callable[[Sequence[float]], float] | None = statistics.fmean
    places: Sequence[At] = ()

    def draw(self, axes: Axes, rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS, plot_ranges

        own = rows.where(**self.where)
        parts = [own.where(**at) for at in self.places] or list(own.split(x).values())
        columns = [part[y].values for part in parts]
        places = [index + self.shift for index in range(len(columns))]
        look: dict[str, Any] = {"color": COLORS[self.color], "marker": self.marker}
        if self.average:
            plot_ranges(axes, places, columns, average=self.average, label=self.label, **look)
            return
        for index in range(max(map(len, columns))):
            few = [(at, c[index]) for at, c in zip(places, columns, strict=True) if index < len(c)]
            label = None if index else self.label
            axes.plot(*zip(*few, strict=True), linestyle="none", ms=4, label=label, **look)


@dataclass(frozen=True)
class Notes:
    """Names beside points of a curve, by their values of the coordinate ``key``, if it has them.

    ``offset`` is where a name stands from its point [points].
    """

    where: At
    key: str
    names: Mapping[float, str]
    offset: tuple[int, int] = (7, -12)

    def draw(self, axes: Axes, rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS

        curve = rows.where(**self.where)
        look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 10}
        for value, name in self.names.items():
            if value in curve[self.key].values:
                index = curve[self.key].values.index(value)
                place = curve[x].values[index], curve[y].values[index]
                axes.annotate(name, place, xytext=self.offset, color=COLORS["black"], **look)


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        x: Coordinate or quantity on the horizontal axis.
        y: Quantity on the vertical axis.
        layers: What is drawn, in this order.
        xlabel: What the horizontal axis is called; that of :data:`LABELS` if not given.
        ylabel: The same for the vertical one.
        xscale: A scale of Matplotlib, or ``"plain"``, logarithmic with ordinary numbers.
        yscale: The same for the vertical axis.
        title: Title.
        finish: What is done to the axes at last.
        legend: Place of a legend of its own, such as ``"upper left"``.
    """

    x: str
    y: str
    layers: Sequence[Layer]
    xlabel: str | None = None
    ylabel: str | None = None
    xscale: str = "linear"
    yscale: Literal["linear", "log", "plain"] = "linear"
    title: str = ""
    finish: Callable[[Axes, Table], None] | None = None
    legend: str = ""

    def draw(self, axes: Axes, rows: Table) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import plain_log_scale

        for layer in self.layers:
            layer.draw(axes, rows, self.x, self.y)
        for scale, set_scale in ((self.xscale, axes.set_xscale), (self.yscale, axes.set_yscale)):
            if scale not in ("linear", "plain"):
                set_scale(scale)
        if self.finish:
            self.finish(axes, rows)
        axes.set_xlabel(LABELS.get(self.x, self.x) if self.xlabel is None else self.xlabel)
        axes.set_ylabel(LABELS.get(self.y, self.y) if self.ylabel is None else self.ylabel)
        axes.set_title(self.title)
        if self.legend:
            axes.legend(loc=self.legend)  # type: ignore[call-overload]  # any of its places
        plain_log_scale(axes, x=self.xscale == "plain", y=self.yscale == "plain")


@dataclass(frozen=True)
class Drawing(Generic[C]):
    """Panels below each other, one legend above them, and where their points come from below.

    Attributes:
        panels: Makes the panels for a configuration.
        height: Height of each [inch].
        legend: Whether there is a legend.
        sharex: Whether panels share the horizontal axis.
    """

    panels: Callable[[C], Sequence[Panel]]
    height: float = 3.0
    legend: bool = True
    sharex: bool = False

    def draw(self, config: C, result: Result) -> Figure:
        """Draw a result."""
        from isaclib.experiments.engine.plotting import name_source, new_figure, style

        panels = self.panels(config)
        entries: dict[str, Any] = {}
        with style():
            figure, rows = new_figure(len(panels), height=self.height, sharex=self.sharex)
            for axes, panel in zip(rows, panels, strict=True):
                panel.draw(axes, result.rows)
                for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                    entries.setdefault(label, handle)
            if self.legend:
                columns = 1 if any(len(label) > 29 for label in entries) else 2
                figure.set_figheight(figure.get_figheight() + 0.2 * len(entries) / columns)
                handles, labels = list(entries.values()), list(entries)
                figure.legend(handles, labels, loc="outside upper center", ncols=columns)
            name_source(figure, result)
        return figure
