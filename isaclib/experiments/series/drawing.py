"""Axes, labels and markers that the figures of all papers share."""

from matplotlib.axes import Axes

from isaclib.experiments.engine.plotting import plain_log_scale
from isaclib.experiments.series.results import Result, Series

LABELS = {
    "ser": "symbol error rate, SER",
    "p_d": r"detection probability, $P_\mathrm{d}$",
    "p_md": r"misdetection probability, $P_\mathrm{md}$",
    "rmse_deg": "angle RMSE (degrees)",
}
MARKERS = ("o", "s", "^", "D", "v")
WEIGHT = r"$\omega_\mathrm{r}$"

LOGARITHMIC = ("p_md", "rmse_deg")
"""Quantities with a logarithmic vertical axis."""


def tradeoff_axes(axes: Axes, y: str) -> None:
    """Label and scale the axes of a sensing metric over the symbol error rate."""
    axes.set_xscale("log")
    axes.set_xlabel(LABELS["ser"])
    axes.set_ylabel(LABELS[y])
    if y in LOGARITHMIC:
        plain_log_scale(axes, y=True)


def named(result: Result, prefix: str, suffix: str = "", *, without: str = "") -> list[Series]:
    """Series below a name: its repetitions or draws."""
    return [
        s
        for s in result.series
        if s.name.startswith(prefix)
        and s.name.endswith(suffix)
        and not (without and s.name.endswith(without))
    ]
