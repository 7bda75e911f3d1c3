"""One style for all figures, and the few kinds of plot that they are made of."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import Table
from isaclib.signal.arrays import Sector

COLORS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#008F68",
    "purple": "#B8578C",
    "sky": "#3A93C8",
    "yellow": "#A87400",
    "gray": "#6B6B6B",
    "black": "#000000",
}
"""Okabe and Ito's palette, which the colour-blind can tell apart, with a contrast of at least 3:1
to white; a page in dark mode inverts the lightness of figures."""

WIDTH = 5.2
"""Width of every figure [inch], so that its 10 pt text has 9 px on a phone."""

STYLE: dict[Any, Any] = {
    "figure.dpi": 180,
    "savefig.dpi": 180,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
}


@contextmanager
def style() -> Iterator[None]:
    """Use the book's style within a ``with`` block, and restore the reader's own after it."""
    with mpl.rc_context(STYLE):
        yield


def new_figure(
    panels: int = 1, *, height: float = 3.0, sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    """Empty figure with panels below each other, each of a height [inch]."""
    size = (WIDTH, height * panels)
    figure, axes = plt.subplots(panels, figsize=size, squeeze=False, sharex=sharex)
    return figure, list(axes[:, 0])


def name_source(figure: Figure, result: Result) -> None:
    """Say below a figure which preset and how many test samples its points come from."""
    samples = f", {result.samples:,} test samples a point" if result.samples else ""
    text = f"{result.figure}, preset: {result.preset}{samples}"
    figure.supxlabel(text, fontsize=10, color=COLORS["gray"], ha="right", x=0.99)


def legend_above(figure: Figure, axes: Axes, columns: int = 2) -> None:
    """Put one legend for all panels above them, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)


def plot_points(
    axes: Axes,
    curve: Table,
    x: str,
    y: str,
    *,
    label: str | None = None,
    color: str = COLORS["blue"],
    marker: str = "o",
    line: str = "-",
    filled: bool = True,
    alpha: float = 1.0,
) -> None:
    """Draw one curve with the confidence intervals of its points."""
    horizontal, vertical = curve[x], curve[y]
    errors = None
    if vertical.low is not None and vertical.high is not None:
        errors = [
            [v - low for v, low in zip(vertical.values, vertical.low, strict=True)],
            [high - v for v, high in zip(vertical.values, vertical.high, strict=True)],
        ]
    axes.errorbar(
        horizontal.values,
        vertical.values,
        yerr=errors,
        label=label,
        color=color,
        marker=marker,
        linestyle=line or "none",
        markerfacecolor=color if filled else "white",
        elinewidth=1,
        alpha=alpha,
    )


def plot_ranges(
    axes: Axes,
    places: Sequence[float],
    columns: Sequence[Sequence[float]],
    *,
    average: Callable[[Sequence[float]], float],
    label: str | None,
    color: str,
    marker: str,
) -> None:
    """Draw an average of each column of values as a marker, and its range as a bar."""
    averages = [average(column) for column in columns]
    ends = [
        [m - min(column) for m, column in zip(averages, columns, strict=True)],
        [max(column) - m for m, column in zip(averages, columns, strict=True)],
    ]
    axes.errorbar(
        places,
        averages,
        yerr=ends,
        label=label,
        color=color,
        marker=marker,
        linestyle="none",
        capsize=3,
    )


def plain_log_scale(axes: Axes, *, x: bool = False, y: bool = False) -> None:
    """Make axes logarithmic with ordinary numbers at 1, 2, 3 and 5 of each decade.

    Where what is drawn spans less than a factor of five, so are 1.5 and the others of 1 to 9.
    """
    for wanted, axis, scale in ((x, axes.xaxis, axes.set_xscale), (y, axes.yaxis, axes.set_yscale)):
        if wanted:
            scale("log")
            low, high = axis.get_view_interval()
            subs = (1, 2, 3, 5) if high >= 5 * low else (1, 1.5, *range(2, 10))
            axis.set_major_locator(LogLocator(subs=subs))
            axis.set_major_formatter(FormatStrFormatter("%g"))
            axis.set_minor_formatter(NullFormatter())


def shade_sector(axes: Axes, sector: Sector, label: str, color: str) -> None:
    """Mark a sector of angles on a horizontal axis in degrees."""
    axes.axvspan(sector.min_deg, sector.max_deg, color=color, alpha=0.12, lw=0, label=label)


def spread(series: Sequence[Table], quantity: str) -> tuple[list[float], list[float], list[float]]:
    """Mean, smallest and largest value of a quantity over repetitions, point by point."""
    columns = list(zip(*(s[quantity].values for s in series), strict=True))
    return (
        [sum(column) / len(column) for column in columns],
        [min(column) for column in columns],
        [max(column) for column in columns],
    )
