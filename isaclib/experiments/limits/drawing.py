"""The figures of limits, drawn from their results."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isaclib.experiments.engine.panels import LABELS as PANEL_LABELS
from isaclib.experiments.engine.plotting import (
    COLORS,
    legend_above,
    name_source,
    new_figure,
    plain_log_scale,
    plot_points,
    style,
)
from isaclib.experiments.limits.runs import FRONT
from isaclib.experiments.series.drawing import LABELS
from isaclib.experiments.series.results import Result, Series
from isaclib.metrics import pareto_front

BEST = "best receiver, best beam"

Look = tuple[str, str, str]
"""Colour, marker and label of a system."""


def draw_p1(result: Result) -> Figure:
    """Limits of P1 Fig. 2."""
    looks = {
        "baseline": (COLORS["gray"], "x", "baseline: least squares, MAPRT"),
        "autoencoder/deg/0": (COLORS["orange"], "s", "autoencoder"),
    }
    return _draw(result, looks, LABELS["rmse_deg"])


def draw_p2(result: Result) -> Figure:
    """Limits of P2 Fig. 4, for the first array."""
    looks = {
        "baseline/known/0": (COLORS["gray"], "x", "baseline, spacings known"),
        "baseline/unknown/0": (COLORS["purple"], "D", r"baseline, assumes $\lambda/2$"),
        "model-driven/unlimited/0": (COLORS["blue"], "o", "model-driven"),
        "networks/limited/0": (COLORS["orange"], "s", "networks, $N=21$"),
    }
    return _draw(result, looks, LABELS["rmse_deg"])


def draw_p3(result: Result) -> Figure:
    """Limits of P3 Fig. 5, for the first array."""
    looks = {
        "known/0/joint": (COLORS["gray"], "x", "baseline, spacings known"),
        "unknown/0/joint": (COLORS["purple"], "D", r"baseline, assumes $\lambda/2$"),
        "SL/0/joint": (COLORS["blue"], "o", "SL, all iterations"),
        "SL+UL/0/joint": (COLORS["green"], "^", "SSL"),
    }
    return _draw(result, looks, PANEL_LABELS["position"])


def _draw(result: Result, looks: Mapping[str, Look], error: str) -> Figure:
    """Systems as measured, the limit of each one's own beam, and the limit of all beams."""
    with style():
        figure, panels = new_figure(2, height=4.6)
        for axes, y in zip(panels, ("p_md", "rmse"), strict=True):
            for name, own in looks.items():
                _draw_system(axes, result[name], y, own)
            front = result[f"{FRONT}/0"]
            axes.plot(front["ser"].values, front[y].values, color=COLORS["black"], label=BEST)
            axes.set_xscale("log")
            axes.set_xlabel(LABELS["ser"])
            axes.set_ylabel(LABELS["p_md"] if y == "p_md" else error)
            plain_log_scale(axes, y=True)
        _shade(panels[0], result[f"{FRONT}/0"])
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def _draw_system(axes: Axes, series: Series, y: str, look: Look) -> None:
    """A system's Pareto points, and what no receiver with the same beams does better.

    A limit on the RMSE depends on how many targets are detected, and this is that of the system.
    """
    color, marker, label = look
    x, measured = "measured_ser", f"measured_{y}"
    limited = "rmse_limit" if y == "rmse" else y
    shown = series.take(pareto_front(series[x].values, series[measured].values))
    plot_points(axes, shown, x, measured, color=color, marker=marker, label=label)
    if limited in shown.quantities:
        axes.plot(shown[x].values, shown[limited].values, ":", color=color, linewidth=1.2)


def _shade(axes: Axes, front: Series) -> None:
    """What is proven to be out of reach, of any receiver with any beam."""
    order = sorted(range(len(front)), key=front["ser"].values.__getitem__)
    floor = [front["floor_known"].values[i] for i in order]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    # Below a SER nothing is possible; a floor holds for all smaller SERs, and the last for all.
    least = front["ser_floor"].values[0]
    ser = [left, least, least, *(front["ser"].values[i] for i in order), right]
    edge = [top, top, floor[0], *floor, floor[-1]]
    axes.fill_between(ser, edge, bottom, color=COLORS["gray"], alpha=0.15, lw=0)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
