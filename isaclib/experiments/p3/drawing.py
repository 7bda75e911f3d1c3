"""The figures of P3, drawn from their results."""

from collections.abc import Sequence
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from isaclib.experiments.engine.drawing import LABELS, named
from isaclib.experiments.engine.plotting import (
    COLORS,
    legend_above,
    name_source,
    new_figure,
    plain_log_scale,
    plot_points,
    spread,
    style,
)
from isaclib.experiments.engine.results import Result, Series
from isaclib.metrics import pareto_front

P3_LABELS = {**LABELS, "position": "position RMSE (m)"}
METRICS = ("p_md", "position")

REFERENCES = {
    "known": (COLORS["black"], "-", "baseline, spacings known"),
    "unknown": (COLORS["gray"], "--", r"baseline, assumes $\lambda/2$"),
}
"""Baselines: colour, line style, label."""

SCHEDULES = {
    "SL": (COLORS["blue"], "o", "supervised (SL)"),
    "UL": (COLORS["orange"], "s", "unsupervised (UL)"),
    "SL+UL": (COLORS["green"], "^", "SL, then UL"),
    "UL+SL": (COLORS["purple"], "D", "UL, then SL"),
}
"""Schedules: colour, marker, label."""


def draw_sensing(result: Result) -> Figure:
    """P3 Fig. 3: sensing along the schedules, the paper's two panels on top of each other."""
    rows = (("SL", "UL"), ("SL", "SL+UL", "UL+SL"))
    with style():
        figure, panels = plt.subplots(2, 2, figsize=(8.8, 7.2), sharex=True)
        for row, orders in enumerate(rows):
            for column, y in enumerate(METRICS):
                axes = panels[row, column]
                _references(axes, result, y)
                for order in orders:
                    color, marker, label = SCHEDULES[order]
                    _over_draws(
                        axes,
                        named(result, f"{order}/"),
                        "iteration",
                        y,
                        label=label,
                        color=color,
                        marker=marker,
                    )
                axes.set_xscale("log")
                axes.set_ylabel(P3_LABELS[y])
                plain_log_scale(axes, y=True)
                if row:
                    axes.set_xlabel("iterations")
        _legend(figure, [*panels[0], *panels[1]])
        name_source(figure, result)
    return figure


def _references(axes: Axes, result: Result, y: str) -> None:
    """Baselines as horizontal lines: the mean over all arrays, and the range as a band."""
    for name, (color, line, label) in REFERENCES.items():
        (mean,), (low,), (high,) = spread(named(result, f"{name}/"), y)
        axes.axhline(mean, color=color, linestyle=line, linewidth=1.2, label=label)
        axes.axhspan(low, high, color=color, alpha=0.12, lw=0)


def _over_draws(axes: Axes, curves: Sequence[Series], x: str, y: str, **look: Any) -> None:
    """A curve of means over all arrays, with bars from the smallest to the largest value.

    Where there is one array, the bars are the confidence intervals. Where one's training has
    diverged, the curve ends with its last point.
    """
    common = range(min((len(curve) for curve in curves), default=0))
    curves = [curve.take(common) for curve in curves]
    if not common:
        return
    if len(curves) == 1:
        plot_points(axes, curves[0], x, y, **look)
        return
    mean, low, high = spread(curves, y)
    bars = [
        [m - value for m, value in zip(mean, low, strict=True)],
        [value - m for m, value in zip(mean, high, strict=True)],
    ]
    axes.errorbar(curves[0][x].values, mean, yerr=bars, elinewidth=1, **look)


def _legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend for panels that show different curves."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(list(found.values()), list(found), loc="outside upper center", ncols=2)


def draw_ratio(result: Result) -> Figure:
    """P3 Fig. 4: misdetection probability, and position RMSE, over the labelled share."""
    with style():
        figure, panels = new_figure(2, height=4.0)
        for axes, y in zip(panels, METRICS, strict=True):
            _references(axes, result, y)
            (mean,), _, _ = spread(named(result, "SL/"), y)
            color, _, label = SCHEDULES["SL"]
            axes.axhline(mean, color=color, linestyle=":", label=label)
            color, marker, label = SCHEDULES["SL+UL"]
            curves = named(result, "SL+UL/")
            _over_draws(axes, curves, "ratio", y, label=label, color=color, marker=marker)
            smallest = min(ratio for ratio in curves[0]["ratio"].values if ratio > 0)
            axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
            axes.set_xlim(left=-smallest / 5)  # room for the marker at 0
            axes.set_xlabel("share of iterations with labels")
            axes.set_ylabel(P3_LABELS[y])
            plain_log_scale(axes, y=True)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


SYSTEMS = {
    "known": (COLORS["black"], "", "baseline, spacings known"),
    "unknown": (COLORS["gray"], "x", r"baseline, assumes $\lambda/2$"),
    "SL": (COLORS["blue"], "o", "SL, all iterations"),
    "SL short": (COLORS["orange"], "s", "SL, 1/85 of the iterations"),
    "SL+UL": (COLORS["green"], "^", "the latter, then UL"),
}
"""Systems of Fig. 5: colour, marker, label."""


def draw_tradeoff(result: Result) -> Figure:
    """P3 Fig. 5: symbol error rate against sensing, Pareto-optimal points of the first array.

    Returns:
        The figure; fronts of the other arrays are faint, and so are the points of the first that
        are not optimal.
    """
    with style():
        figure, panels = new_figure(2, height=4.2)
        for axes, y in zip(panels, METRICS, strict=True):
            for system, (color, marker, label) in SYSTEMS.items():
                for index, curve in enumerate(named(result, f"{system}/")):
                    front = _front(curve, y)
                    if index:
                        _line(axes, front, y, color=color, alpha=0.25)
                        continue
                    axes.plot(curve["ser"].values, curve[y].values, ".", color=color, alpha=0.15)
                    plot_points(axes, front, "ser", y, color=color, marker=marker, label=label)
            axes.set_xscale("log")
            axes.set_xlabel(P3_LABELS["ser"])
            axes.set_ylabel(P3_LABELS[y])
            plain_log_scale(axes, y=True)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def _front(curve: Series, y: str) -> Series:
    """Points of a sweep that no other point beats in both SER and a sensing metric."""
    return curve.take(pareto_front(curve["ser"].values, curve[y].values))


def _line(axes: Axes, curve: Series, y: str, **look: Any) -> None:
    axes.plot(curve["ser"].values, curve[y].values, linewidth=1, **look)


LEARNERS = ("blue", "orange", "green", "purple", "sky", "yellow", "gray")


def draw_learning(result: Result) -> Figure:
    """Ways to learn the spacings, over the number of labelled samples."""
    names = [v["name"] for v in result.config["variations"]]
    with style():
        figure, panels = new_figure(2, height=4.4)
        for axes, y in zip(panels, ("p_md", "position_error"), strict=True):
            if y == "p_md":
                _references(axes, result, y)
            for index, name in enumerate(names):
                _over_draws(
                    axes,
                    named(result, f"{name}/"),
                    "samples",
                    y,
                    label=_variation_label(name),
                    color=COLORS[LEARNERS[index % len(LEARNERS)]],
                    marker="osD^v<>"[index % 7],
                )
            _over_draws(
                axes,
                named(result, "calibration/"),
                "samples",
                y,
                label="maximum likelihood",
                color=COLORS["black"],
                marker="*",
            )
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("labelled samples")
            axes.set_ylabel(
                {"position_error": "RMS error of the positions ($\\lambda$)"}.get(
                    y, P3_LABELS.get(y, y)
                )
            )
            plain_log_scale(axes, y=True)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def _variation_label(name: str) -> str:
    """Name of a variation in a legend."""
    if name.startswith("rate x"):
        return f"learning rate {name.removeprefix('rate x')} x the paper's"
    return {
        "supervised": "SL as in Fig. 3",
        "no drop": "SL, one learning rate throughout",
        "gated": "SL, declared targets alone",
        "all samples": "SL, missed targets too",
        "position": "SL, positions as parameters",
    }[name]


def draw_constellation(result: Result) -> Figure:
    """Misdetection with constellations of equal and unequal moduli."""
    looks = {
        "reciprocal": (COLORS["orange"], "s", "Eq. (9), after reciprocal filtering"),
        "matched": (COLORS["blue"], "o", "MAPRT with the symbols' moduli"),
    }
    with style():
        figure, (axes,) = new_figure(1, width=5.5)
        for name, (color, marker, label) in looks.items():
            plot_points(
                axes,
                result[name],
                "order",
                "p_md",
                color=color,
                marker=marker,
                line="",
                label=label,
                filled=name == "matched",
            )
        orders = [int(order) for order in result["matched"]["order"].values]
        axes.set_xscale("log", base=2)
        axes.set_xticks(orders, [f"{order}-QAM" for order in orders])
        axes.set_xlim(orders[0] / 2, orders[-1] * 2)
        axes.set_ylabel(P3_LABELS["p_md"])
        legend_above(figure, axes, columns=1)
        name_source(figure, result)
    return figure
